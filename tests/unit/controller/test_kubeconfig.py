"""Which cluster is meant: what is named, KUBECONFIG, the home folder's file, the pod's account."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskonomy_catalogue.errors import InputRefused, NotFound
from taskonomy_operator.kubeconfig import Reach, contexts, reach


def write(path: Path, *names: Any, current: Any = "", namespace: Any = "") -> Any:
    context = {"cluster": "c", **({"namespace": namespace} if namespace else {})}
    entries = [{"name": name, "context": context} for name in names]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"current-context": current, "contexts": entries}))
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Any:
    return {"HOME": str(tmp_path)}


NOBODY = Path("/nonexistent")


def test_nothing_is_configured(home: Any) -> None:
    assert reach(environment=home, service_account=NOBODY) is None
    assert contexts(None, home) == []


def test_the_home_folders_file_counts_if_it_has_a_current_context(
    tmp_path: Path, home: Any
) -> None:
    file = write(tmp_path / ".kube/config", "a", "b", current="b", namespace="vision")
    assert reach(environment=home) == Reach(file, "b", "vision")
    assert contexts(None, home) == ["a", "b"]
    write(tmp_path / ".kube/config", "a")
    assert reach(environment=home, service_account=NOBODY) is None


def test_what_is_named_goes_first(tmp_path: Path, home: Any) -> None:
    write(tmp_path / ".kube/config", "home", current="home")
    one, two = (write(tmp_path / name, name, current=name) for name in ("one", "two"))
    assert reach(one, environment=home) == Reach(one, "one", "default")
    both = os.pathsep.join((one, two))
    assert reach(environment={**home, "KUBECONFIG": both}) == Reach(both, "one", "default")
    assert reach(context="two", environment={**home, "KUBECONFIG": both}) == Reach(
        both, "two", "default"
    )


def test_a_pod_has_an_account_of_its_own(tmp_path: Path, home: Any) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("t")
    (account / "namespace").write_text("vision\n")
    inside = {**home, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert reach(environment=inside, service_account=account) == Reach("", "", "vision")
    assert reach(environment=home, service_account=account) is None
    file = write(tmp_path / ".kube/config", "a", current="a")
    assert reach(environment=inside, service_account=account) == Reach(file, "a", "default")


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, NotFound, "there is no kubeconfig"),
        ("", NotFound, "no current context; name one with --context, or say --local"),
        ("[1, 2]", InputRefused, "it is not a mapping"),
        ("a: [", InputRefused, "not valid YAML"),
        ("contexts: nonsense\n", NotFound, "no current context"),
    ],
)
def test_a_file_that_leads_nowhere_is_said(
    tmp_path: Path, home: Any, content: Any, error: Any, words: str
) -> None:
    if content is not None:
        (tmp_path / "k").write_text(content)
    with pytest.raises(error, match=words):
        reach(environment={**home, "KUBECONFIG": str(tmp_path / "k")})


def test_a_context_that_is_not_there_is_named_with_those_that_are(
    tmp_path: Path, home: Any
) -> None:
    file = write(tmp_path / "k", "production", "staging", current="staging")
    with pytest.raises(NotFound, match="did you mean 'production'"):
        reach(file, "prodution", environment=home)
    with pytest.raises(NotFound, match="there are production, staging"):
        reach(file, "x", environment=home)
