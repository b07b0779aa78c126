"""Build the kernels in C++: plain shared libraries without Python's ABI; no compiler, no kernels."""

import os
import sysconfig
from glob import glob

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

KERNELS = {  # what a library is called, and its source
    "edgeseg.runtime.crf._kernel": "edgeseg/runtime/crf/native/kernel.cpp",
    "edgeseg.frames._resize": "edgeseg/frames/native/resizing.cpp",
}
FLAGS = [
    "-std=c++17",
    "-O3",
    "-g0",
    "-fvisibility=hidden",
    "-pthread",
    "-Wno-psabi",  # how vectors are passed matters to nobody: all is inlined
    # what lets sums and maxima be vectorised; NaN and infinity keep their meaning
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-signed-zeros",
    "-fassociative-math",
    "-freciprocal-math",
]
INSTRUCTIONS = {"baseline": []}
if sysconfig.get_platform().endswith(("-x86_64", "-amd64")):  # what it is built for, maybe not this machine
    INSTRUCTIONS["avx2"] = ["-march=x86-64-v3"]


class BuildLibraries(build_ext):
    """Name libraries without the interpreter's tag: they are opened by ctypes."""

    def get_ext_filename(self, ext_name):
        """Give `edgeseg.runtime.crf._kernel_avx2` the file edgeseg/runtime/crf/_kernel_avx2.so."""
        return os.path.join(*ext_name.split(".")) + ".so"


class PlatformWheel(bdist_wheel):
    """One wheel a platform, for every Python 3."""

    def get_tag(self):
        """Return the wheel's Python, ABI and platform tags."""
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            f"{library}_{name}",
            sources=[source],
            depends=sorted(glob(f"{os.path.dirname(source)}/*.hpp")),
            extra_compile_args=[*FLAGS, *flags],
            extra_link_args=["-pthread"],
            language="c++",
            optional=True,
        )
        for library, source in KERNELS.items()
        for name, flags in INSTRUCTIONS.items()
    ],
    cmdclass={"build_ext": BuildLibraries, "bdist_wheel": PlatformWheel},
)
