"""vendor: this package, copied into another project. Law: what isn't a copy, or was changed, stays as it is."""

from __future__ import annotations

import keyword
import os
import shlex
import subprocess
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from .failure import Failure
from .vendor_copy import Copy, Record, digest
from .vendor_source import PARTS, files, is_original, origin

SUMMARY = "copy this package into another project"

_PACKAGE = __name__.rpartition(".cli")[0]
_PATIENCE = 60.0  # seconds
_SHOWN = 10  # files that a complaint names
_LINES_TO_BUILD = """\
Lines for setup.py, which builds the compiled twins:

    from runpy import run_path

    from setuptools import setup

    twins = run_path("{folder}/src_ext/twins.py")["twins"]
    setup(ext_modules=twins("{name}"))

and for pyproject.toml:

    [build-system]
    requires = ["setuptools>=77", "Cython>=3.1"]
    build-backend = "setuptools.build_meta"
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` reads."""
    parser.add_argument("dest", type=Path, metavar="DEST", help="the folder that gets the copy")
    parser.add_argument("--name", type=_name, default="reactor", help="of the copy (default: %(default)s)")
    parser.add_argument(
        "--only", choices=PARTS, help="the codec; all but the command line and testing; all (default: core)"
    )
    parser.add_argument("--compiled", action="store_true", help="add the Cython sources, and say how to build them")
    parser.add_argument("--check", action="store_true", help="only tell what was changed or is old, and end with 1")
    parser.add_argument("--force", action="store_true", help="overwrite what was changed, and what is not a copy")


def run(args: Namespace) -> None:
    """Write a copy, or check one; raise Failure where it can't be, or isn't as it should."""
    copy = Copy(args.dest / args.name)
    if args.check:
        return _check(copy, args)
    if is_original(copy.folder):
        raise Failure(f"{copy.folder} is the original")
    if not args.force:
        _refuse_to_overwrite(copy)
    part = args.only or "core"
    wanted = files(part, args.compiled)
    record = Record(_version(), origin(), part, args.compiled, _repeat(args), _hashes(wanted))
    removed = copy.write(wanted, record)
    print(f"{copy.folder}: {len(wanted)} files of {_PACKAGE} {record.version}, {part}" + _removals(removed))
    _echo(copy.folder)
    print("one frame was echoed through it, where nothing else called reactor can be imported")
    _say_how_to_use(copy.folder.absolute(), args.compiled)
    return None


def _check(copy: Copy, args: Namespace) -> None:
    if copy.record is None:
        raise Failure(f"{copy.folder} is not a copy: it has no VENDORED.txt that is one's")
    record = copy.record
    wanted = files(args.only or record.only, args.compiled or record.compiled)
    found = {**copy.outdated(_hashes(wanted)), **copy.by_hand()}
    for name, what in sorted(found.items()):
        print(f"{name}: {what}")
    if found:
        raise Failure(f"{len(found)} files of {copy.folder} (version {record.version}) differ from {_version()}")
    print(f"{copy.folder}: {len(wanted)} files, as {_version()} has them")


def _refuse_to_overwrite(copy: Copy) -> None:
    found = [f"{name} ({what})" for name, what in copy.by_hand().items()]
    if not found:
        return
    what = "was changed by hand" if copy.record else "is not a copy"
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise Failure(f"{copy.folder} {what}: {', '.join(found[:_SHOWN])}{more}; --force writes all the same")


def _echo(folder: Path) -> None:
    """Have the copy work in a process of its own."""
    script = Path(__file__).with_name("vendor_echo.py")
    command = [sys.executable, "-I", "-B", str(script), str(folder.absolute())]
    environment = {**os.environ, "REACTOR_EXTENSION": "0"}  # nothing is built yet
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE)
    if done.returncode:
        raise Failure(f"the copy doesn't work: {done.stderr.strip().splitlines()[-1]}")


def _say_how_to_use(folder: Path, compiled: bool) -> None:
    package = dotted_name(folder)
    if compiled:
        print(f"\n{_LINES_TO_BUILD.format(folder=Path(os.path.relpath(folder)).as_posix(), name=package)}")
    above, _, name = package.rpartition(".")
    print(f"from {above} import {name}" if above else f"import {name}")


def dotted_name(folder: Path) -> str:
    """Return how a package is imported: up to the last folder that is a package, or whose folder is one.

    Where none is, by the path from the current folder: namespaces.
    """
    name = folder.name
    for above in folder.parents:
        if not any((each / "__init__.py").exists() for each in (above, above.parent)):
            break
        name = f"{above.name}.{name}"
    if name == folder.name and folder.is_relative_to(Path.cwd()):
        parts = folder.relative_to(Path.cwd()).parts
        return ".".join(parts) if all(part.isidentifier() for part in parts) else name
    return name


def _name(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise ArgumentTypeError(f"{text!r} can't be the name of a package")
    return text


def _version() -> str:
    version: str = vars(sys.modules[_PACKAGE])["__version__"]
    return version


def _hashes(wanted: dict[str, bytes]) -> dict[str, str]:
    return {name: digest(data) for name, data in wanted.items()}


def _repeat(args: Namespace) -> str:
    words = ["python", "-m", _PACKAGE, "vendor", args.dest.as_posix(), "--name", args.name]
    words += ["--only", args.only or "core"] + ["--compiled"] * args.compiled
    return shlex.join(words)


def _removals(count: int) -> str:
    return f"; {count} that an older one had were removed" if count else ""
