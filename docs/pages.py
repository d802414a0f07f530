"""Put the pages of the site together, for Sphinx: python docs/pages.py FOLDER. Law: no text stands twice.

Pages that lie elsewhere in the tree are brought in, and links between all of them follow. A page is found by its place:
one that no section has is refused. What the reference shows is asked for as `::: reactor.Name`.
"""

from __future__ import annotations

import importlib
import posixpath
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

# In this order; of a folder, the pages as its index.md has them, the others by name, all under its index.
SECTIONS: list[tuple[str, list[str]]] = [
    ("Learn", ["readme.md", "tutorial/*", "howto/*", "examples/*"]),
    ("Guides", ["framing.md", "testing.md", "production.md", "vendoring.md"]),
    ("Moving over", ["asyncio.md", "moving/*"]),
    ("Look up", ["reference/*", "performance.md", "bench.md"]),
    ("The house", ["design.md", "pictures.md", "security.md", "contributing.md", "changelog.md"]),
]

FOLDERS = {"tutorial": "Tutorial", "howto": "How to", "examples": "Examples", "moving": "From elsewhere"}

NAMES = {"readme.md": "In a minute", "bench.md": "How the bench measures"}  # where a first heading says too little

ELSEWHERE = {
    "README.md": "readme.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "bench/README.md": "bench.md",
    "examples/README.md": "examples/index.md",
}

_LINK = re.compile(r"(?<!`)(!?\[[^\[\]]*\])\(([^)\s#:]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^( *```+)([\w+-]+)[^`\n]*$", re.MULTILINE)
_LANGUAGES = {"python", "sh", "ini", "toml", "dockerfile", "json", "text", "yaml", "c"}  # others have no colours
ENTRY = re.compile(r"^::: (\S+)\n((?: +.*\n)*)", re.MULTILINE)
_NAME = re.compile(r"\]\[(reactor\.[\w.]+)\]")
_DIRECTIVE = re.compile(r"^<!-- (pages|section|file): (.+?) -->$", re.MULTILINE)
_FROM_AFAR = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\brel=[\"']?(?!canonical|next|prev)[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*\brel=[\"']?(?!canonical|next|prev)[^>]*>"
    r"|(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\s]*",
    re.IGNORECASE,
)


# ---- the pages


def sources() -> dict[str, str]:
    """Return the text of every page that isn't in docs/, by its place in the site."""
    found = {page: read(ROOT / path) for path, page in ELSEWHERE.items() if (ROOT / path).exists()}
    for program in programs():
        found[page_of(program)] = program_page(program)
    for folder, name in FOLDERS.items():
        index = f"{folder}/index.md"
        is_there = folder == "examples" or list((DOCS / folder).glob("*.md"))
        if is_there and index not in found and not (DOCS / index).exists():
            found[index] = f"# {name}\n\n<!-- pages: {folder} -->\n"
    return found


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def programs() -> list[Path]:
    """Return the programs among the examples; a folder of them is one page."""
    examples = ROOT / "examples"
    folders = [each for each in examples.iterdir() if each.is_dir() and list(each.glob("*.py"))]
    return sorted([*examples.glob("*.py"), *folders])


def page_of(program: Path) -> str:
    return f"examples/{program.stem}.md"


def program_page(program: Path) -> str:
    """Return a page that shows a program, or all of a folder's."""
    if program.is_file():
        return f"# {program.name}\n\n{shown(program)}"
    readme = program / "README.md"
    head = read(readme) if readme.exists() else f"# {program.name}\n"
    return "\n".join([head, *(f"## {each.name}\n\n{shown(each)}" for each in sorted(program.glob("*.py")))])


def shown(path: Path) -> str:
    return f"`{path.relative_to(ROOT).as_posix()}`\n\n````python\n{read(path).rstrip()}\n````\n"


def home_of(page: str) -> str:
    """Return the place in the tree that the links of a page start from."""
    for path, brought in ELSEWHERE.items():
        if brought == page:
            return path
    program = ROOT / "examples" / Path(page).stem
    if page.startswith("examples/") and program.is_dir():
        return f"examples/{program.name}/README.md"
    return f"docs/{page}"


def target_of(path: str) -> str | None:
    """Return the page that shows a file or folder of the tree; None if there is none."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    if path == "examples":
        return "examples/index.md"
    if path.startswith("examples/"):
        return page_of(ROOT / "examples" / path.split("/")[1])
    return path.removeprefix("docs/") if path.startswith("docs/") else None


# ---- the navigation


def navigation(pages: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return the sections with their pages. Raises LookupError for a page that belongs to none."""
    left, found = set(pages) - {"index.md"}, []
    for title, patterns in SECTIONS:
        chosen: list[str] = []
        for pattern in patterns:
            matching = sorted(page for page in left if fnmatchcase(page, pattern))
            chosen += sorted(matching, key=lambda page: rank(page, matching))
        left -= set(chosen)
        found.append((title, chosen))
    if left:
        raise LookupError(f"no section of docs/pages.py has {', '.join(sorted(left))}")
    return [(title, chosen) for title, chosen in found if chosen]


def contents(page: str, pages: Iterable[str]) -> str:
    """Return the lists of pages that belong below a page: all sections below the first, a folder's below its index."""
    folder, _, name = page.rpartition("/")
    if name != "index.md":
        return ""
    lists = []
    for title, chosen in navigation(pages):
        here = [each for each in chosen if posixpath.dirname(each) == folder and each != page]
        if not folder:
            here = [each for each in chosen if "/" not in each or each.endswith("/index.md")]
        caption = "" if folder else f":caption: {title}\n"
        if here:
            lines = "\n".join(named(each, posixpath.relpath(each, folder or ".").removesuffix(".md")) for each in here)
            lists.append(f"\n```{{toctree}}\n:hidden:\n{caption}\n{lines}\n```\n")
    return "".join(lists)


def named(page: str, place: str) -> str:
    return f"{NAMES[page]} <{place}>" if page in NAMES else place


def rank(page: str, pages: list[str]) -> tuple[int, str]:
    """Place an index first, then what it links to, in its order, then the rest by name."""
    if posixpath.basename(page) == "index.md":
        return -1, page
    index = DOCS / posixpath.dirname(page) / "index.md"
    linked = re.findall(r"\]\(([\w./-]+\.md)", read(index)) if index.exists() and posixpath.dirname(page) else []
    name = posixpath.basename(page)
    return (linked.index(name) if name in linked else len(linked)), page


# ---- the text of a page


def adapted(text: str, page: str, all_pages: Iterable[str]) -> str:
    """Return a page's Markdown as the site needs it: links to where things are there, directives carried out."""
    text = _DIRECTIVE.sub(lambda found: directive(found[1], found[2], page, sorted(all_pages)), text)
    text = _FENCE.sub(lambda found: found[1] + (found[2] if found[2] in _LANGUAGES else "text"), text)
    parts = re.split(r"(^ *```.*?^ *```+$)", text, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [_LINK.sub(lambda found: link(found, page), _NAME.sub(r"](#\1)", part)) for part in parts[::2]]
    return ENTRY.sub(lambda found: entry(found[1], found[2]), "".join(parts)) + contents(page, all_pages)


def link(found: re.Match[str], page: str) -> str:
    name, target, anchor = found[1], found[2], found[3] or ""
    if not target:
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(home_of(page)), target))
    place = target_of(path)
    if place is None:
        if (ROOT / path).exists():  # of the tree, and none of the site's
            return f"{name[1:-1]} (`{path}`)" if "`" not in name else name[1:-1]
        return found[0]
    return f"{name}({posixpath.relpath(place, posixpath.dirname(page) or '.')}{anchor})"


def directive(kind: str, argument: str, page: str, pages: list[str]) -> str:
    if kind == "file":
        return shown(ROOT / argument)
    if kind == "section":
        path, _, heading = argument.partition(", ")
        return moved(section(read(ROOT / path), heading), path, page)
    inside = [each for each in pages if each.startswith(f"{argument}/") and each != page]
    inside.sort(key=lambda each: rank(each, inside))
    here = posixpath.dirname(page) or "."
    return "\n".join(f"- [{title(each)}]({back(posixpath.relpath(each, here), page)})" for each in inside)


def entry(name: str, options: str) -> str:
    """Return what has Sphinx show a name: of a class the members that are asked for, or all that it has of its own."""
    value = resolved(name)
    kind = kind_of(value)
    if kind == "data":
        return f"```{{eval-rst}}\n.. py:data:: {name}\n\n{named_in(value)}\n```\n"
    lines = [f".. auto{kind}:: {name}"]
    if kind != "function" and "members: []" not in options:
        lines += [
            f"   :members: {', '.join(members(options))}".rstrip(),
            "   :undoc-members:",
            "   :member-order: bysource",
        ]
    return "\n".join(["```{eval-rst}", *lines, "```", ""])


def kind_of(value: Any) -> str:
    """Tell what Sphinx calls a value. What stands for a type, as `list[int]`, is no class."""
    kinds = {ModuleType: "module", FunctionType: "function", type: "class"}
    found = (word for kind, word in kinds.items() if isinstance(value, kind))
    return "data" if hasattr(value, "__origin__") else next(found, "data")


def named_in(value: Any) -> str:
    """Return the names that a collection is of, if it is of names, with what they stand for, if that is a number."""
    if not isinstance(value, (dict, tuple)) or not all(isinstance(each, str) for each in value):
        return ""
    numbers = value if isinstance(value, dict) else {}
    told = (f"``{each}``" + (f" {number}" if not callable(number := numbers.get(each, len)) else "") for each in value)
    return f"   {', '.join(told)}"


def resolved(name: str) -> Any:
    """Return what has a name: an attribute of what is in front of it, or else a module."""
    value: Any = importlib.import_module(name.partition(".")[0])
    for part in name.split(".")[1:]:
        if not hasattr(value, part):
            importlib.import_module(f"{value.__name__}.{part}")
        value = getattr(value, part)
    return value


def members(options: str) -> list[str]:
    """Return the members that an entry asks for by name."""
    return re.findall(r"\w+", " ".join(re.findall(r"members: \[(.*?)\]", options, re.DOTALL)))


def back(place: str, page: str) -> str:
    """Return a link of the site as the page's own file would have it, so that it is adapted as all others are."""
    site = posixpath.normpath(posixpath.join(posixpath.dirname(page), place))
    return posixpath.relpath(home_of(site), posixpath.dirname(home_of(page)))


def section(text: str, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    _, found, behind = text.partition(f"\n## {heading}\n")
    if not found:
        raise LookupError(f"there is no heading {heading!r}")
    return behind.partition("\n## ")[0].strip()


def moved(text: str, path: str, page: str) -> str:
    """Return a part of one file with its links as another's."""

    def anew(found: re.Match[str]) -> str:
        if not found[2]:
            return found[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[2]))
        return f"{found[1]}({posixpath.relpath(target, posixpath.dirname(home_of(page)))}{found[3] or ''})"

    return _LINK.sub(anew, text)


def title(page: str) -> str:
    """Return the first heading of a page."""
    path = DOCS / page
    text = read(path) if path.exists() else sources()[page]
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else page


# ---- what is built


def from_afar(text: str) -> Iterator[str]:
    """Yield what a page, a style sheet or a script would have a browser fetch from the network."""
    return (found[0] for found in _FROM_AFAR.finditer(text))


def write(target: Path) -> None:
    """Write all pages below a folder, and beside them the files that they show."""
    shutil.rmtree(target, ignore_errors=True)
    texts = {path.relative_to(DOCS).as_posix(): read(path) for path in DOCS.rglob("*.md")} | sources()
    for page, text in texts.items():
        put(target / page).write_text(adapted(text, page, texts), encoding="utf-8")
    for path in DOCS.rglob("*"):
        place = path.relative_to(DOCS).as_posix()
        if path.is_file() and path.suffix != ".md" and "/" in place and "/." not in place and "__" not in place:
            shutil.copyfile(path, put(target / place))


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]))
