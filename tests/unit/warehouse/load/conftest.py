"""An artifact root, a warehouse beside it, and one word to load the one into the other."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from trial_results import Artifacts, small_study

from taskonomy_catalogue.study import Study
from taskonomy_warehouse.load.find import find_in_artifacts
from taskonomy_warehouse.load.loading import Loaded, load

Load = Callable[..., Loaded]


@pytest.fixture
def study() -> Study:
    return small_study()


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    root = tmp_path / "artifacts"
    root.mkdir()
    return Artifacts(root)


@pytest.fixture
def loaded(connection: duckdb.DuckDBPyConnection, artifacts: Artifacts, study: Study) -> Load:
    """Load what the artifacts hold now."""

    def run(study: Study = study, root: Path = artifacts.root) -> Loaded:
        findings = find_in_artifacts(connection, str(root))
        return load(connection, study, findings, origin="study.yaml")

    return run
