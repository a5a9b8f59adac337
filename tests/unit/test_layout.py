"""The house: what may stand where. The arrows themselves are import-linter's (`make lint`)."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_operator_stays_the_standard_librarys() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    script = "import operator; print(operator.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert Path(found) == Path(sysconfig.get_path("stdlib")) / "operator.py"


def test_every_package_says_what_lives_there() -> None:
    packages = [p for p in ROOT.glob("*/taskonom*/**/__init__.py") if ".venv" not in p.parts]
    assert len(packages) >= 8
    silent = [str(p) for p in packages if not p.read_text(encoding="utf-8").startswith('"""')]
    assert silent == []


def test_every_folder_of_code_is_a_package_and_so_gets_into_the_wheel() -> None:
    """An editable install finds a folder without `__init__.py`, an installed wheel does not."""
    folders = {
        path.parent for path in ROOT.glob("*/taskonom*/**/*.py") if "build" not in path.parts
    }
    assert len(folders) >= 8
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
