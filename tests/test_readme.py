"""README works from the top: pasted by who has nothing yet, and beside the clone, which is a folder called reactor.

The files are written under the names that they have there, then the commands run in one shell, in the page's order.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from contextlib import ExitStack
from pathlib import Path

import pytest

import reactor

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FILES = dict(re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)```", README, re.DOTALL | re.MULTILINE))
ACTIVATE, EDITABLE, WHEEL, VENDOR, TALK, COMMANDS, JOBS, CODEC, DEVELOP = re.findall(
    r"```sh\n(.*?)```", README, re.DOTALL
)
SOURCES = ("reactor", "src_ext", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
BUILT = shutil.ignore_patterns("*.so", "__pycache__", "*.c")
WHICH = 'python -c "import reactor; print(reactor.__file__)"\n'

# What the reader has: Python, a network for what builds, and the patience to look whether a server listens.
SHELL = """
set -eo pipefail
python3() {
    "$PYTHON" "$@" $WITHOUT
    for each in venv/lib/python*/site-packages; do
        rm -rf "$each"/setuptools* "$each"/*distutils*
        echo "$BESIDE" >"$each/beside.pth"
    done
}
pip() { command pip "$@" --quiet --no-index --no-deps --no-build-isolation; }
sleep() { until (: <"/dev/tcp/127.0.0.1/$JOBS") 2>/dev/null; do command sleep 0.05; done; }
"""

pytestmark = pytest.mark.timeout(400)  # an environment of its own, and a build


def free_ports() -> list[str]:
    """Return two ports that nobody listens on."""
    with ExitStack() as stack:
        socks = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        return [str(sock.getsockname()[1]) for sock in socks]


def bare(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of who has nothing."""
    always = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHON": sys.executable, "REACTOR_EXTENSION": "0"}
    return {**always, **more}


def paste(home: Path, *blocks: str, files: dict[str, str] = FILES, **environment: str) -> list[str]:
    """Write files, run blocks in one shell in a home directory, and return the lines that they print."""
    echo, jobs = free_ports()
    page = ["".join([SHELL, *blocks]), *files.values()]
    script, *texts = [each.replace("9000", echo).replace("9001", jobs) for each in page]
    for name, text in zip(files, texts, strict=True):
        (home / name).write_text(text)
    told = bare(home, JOBS=jobs, **environment)
    done = subprocess.run(["bash", "-c", script], cwd=home, env=told, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def assert_all_went_well(lines: list[str]) -> None:
    """Look at what the blocks behind the install print."""
    text = "\n".join(lines)
    assert "b'hello'\nhello\nworld\n" in text, "client.py, then send"
    assert "\n    vendor    " in text, "the list of commands"
    assert "\nround trip p99 " in text, "the demo"
    assert "\nuvloop, tuned by hand " in text or "\nuvloop isn't installed" in text
    assert "\nHELLO\nDrained(closed=0, aborted=0)\n" in text, "jobs.py"
    assert "max_frame_length is 1000" in text, "codec.py"
    assert text.count("  5 bytes") == 2, "dump"


def test_the_page_works_in_an_empty_home_directory(tmp_path: Path) -> None:
    beside = str(Path(reactor.__file__).parents[1])
    extension = os.environ.get("REACTOR_EXTENSION", "")
    page = (ACTIVATE, WHICH, VENDOR, TALK, COMMANDS, JOBS, CODEC)
    which, *lines = paste(tmp_path, *page, BESIDE=beside, WITHOUT="--without-pip", REACTOR_EXTENSION=extension)
    assert which == reactor.__file__
    assert_all_went_well(lines)


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """The folder that a clone lies in; nothing in it is built."""
    if not (ROOT / "reactor").is_dir() or importlib.util.find_spec("setuptools") is None:
        pytest.skip("the sources and setuptools are needed to install")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / "reactor" / name, **({"ignore": BUILT} if copy is shutil.copytree else {}))
    return tmp_path


def test_the_page_works_beside_the_clone(parent: Path) -> None:
    page = (ACTIVATE, EDITABLE, WHICH, VENDOR, TALK, COMMANDS, JOBS, CODEC)
    which, *lines = paste(parent, *page, BESIDE=sysconfig.get_path("purelib"))
    assert which.startswith(f"{parent}/reactor/reactor/")
    assert_all_went_well(lines)


def test_a_wheel_that_is_built_beside_the_clone_serves_too(parent: Path) -> None:
    which, *lines = paste(parent, ACTIVATE, WHEEL, WHICH, TALK, BESIDE=sysconfig.get_path("purelib"))
    assert which.startswith(f"{parent}/venv/lib/")
    assert lines == ["b'hello'", "hello", "world"]


def test_a_copy_that_the_clone_makes_needs_no_install(parent: Path) -> None:
    clone, home = parent / "reactor", parent / "home"
    home.mkdir()
    (parent / "python").write_text('#!/bin/sh\nexec "$PYTHON" "$@"\n')
    (parent / "python").chmod(0o755)
    path = os.pathsep.join([str(parent), os.environ["PATH"]])
    done = subprocess.run(["bash", "-c", VENDOR], cwd=clone, env=bare(clone, PATH=path), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "from app._vendor import reactor"
    shutil.move(clone / "app", home)
    talk = "".join(line for line in TALK.splitlines(keepends=True) if "-m reactor" not in line)
    files = {
        name: text.replace("from reactor import", "from app._vendor.reactor import") for name, text in FILES.items()
    }
    assert paste(home, talk, files=files, PATH=path) == ["b'hello'"]


def test_the_client_says_why_nobody_answers(tmp_path: Path) -> None:
    text = FILES["client.py"].replace("9000", "1").replace("attempts=5", "attempts=1")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert "can't connect to 127.0.0.1:1: Connection refused" in done.stdout
    assert done.stderr == ""


def test_every_file_of_the_page_is_read() -> None:
    assert [*FILES] == ["server.py", "client.py", "jobs.py", "codec.py"]
    assert README.count("```python") == len(FILES)


def test_what_the_makefile_is_asked_for_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)", DEVELOP, re.MULTILINE):
        assert f"\n{target}: " in makefile
