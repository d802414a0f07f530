"""Build the compiled twins. REACTOR_EXTENSION says how much they matter: 0 never, 1 must, unset if possible.

The .pyx files are the sources of plain Extensions: cythonize() would rebuild them and lose `optional`.
"""

import os
import platform
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

TWINS = {
    "reactor.framing._codec_c": "src_ext/_codec_c.pyx",
    "reactor.transport._stream_c": "src_ext/_stream_c.pyx",
    "reactor.transport._datagram_c": "src_ext/_datagram_c.pyx",
}
mode = os.environ.get("REACTOR_EXTENSION", "")


class BuildTwins(build_ext):
    """Build what can be built, and say so where the pure twin has to do."""

    def run(self) -> None:
        super().run()
        for ext in self.extensions:
            if not os.path.exists(self.get_ext_fullpath(ext.name)):
                print(f"reactor: {ext.name} was not compiled; the pure Python twin will run instead", flush=True)


wanted = mode != "0" and platform.python_implementation() == "CPython"
parts = [*glob("src_ext/*.pxi"), *glob("reactor/*/*.pxd")]
extensions = [Extension(name, [source], optional=mode != "1", depends=parts) for name, source in TWINS.items()]
for extension in extensions:
    extension.cython_include_dirs = ["."]  # where reactor/framing/_codec_c.pxd is found
setup(ext_modules=extensions if wanted else [], cmdclass={"build_ext": BuildTwins})
