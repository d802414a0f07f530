"""What the site is made of, for MkDocs. Law: every page is found by its place, and no text stands twice.

Pages that lie elsewhere in the tree are brought in, and links between all of them follow; what is nowhere in SECTIONS
is no page: the build fails. `tests/test_site.py` calls the functions here without MkDocs.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

# In this order; of a folder, the pages as its index.md has them, the others by name.
SECTIONS: list[tuple[str, list[str]]] = [
    ("Start", ["index.md", "readme.md"]),
    ("Tutorial", ["tutorial/*"]),
    ("How to", ["howto/*"]),
    ("Guides", ["framing.md", "testing.md", "production.md", "vendoring.md"]),
    ("Moving over", ["moving/index.md", "asyncio.md", "moving/*"]),
    ("Examples", ["examples/*"]),
    ("Reference", ["reference/*"]),
    ("Performance", ["performance.md", "bench.md"]),
    ("The house", ["design.md", "pictures.md", "security.md", "contributing.md", "changelog.md"]),
]

ELSEWHERE = {
    "README.md": "readme.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "bench/README.md": "bench.md",
    "examples/README.md": "examples/index.md",
}

_LINK = re.compile(r"(?<!`)(!?\[[^\[\]]*\])\(([^)\s#:]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^( *```+)([\w+-]+)[ \t]+[^`\n]+$", re.MULTILINE)
_DIRECTIVE = re.compile(r"^<!-- (pages|section): (.+?) -->$", re.MULTILINE)
_FROM_AFAR = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\brel=[\"']?(?!canonical|next|prev)[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*\brel=[\"']?(?!canonical|next|prev)[^>]*>"
    r"|(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\s]*",
    re.IGNORECASE,
)
_log = logging.getLogger("mkdocs.hooks.pages")  # a warning there fails the build, which is strict


# ---- the pages


def sources() -> dict[str, str]:
    """Return the text of every page that isn't in docs/, by its place in the site."""
    found = {page: read(ROOT / path) for path, page in ELSEWHERE.items() if (ROOT / path).exists()}
    for program in programs():
        found[page_of(program)] = program_page(program)
    if "examples/index.md" not in found:
        found["examples/index.md"] = "# Examples\n\n<!-- pages: examples -->\n"
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


def navigation(pages: Iterable[str]) -> list[Any]:
    """Return the sections with their pages. Raises LookupError for a page that belongs to none."""
    left, found = sorted(pages), []
    for title, patterns in SECTIONS:
        chosen: list[str] = []
        for pattern in patterns:
            matching = [page for page in left if fnmatchcase(page, pattern) and page not in chosen]
            chosen += sorted(matching, key=lambda page: rank(page, matching))
        left = [page for page in left if page not in chosen]
        if chosen:
            found.append({title: chosen} if title != "Start" else chosen)
    if left:
        raise LookupError(f"no section of docs/pages.py has {', '.join(left)}")
    start = found.pop(0) if isinstance(found[0], list) else []
    return [*start, *found]


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
    text = _FENCE.sub(r"\1\2", text)  # what else a fence's first line says is for the tests
    parts = re.split(r"(^ *```.*?^ *```+$)", text, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [_LINK.sub(lambda found: link(found, page), part) for part in parts[::2]]
    return "".join(parts)


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
    if kind == "section":
        path, _, heading = argument.partition(", ")
        return moved(section(read(ROOT / path), heading), path, page)
    inside = [each for each in pages if each.startswith(f"{argument}/") and each != page]
    inside.sort(key=lambda each: rank(each, inside))
    here = posixpath.dirname(page) or "."
    return "\n".join(f"- [{title(each)}]({back(posixpath.relpath(each, here), page)})" for each in inside)


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


# ---- what MkDocs calls


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for place, text in sources().items():
        files.append(File.generated(config, place, content=text))
    pages = [each.src_uri for each in files.documentation_pages()]
    config["nav"] = navigation(pages)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    return adapted(markdown, page.file.src_uri, [each.src_uri for each in files.documentation_pages()])


def on_post_build(config: Any) -> None:
    for path in sorted(Path(config["site_dir"]).rglob("*")):
        if path.suffix in (".html", ".css"):
            for found in from_afar(read(path)):
                _log.warning("%s is not all here: %s", path.relative_to(config["site_dir"]), found)
