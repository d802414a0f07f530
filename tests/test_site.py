"""The site of docs/ is whole: every public name, every limit and every page has its place, and the pictures are true.

What Sphinx makes of it is `make docs`, which is strict; what a browser shows is `make docs-check`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import run_until, tls_contexts
from test_docs import run

import reactor
from reactor import EventLoop, FramedProtocol, Limits
from reactor.testing import MemorySelector, memory_pair
from reactor.transport import _stream
from reactor.transport.core import MOVES, State
from reactor.transport.tls import TLS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"


def tool(path: Path) -> ModuleType:
    """Import a program of the site's, which is in no package."""
    spec = importlib.util.spec_from_file_location(f"site_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pages = tool(DOCS / "pages.py")
draw = tool(DOCS / "pictures" / "draw.py")
PAGES = sorted({path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} | set(pages.sources()))


# ---- the reference


def public_modules() -> list[ModuleType]:
    """Return the modules that say what is public of them, and are public themselves."""
    names = [module.name for module in pkgutil.walk_packages(reactor.__path__, "reactor.")]
    public = [name for name in names if not re.search(r"\.(_|cli)", name)]
    return [module for module in map(importlib.import_module, ["reactor", *public]) if hasattr(module, "__all__")]


def public_names() -> set[str]:
    return {f"{module.__name__}.{name}" for module in public_modules() for name in module.__all__}


def home(name: str) -> str:
    """Tell names of one thing by where it was made; a plain value by its name."""
    value = pages.resolved(name)
    if isinstance(value, ModuleType):
        return value.__name__
    if pages.kind_of(value) in ("class", "function"):
        return f"{value.__module__}.{value.__qualname__}"
    return name


def entries() -> Iterator[tuple[str, str, str]]:
    """Yield the pages of the reference with the names that they show, and the options of each."""
    for path in sorted(REFERENCE.glob("*.md")):
        for name, options in pages.ENTRY.findall(path.read_text()):
            yield path.name, name, options


def test_every_public_name_is_on_exactly_one_page_of_the_reference() -> None:
    shown: dict[str, list[str]] = {}
    for page, name, _ in entries():
        names = [f"{name}.{each}" for each in reactor.presets.__all__] if name == "reactor.presets" else []
        for each in [name, *names]:
            shown.setdefault(home(each), []).append(page)
    assert {name: where for name, where in shown.items() if len(where) > 1} == {}, "these are there twice"
    told = "reactor.EXTENSION", "reactor.framing.EXTENSION", "reactor.transport.EXTENSION"  # one fact, told of once
    assert {name for name in public_names() if name not in told[1:] and home(name) not in shown} == set()


@pytest.mark.parametrize(("page", "name", "options"), list(entries()))
def test_what_a_page_of_the_reference_shows_is_there(page: str, name: str, options: str) -> None:
    value = pages.resolved(name)
    missing = [each for each in pages.members(options) if not hasattr(value, each) and each not in annotated(value)]
    assert missing == [], f"{page} shows them of {name}"


def annotated(value: Any) -> set[str]:
    return {name for kind in getattr(value, "__mro__", ()) for name in vars(kind).get("__annotations__", ())}


@pytest.mark.parametrize(
    ("face", "name"), [("Transport", "reactor.Connection"), ("DatagramTransport", "reactor.DatagramEndpoint")]
)
def test_all_that_a_protocol_may_ask_of_its_transport_is_shown(face: str, name: str) -> None:
    [options] = [options for _, entry, options in entries() if entry == name]
    asked = {each for each in vars(getattr(reactor, face)) if not each.startswith("_")}
    assert asked - set(pages.members(options)) == set()


def test_the_doors_of_a_reactor_are_shown_wherever_they_are_written() -> None:
    [options] = [options for _, entry, options in entries() if entry == "reactor.Reactor"]
    kinds = reactor.Reactor.__mro__[: reactor.Reactor.__mro__.index(EventLoop)]
    assert set(pages.members(options)) == {each for kind in kinds for each in vars(kind) if not each.startswith("_")}


def test_every_limit_is_in_the_table_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| \S.* \| \S.* \|$", (REFERENCE / "limits.md").read_text(), re.MULTILINE)
    assert rows == [(each.name, str(getattr(Limits(), each.name))) for each in fields(Limits)]


def test_what_the_table_of_limits_counts_is_in_the_stats() -> None:
    named = re.findall(r"\(`(\w+)`[,)]", (REFERENCE / "limits.md").read_text())
    with reactor.Reactor() as net:
        assert {name for name in named if name not in net.stats()} == set()


@pytest.mark.parametrize("page", ["index.md", "reference/limits.md"])
def test_the_python_blocks_of_a_page_run(page: str) -> None:
    run(DOCS / page, "python")


# ---- the navigation


def listed(found: list[str]) -> list[str]:
    """Return the pages that the navigation has, in its order."""
    return [page for _, chosen in pages.navigation(found) for page in chosen]


def test_every_page_but_the_first_is_in_the_navigation_once() -> None:
    assert sorted(["index.md", *listed(PAGES)]) == PAGES


def test_every_page_is_reached_from_the_first() -> None:
    left, reached = ["index.md"], {"index.md"}
    while left:
        page = left.pop()
        below = re.findall(r"^(?:.*<)?([\w./-]+)>?$", "\n".join(trees(page)), re.MULTILINE)
        found = {posixpath.normpath(posixpath.join(posixpath.dirname(page), f"{each}.md")) for each in below}
        left += found - reached
        reached |= found
    assert sorted(reached) == PAGES


def trees(page: str) -> list[str]:
    return re.findall(
        r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)\n```$", pages.contents(page, PAGES), re.MULTILINE | re.DOTALL
    )


def test_a_page_that_belongs_to_no_section_is_refused() -> None:
    with pytest.raises(LookupError, match=r"no section of docs/pages.py has stray.md"):
        pages.navigation([*PAGES, "stray.md"])


def test_pages_of_a_folder_come_as_its_index_has_them() -> None:
    reference = [page for page in listed(PAGES) if page.startswith("reference/")]
    assert reference[:3] == ["reference/index.md", "reference/reactor.md", "reference/protocols.md"]


def test_a_new_page_of_a_folder_is_found() -> None:
    found = listed([*PAGES, "tutorial/99-last.md", "howto/ask.md"])
    assert found.index("tutorial/99-last.md") < found.index("howto/ask.md") < found.index("framing.md")


# ---- the text of a page


@pytest.mark.parametrize(
    ("page", "text", "adapted"),
    [
        ("production.md", "[a](../SECURITY.md)", "[a](security.md)"),
        ("reference/limits.md", "[a](../../SECURITY.md#what-bounds-a-peer)", "[a](../security.md#what-bounds-a-peer)"),
        ("readme.md", "[a](docs/framing.md)", "[a](framing.md)"),
        ("readme.md", "![a](docs/pictures/bench.svg)", "![a](pictures/bench.svg)"),
        ("testing.md", "[a](../examples/simulation)", "[a](examples/simulation.md)"),
        ("examples/index.md", "[a](send_file.py)", "[a](send_file.md)"),
        ("howto/send.md", "[a](../../examples/send_file.py)", "[a](../examples/send_file.md)"),
        ("bench.md", "[the load](floor/load.c)", "the load (`bench/floor/load.c`)"),
        ("framing.md", "[a](https://example.org/a.md), [b](#presets)", "[a](https://example.org/a.md), [b](#presets)"),
        ("asyncio.md", "```python peers\nx[a](b.md)\n```", "```python\nx[a](b.md)\n```"),
        ("framing.md", "```frame\nFraming(2)\n```", "```text\nFraming(2)\n```"),
        ("udp.md", "[a][reactor.Reactor.bind_udp]", "[a](#reactor.Reactor.bind_udp)"),
    ],
)
def test_a_link_goes_to_where_the_site_has_it(page: str, text: str, adapted: str) -> None:
    assert pages.adapted(text, page, PAGES).startswith(adapted)


def test_a_part_of_another_file_comes_with_its_links() -> None:
    text = pages.adapted("<!-- section: README.md, How fast -->", "performance.md", PAGES)
    assert text.startswith("![CPU of echo servers per message](pictures/bench.svg)")
    assert "[bench/README.md](bench.md)" in text
    assert "What it promises" not in text


def test_a_file_of_the_tree_is_shown_where_it_is_asked_for() -> None:
    text = pages.adapted("<!-- file: examples/send_file.py -->", "howto/send.md", PAGES)
    assert text.startswith("`examples/send_file.py`\n\n````python\n")
    assert (ROOT / "examples/send_file.py").read_text().rstrip() in text


def test_a_list_of_pages_has_their_titles() -> None:
    assert "- [send_file.py](examples/send_file.md)" in pages.adapted("<!-- pages: examples -->", "index.md", PAGES)


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://unpkg.com/x"></script>',
        '<link href="//fonts.example/css" rel="stylesheet">',
        "<img alt='' src='http://example.org/a.png'>",
        "a { background: url(https://example.org/a.png) }",
    ],
)
def test_what_a_browser_would_fetch_from_afar_is_found(text: str) -> None:
    assert list(pages.from_afar(text))


@pytest.mark.parametrize(
    "text",
    ['<a href="https://example.org/">', '<script src="../a.js">', '<link href="../a.css" rel="stylesheet">'],
)
def test_what_is_only_linked_to_may_be_afar(text: str) -> None:
    assert not list(pages.from_afar(text))


# ---- the pictures


@pytest.mark.parametrize("name", list(draw.PICTURES))
def test_a_picture_is_what_the_code_says(name: str) -> None:
    drawn = (DOCS / "pictures" / name).read_text()
    assert drawn == draw.PICTURES[name](), "python docs/pictures/draw.py draws it anew"


def test_a_move_that_has_no_words_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MOVES, State.LOST, {State.NEW})
    with pytest.raises(KeyError):
        draw.life()


def test_the_words_of_the_pictures_are_for_what_is_there() -> None:
    assert set(draw.WORDS) == {(state, to) for state, moves in MOVES.items() for to in moves}
    assert set(draw.INSIDE) == set(State)
    assert list(draw.STEPS) == draw.steps()


@pytest.mark.parametrize("codec", ["py"], indirect=True)  # what is compiled tells nobody what it calls
@pytest.mark.usefixtures("twin")
def test_a_byte_goes_the_way_that_is_drawn() -> None:
    assert _stream.Stream is draw.Stream
    for drawn, taken in zip((draw.OUT, draw.IN), ways(), strict=True):
        assert taken == [(kind, name) for kind, name, _, _ in drawn]


Function = tuple[type, str]


def ways() -> tuple[list[Function], list[Function]]:
    """Return what one message under TLS calls first of what is drawn: out, and in."""
    drawn = [(kind, name) for kind, name, _, _ in (*draw.OUT, *draw.IN)]
    codes = {getattr(kind, name).__code__: (kind, name) for kind, name in drawn}
    server, client = tls_contexts("server")
    out: dict[Function, None] = {}
    into: dict[Function, None] = {}

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code in codes:
            seen = into if (draw.Stream, "_send") in out else out
            seen.setdefault(codes[frame.f_code])

    with EventLoop(MemorySelector()) as loop:
        sender = FramedProtocol()
        ends = memory_pair(loop, sender, FramedProtocol(), tls=(TLS(client, False, "server"), TLS(server, True)))
        run_until(loop, lambda: all(end.made for end in ends))
        loop.run_once(0)  # what TLS itself says behind a handshake
        sys.setprofile(note)
        try:
            sender.send(b"a message")
            run_until(loop, lambda: (FramedProtocol, "message_received") in into)
        finally:
            sys.setprofile(None)
        for end in ends:
            end.abort()
        loop.run_once(0)
    return list(out), list(into)
