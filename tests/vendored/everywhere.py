"""Vendor into an application, build, and run it: `everywhere.py PYTHON…`, each a Python with venv, with a C compiler.

For each Python: the package is installed as a wheel in a clean venv; from there it is vendored three times: pure, pure
as `rx`, and compiled as `fast`, built by a setup.py of the very lines that `vendor` prints. All four echo over TCP and
TLS in one process; then the three do where no `reactor` is installed. Needs a network, for setuptools and Cython.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = ("reactor", "src_ext", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
COPIES = {"reactor": [], "rx": [], "fast": ["--compiled"]}


def call(*command: str | Path, cwd: Path, **environment: str) -> str:
    everything = {**os.environ, **environment}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=everything, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def indented_block(text: str, title: str) -> str:
    """Return the lines that stand indented behind a title."""
    lines = text[text.index(title) :].splitlines()[2:]
    end = next((at for at, line in enumerate(lines) if line and not line.startswith("    ")), len(lines))
    return "\n".join(line[4:] for line in lines[:end]) + "\n"


def checkout(work: Path) -> Path:
    """Return a folder of the sources, with nothing that was built."""
    ignore = shutil.ignore_patterns("*.so", "*.c", "__pycache__")
    for name in SOURCES:
        source, target = ROOT / name, work / "checkout" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignore)
        else:
            shutil.copy(source, target)
    return work / "checkout"


def certificates(python: Path, work: Path) -> list[str]:
    code = (
        "import trustme; ca = trustme.CA(); ca.cert_pem.write_to_path('ca.pem');"
        "ca.issue_cert('localhost').private_key_and_cert_chain_pem.write_to_path('chain.pem')"
    )
    call(python, "-c", code, cwd=work)
    return ["ca.pem", "chain.pem"]


def vendor(python: Path, work: Path) -> None:
    (work / "app").mkdir()
    (work / "app/__init__.py").touch()
    for name, options in COPIES.items():
        said = call(python, "-m", "reactor", "vendor", "app/_vendor", "--name", name, *options, cwd=work)
        assert said.endswith(f"from app._vendor import {name}\n"), said
        if options:
            (work / "setup.py").write_text(indented_block(said, "Lines for setup.py"))
            (work / "pyproject.toml").write_text(indented_block(said, "and for pyproject.toml"))


def try_on(base: Path, work: Path) -> None:
    call(base, "-m", "venv", "venv", cwd=work)
    python = work / "venv/bin/python"
    call(python, "-m", "pip", "install", "--quiet", "setuptools>=77", "Cython>=3.1", "wheel", "trustme", cwd=work)
    began = time.monotonic()
    options = ["--quiet", "--no-deps", "--no-build-isolation"]
    call(python, "-m", "pip", "install", *options, checkout(work), cwd=work, REACTOR_EXTENSION="1")
    vendor(python, work)
    call(python, "setup.py", "-q", "build_ext", "--inplace", cwd=work, REACTOR_EXTENSION="1")
    took = time.monotonic() - began
    names = [f"app._vendor.{name}" for name in COPIES]
    run = [python, HERE / "application.py", *certificates(python, work)]
    said = call(*run, "reactor", *names, cwd=work)
    call(python, "-m", "pip", "uninstall", "--quiet", "--yes", "framereactor", "reactor", cwd=work)
    alone = call(*run, *names, cwd=work)
    expected = [f"{name} {twin} 3 3" for name, twin in zip(names, ("pure", "pure", "compiled"), strict=True)]
    assert said.splitlines() == ["reactor compiled 3 3", *expected], said
    assert alone.splitlines() == expected, alone
    version = call(python, "-V", cwd=work).strip()
    print(f"{version}: four copies echoed over TCP and TLS, three without reactor; built in {took:.0f} s", flush=True)


if __name__ == "__main__":
    for each in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as work:
            try_on(Path(each), Path(work))
