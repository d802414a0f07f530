"""Builds the floors: the least that the machine needs for the work, with nothing checked."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from Cython.Build import cythonize
from setuptools import Extension
from setuptools.dist import Distribution

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(__file__).resolve().parent / "out"


def codec_floor() -> ModuleType:
    """Return the bare Cython loop, compiled as the codec is."""
    source = ROOT / "src_ext" / "_floor_c.pyx"
    extensions = cythonize([Extension("_floor_c", [str(source)])], build_dir=str(OUT), quiet=True)
    command = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(OUT)
    command.ensure_finalized()
    command.run()
    spec = importlib.util.spec_from_file_location("_floor_c", command.get_ext_fullpath("_floor_c"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_floor_c"] = module
    spec.loader.exec_module(module)
    return module
