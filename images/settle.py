"""Settle an installed environment into an image: bytecode without times, no dead weight.

    python3 settle.py FOLDER...

Run while an image is built. The same wheels then make the same files, to the byte: bytecode is
checked by nobody (the files below a read-only root do not change), is there for all of them, and
every file is as old as SOURCE_DATE_EPOCH.
"""

import compileall
import os
import py_compile
import shutil
import sys
from pathlib import Path

NOT_RUN = (
    "cbcbox/cbc_dist_debug_avx2",
    "cbcbox/*/include",
    "cbcbox/*/lib/*.a",
    "cbcbox/*/lib/cmake",
    "cbcbox/*/share",
    "torch/include",
    "torch/test",
    "pyarrow/include",
    "pyarrow/tests",
    "**/direct_url.json",  # says where a wheel lay
)
"""What no program of ours runs: debug builds, headers, static libraries, tests of tests."""


def main() -> None:
    """Settle every folder that is named."""
    for folder in (Path(name) for name in sys.argv[1:]):
        for site in (*folder.glob("lib/python*/site-packages"), folder):
            for pattern in NOT_RUN:
                for found in site.glob(pattern):
                    _remove(found)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(folder, quiet=1, invalidation_mode=mode, workers=0)
        _age(folder, int(os.environ.get("SOURCE_DATE_EPOCH") or 0))


def _remove(found: Path) -> None:
    if found.is_dir() and not found.is_symlink():
        shutil.rmtree(found)
    else:
        found.unlink()


def _age(folder: Path, seconds: int) -> None:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.utime(Path(parent, name), (seconds, seconds), follow_symlinks=False)
    os.utime(folder, (seconds, seconds))


if __name__ == "__main__":
    main()
