"""Build the compiled twins. REACTOR_EXTENSION says how much they matter: 0 never, 1 must, unset if possible."""

import os
from runpy import run_path

from setuptools import setup
from setuptools.command.build_ext import build_ext


class BuildTwins(build_ext):
    """Build what can be built, and say so where the pure twin has to do."""

    def run(self) -> None:
        super().run()
        for ext in self.extensions:
            if not os.path.exists(self.get_ext_fullpath(ext.name)):
                print(f"reactor: {ext.name} was not compiled; the pure Python twin will run instead", flush=True)


setup(ext_modules=run_path("src_ext/twins.py")["twins"]("reactor"), cmdclass={"build_ext": BuildTwins})
