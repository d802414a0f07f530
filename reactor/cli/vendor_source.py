"""What can be copied of this package. Law: this file reads, and writes nothing."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Container
from pathlib import Path

from .failure import Failure

PARTS = ("framing", "core", "all")  # the codec alone; without the command line and what tests use; everything
RECORD = "VENDORED.txt"

_PACKAGE = Path(__file__).parents[1]
_FRAMING = re.compile(r"(_mode|errors|framing/.*|__init__)\.py")
_BEYOND_CORE = re.compile(r"(cli|testing)/|__main__\.py")
_TWINS = {
    "framing/_codec_py.py": "_codec_c.pyx",
    "transport/_stream_py.py": "_stream_c.pyx",
    "transport/_datagram_py.py": "_datagram_c.pyx",
}
_HEADER = "framing/_codec_c.pxd"  # by which the stream's sees the codec's


def is_original(folder: Path) -> bool:
    """Return whether a folder is this package, or a part of it."""
    return folder.resolve().is_relative_to(_PACKAGE.resolve())


def files(part: str, compiled: bool) -> dict[str, bytes]:
    """Return what a copy has, by its path in the copy: never what was built."""
    found = {name: path.read_bytes() for name, path in _modules().items() if _belongs(name, part)}
    if not found:
        raise Failure(f"{_PACKAGE} is no folder of files: vendor from a wheel that is installed, or from a checkout")
    found["__init__.py"] = trimmed(found["__init__.py"].decode(), found).encode()
    found["py.typed"] = (_PACKAGE / "py.typed").read_bytes()
    found["LICENSE"] = _beside("LICENSE").read_bytes()
    return {**found, **_sources(found)} if compiled else found


def origin() -> str:
    """Return where this package is from: a commit, or what it says itself if it is a copy."""
    record = _PACKAGE / RECORD
    if record.is_file() and (said := re.search("^# origin: (.*)$", record.read_text(encoding="utf-8"), re.MULTILINE)):
        return said[1]
    commit = _git("rev-parse", "HEAD") if (_PACKAGE.parent / ".git").exists() else ""
    if not commit:
        return "a release, as it was installed"
    return f"commit {commit}" + (", changed since" if _git("status", "--porcelain", "--", ".") else "")


def trimmed(text: str, present: Container[str]) -> str:
    """Return an `__init__` without the imports, and the names, of modules that are not present."""
    lines: list[str | None] = list(text.splitlines(keepends=True))
    gone: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level and not _is_there(node.module or "", present):
            names = [alias.asname or alias.name for alias in node.names]
            gone |= {f'"{name}"{home},' for name in names for home in ("", f': "{node.module}"')}  # a line for each
            lines[node.lineno - 1 : node.end_lineno] = [None] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return "".join(line for line in lines if line is not None and line.strip() not in gone)


def _is_there(module: str, present: Container[str]) -> bool:
    path = module.replace(".", "/")
    return not module or f"{path}.py" in present or f"{path}/__init__.py" in present


def _modules() -> dict[str, Path]:
    return {path.relative_to(_PACKAGE).as_posix(): path for path in sorted(_PACKAGE.rglob("*.py"))}


def _belongs(name: str, part: str) -> bool:
    if name.startswith("src_ext/"):
        return False
    return part == "all" or (not _BEYOND_CORE.match(name) and (part == "core" or bool(_FRAMING.fullmatch(name))))


def _sources(present: dict[str, bytes]) -> dict[str, bytes]:
    """Return what the twins of these modules are built from."""
    found = {"src_ext/twins.py": _beside("src_ext/twins.py").read_bytes()}
    for module, source in _TWINS.items():
        if module not in present:
            continue
        for name in (source, *_included(source)):
            found[f"src_ext/{name}"] = _beside(f"src_ext/{name}").read_bytes()
    return {**found, _HEADER: _beside(_HEADER).read_bytes()}


def _included(source: str) -> list[str]:
    return re.findall(r'^include "(.+)"$', _beside(f"src_ext/{source}").read_text(encoding="utf-8"), re.MULTILINE)


def _beside(name: str) -> Path:
    """Return a file that a wheel has inside the package, and a checkout beside it."""
    checkout = _PACKAGE.parent
    if not (_PACKAGE / name).exists() and (checkout / "src_ext/twins.py").exists():
        return checkout / name
    if not (_PACKAGE / name).exists():
        raise Failure(f"{name} isn't in {_PACKAGE}: this copy was made without it, vendor from a wheel or a checkout")
    return _PACKAGE / name


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=_PACKAGE, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
