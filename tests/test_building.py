"""How the compiled twins are built: src_ext/twins.py, which this project's setup.py and a host's ask."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parent.parent


def test_c_that_is_older_than_a_header_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("setuptools")
    shutil.copytree(ROOT / "src_ext", tmp_path / "src_ext", ignore=shutil.ignore_patterns("*.c"))
    shutil.copytree(ROOT / "reactor", tmp_path / "reactor", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REACTOR_EXTENSION", "1")
    old, new = tmp_path / "src_ext" / "_codec_c.c", tmp_path / "src_ext" / "_stream_c.c"
    old.touch()
    new.touch()
    header = tmp_path / "reactor" / "framing" / "_codec_c.pxd"
    os.utime(header, (header.stat().st_atime, old.stat().st_mtime + 100))
    os.utime(new, (header.stat().st_atime, old.stat().st_mtime + 200))
    run_path(str(tmp_path / "src_ext" / "twins.py"))["twins"]("reactor")
    assert not old.exists()
    assert new.exists()
