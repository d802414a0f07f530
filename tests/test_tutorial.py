"""The tutorial is true: each page shows its files as they lie in steps/, and its commands print what it says.

A page's commands are pasted into one shell in a folder that has the files. A ```text block behind commands is what they
print; an ellipsis in it stands for anything. Where there is none the page says nothing about it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from peers.conftest import missing

import reactor

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial"
PAGES = sorted(TUTORIAL.glob("0*.md"))
STEPS = sorted(TUTORIAL.glob("steps/*.py"))
SHOWN = re.compile(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
PORT = "9000"
CUT = "--- the next block ---"

# What the reader has: a Python, and the patience to look whether a server listens, and to wait until it has ended.
SHELL = """
trap 'command kill $(jobs -p) 2>/dev/null' EXIT
sleep() {
    [ "$1" = 1 ] || { command sleep "$1"; return; }
    for _ in {1..500}; do
        (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && return
        command sleep 0.02
    done
}
kill() {
    command kill "$@"
    case "$1" in -*) ;; *) wait "$1" ;; esac
}
wait() { builtin wait "$@" 2>/dev/null; }
"""


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return str(sock.getsockname()[1])


def paste(folder: Path, blocks: list[str]) -> list[str]:
    """Run blocks in one shell, with a port that is free; return what each prints, errors and all."""
    port = free_port()
    for step in STEPS:
        (folder / step.name).write_text(step.read_text().replace(PORT, port))
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    (folder / "bin" / "python").chmod(0o755)
    script = f"echo '{CUT}'\n".join([SHELL, *blocks]).replace(PORT, port)
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    beside = {"PYTHONPATH": str(Path(reactor.__file__).parents[1]), "PATH": path, "PORT": port}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, **beside},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout.replace(port, PORT).split(f"{CUT}\n")[1:]


def check_commands(page: Path, folder: Path) -> int:
    """Paste a page's commands, and hold what they print against what it says; return how many blocks it has."""
    found = COMMANDS.findall(page.read_text())
    if any("openssl" in commands for commands, _ in found) and shutil.which("openssl") is None:
        missing("openssl isn't installed: Debian's openssl has it")
    printed = paste(folder, [commands for commands, _ in found]) if found else []
    assert len(printed) == len(found)
    for (commands, wanted), text in zip(found, printed, strict=True):
        assert not wanted or matches(wanted, text), f"{commands}\nprints\n{text}\nand the page says\n{wanted}"
    return len(found)


def matches(wanted: str, printed: str) -> bool:
    """Tell whether a page's text is what was printed; each ellipsis stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, wanted.split("…"))), printed, re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_print_what_it_says(page: Path, tmp_path: Path) -> None:
    assert check_commands(page, tmp_path) > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_its_files_as_they_are(page: Path) -> None:
    text = page.read_text()
    shown = SHOWN.findall(text)
    assert shown
    assert len(shown) == text.count("```python\n")
    for name, source in shown:
        assert source == (TUTORIAL / "steps" / name).read_text()


def test_every_file_is_shown_on_one_page_and_listed_on_the_first() -> None:
    shown = [name for page in PAGES for name, _ in SHOWN.findall(page.read_text())]
    assert sorted(shown) == [step.name for step in STEPS]
    listed = re.findall(r"`(\w+\.py)`", (TUTORIAL / "index.md").read_text())
    assert listed[: len(shown)] == shown


def test_every_page_is_listed_on_the_first() -> None:
    links = re.findall(r"\]\((0\S+\.md)\)", (TUTORIAL / "index.md").read_text())
    assert links == [page.name for page in PAGES]


def test_an_ellipsis_stands_for_anything_and_nothing_else_does() -> None:
    assert matches("one…three\n", "one two\nthree\n")
    assert not matches("one…three\n", "one two\nfour\n")
    assert not matches("a.c\n", "abc\n")
