"""The folder that a report stands in: replaced as a whole, other people's files left alone.

A manifest beside the pictures says which files a report made and what was in them. The next report
removes those that it does not make again, unless somebody has changed them since.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.records import write_whole

PAGE = "report.html"
PICTURES = "pictures"
MANIFEST = "manifest.json"


def check(out_dir: Path) -> None:
    """Refuse a file in the folder's place before any work is done.

    Raises:
        TaskonomyError: it is a file.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise TaskonomyError(f"{out_dir} is a file; --out names a folder")


@contextmanager
def replaced_together(out_dir: Path) -> Iterator[Path]:
    """Yield a scratch folder beside the report; what is in it at the end becomes the report.

    Raises:
        TaskonomyError: the folder cannot be made or written to.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".report-", dir=out_dir))
    except OSError as error:
        raise TaskonomyError(f"{out_dir} cannot be written to: {error.strerror}") from error
    try:
        yield scratch
        _replace(scratch, out_dir)
    except OSError as error:
        raise TaskonomyError(f"{out_dir} cannot be written to: {error.strerror}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace(scratch: Path, out_dir: Path) -> None:
    """Replace file by file, the page last: it is never newer than its pictures."""
    pictures = out_dir / PICTURES
    made = {f.name: _sha256(f) for f in sorted((scratch / PICTURES).iterdir())}
    files = sorted(f.relative_to(scratch) for f in scratch.rglob("*") if f.is_file())
    for file in sorted(files, key=lambda f: f == Path(PAGE)):
        target = out_dir / file
        target.parent.mkdir(parents=True, exist_ok=True)
        (scratch / file).replace(target)
    for name, digest in _made_before(pictures).items():
        if name not in made and _is_still(pictures / name, digest):
            (pictures / name).unlink(missing_ok=True)
    write_whole(pictures / MANIFEST, json.dumps({"files": made}, indent=1) + "\n")


def _made_before(pictures: Path) -> Mapping[str, str]:
    """Return the digest of each picture that an earlier report made; none if nobody can tell."""
    try:
        manifest = json.loads((pictures / MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: digest for name, digest in files if Path(name).name == name}


def _is_still(file: Path, digest: str) -> bool:
    return file.is_file() and not file.is_symlink() and _sha256(file) == digest


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
