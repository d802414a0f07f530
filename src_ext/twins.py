"""The compiled twins as extensions of setuptools, under any dotted name: for this project's setup.py and for a host's.

A plain Extension of a .pyx, not cythonize(): that would rebuild them and lose `optional`.
"""

import os
import platform
from pathlib import Path
from runpy import run_path

from setuptools import Extension

_SOURCES = Path(__file__).resolve().parent
_TWINS = {
    "framing._codec_c": "_codec_c.pyx",
    "transport._stream_c": "_stream_c.pyx",
    "transport._datagram_c": "_datagram_c.pyx",
}


def twins(package: str) -> list[Extension]:
    """Return the extensions of the package of that dotted name; none where REACTOR_EXTENSION or Python forbid it."""
    folder = _folder(package)
    wanted = run_path(str(folder / "_mode.py"))["compiled_wanted"]()
    if wanted is False or platform.python_implementation() != "CPython":
        return []
    depends = [_here(each) for each in (*_SOURCES.glob("*.px[di]"), *folder.glob("*/*.pxd"), Path(__file__))]
    # Python's own flags ask for debug information, five times the rest; who asks for it in CFLAGS gets it
    flags = [] if os.name == "nt" or "-g" in os.environ.get("CFLAGS", "").split() else ["-g0"]
    _forget_old_c(depends)
    made = []
    for name, source in _TWINS.items():
        if not (_SOURCES / source).exists():  # a copy of the codec alone
            continue
        twin = Extension(f"{package}.{name}", [_here(_SOURCES / source)], depends=depends, extra_compile_args=flags)
        twin.optional = not wanted
        twin.cython_include_dirs = [_here(folder.parents[package.count(".")])]  # where "package" is found
        made.append(twin)
    return made


def _forget_old_c(depends: list[str]) -> None:
    """Remove C that is older than what it is made of: Cython doesn't see a relative cimport, and would take it."""
    newest = max(Path(each).stat().st_mtime for each in depends)
    for source in _TWINS.values():
        made = (_SOURCES / source).with_suffix(".c")
        if made.exists() and made.stat().st_mtime < newest:
            made.unlink()


def _folder(package: str) -> Path:
    """Return where the package is: around the sources in a copy and in a wheel, beside them in a checkout."""
    parts = tuple(package.split("."))
    for folder in (_SOURCES.parent, _SOURCES.parent / parts[-1]):
        if folder.parts[-len(parts) :] == parts and (folder / "framing").is_dir():
            return folder
    raise ValueError(f"{package} isn't the dotted name of what lies in {_SOURCES.parent}")


def _here(path: Path) -> str:
    """Return a path as setuptools wants it: from the folder of setup.py, with slashes."""
    return Path(os.path.relpath(path)).as_posix()
