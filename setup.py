"""Build the compiled twins, and give the package what a copy of it has: LICENSE, and the sources of the twins.

REACTOR_EXTENSION says how much the twins matter: 0 never, 1 must, unset if possible.
"""

import os
from pathlib import Path
from runpy import run_path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

_BENCH_ONLY = Path("src_ext/_floor_c.pyx")
INSIDE = ["LICENSE", *map(str, sorted({*Path("src_ext").glob("*.p*")} - {_BENCH_ONLY}))]


class BuildTwins(build_ext):
    """Build what can be built, and say so where the pure twin has to do."""

    def run(self) -> None:
        super().run()
        for ext in self.extensions:
            if not os.path.exists(self.get_ext_fullpath(ext.name)):
                print(f"reactor: {ext.name} was not compiled; the pure Python twin will run instead", flush=True)


class TagAsBuilt(bdist_wheel):
    """Call a wheel pure, and for any platform, where no twin could be compiled."""

    def get_tag(self) -> tuple[str, str, str]:
        self.root_is_pure = not [*Path(self.bdist_dir).rglob("*.so"), *Path(self.bdist_dir).rglob("*.pyd")]
        return super().get_tag()


class BuildWhole(build_py):
    """Have beside the modules what `python -m reactor vendor` copies."""

    def run(self) -> None:
        super().run()
        for name in [] if self.editable_mode else INSIDE:
            target = Path(self.build_lib, "reactor", name)
            self.mkpath(str(target.parent))
            self.copy_file(name, str(target))


setup(
    ext_modules=run_path("src_ext/twins.py")["twins"]("reactor"),
    cmdclass={"bdist_wheel": TagAsBuilt, "build_ext": BuildTwins, "build_py": BuildWhole},
)
