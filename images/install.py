"""Install wheels into an image, while it is built, so that the same wheels make the same files.

    python3 -B install.py dependencies    /wheels/requirements.txt, environment /opt/taskonomy
    python3 -B install.py torch           /wheels/torch.txt, into /opt/torch
    python3 -B install.py code            taskonomy itself, from /own, into /opt/code

pip decides nothing: lists are whole and pinned, and there is no network. What no program of ours
runs is left out; bytecode is there for all files and names no time, as a read-only root could not
keep what Python would compile; every file is as old as SOURCE_DATE_EPOCH.
"""

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ENVIRONMENT, TORCH, CODE = Path("/opt/taskonomy"), Path("/opt/torch"), Path("/opt/code")
NOT_RUN = (
    "cbcbox/cbc_dist_debug_avx2",
    "cbcbox/*/include",
    "cbcbox/*/lib/*.a",
    "cbcbox/*/lib/cmake",
    "cbcbox/*/share",
    "torch/include",
    "torch/test",
    "pyarrow/include",
    "kubernetes/aio",
    "**/tests",
)
"""Debug builds, headers, static libraries, a second client of Kubernetes, tests of others' code."""


def main() -> None:
    """Install one of the three."""
    what = sys.argv[1]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = f"{place}/bin/pip"
        if what == "dependencies":
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT], check=True)
            _install(pip, ["--requirement", "/wheels/requirements.txt"], "/wheels")
            (site,) = ENVIRONMENT.glob("lib/python*/site-packages")
            # last on the path: what is installed with taskonomy comes before what a volume has
            (site / "taskonomy.pth").write_text(f"{CODE}\n{TORCH}\n")
            _settle(ENVIRONMENT, site)
        elif what == "torch":
            TORCH.mkdir()
            listed = ["--target", str(TORCH), "--requirement", "/wheels/torch.txt"]
            if Path("/wheels/torch.txt").read_text().strip():
                _install(pip, listed, "/wheels")
            _settle(TORCH, TORCH)
        else:
            _install(pip, ["--target", str(CODE), "taskonomy"], "/own")
            _settle(CODE, CODE)


def _install(pip: str, words: Sequence[str], links: str) -> None:
    python = ENVIRONMENT / "bin" / "python3"
    where = ["--python", str(python)] if python.exists() else []
    offline = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir"]
    command = [pip, *where, "install", *offline, "--find-links", links, *words]
    subprocess.run(command, check=True)


def _settle(folder: Path, site: Path) -> None:
    """Leave out what is not run, compile the rest, and make all of it equally old."""
    for pattern in NOT_RUN:
        # The deepest first: tests may have tests of their own.
        for found in sorted(site.glob(pattern), reverse=True):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink()
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, invalidation_mode=mode, workers=0)
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.utime(Path(parent, name), (seconds, seconds), follow_symlinks=False)


if __name__ == "__main__":
    main()
