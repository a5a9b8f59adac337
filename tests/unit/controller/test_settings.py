"""Flags of the operator: each with its variable, and one clear sentence for what is none."""

from pathlib import Path

import pytest

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator import settings as module
from taskonomy_operator.settings import read_settings

POD = {"POD_NAMESPACE": "vision", "POD_NAME": "operator-1"}


def test_a_pod_needs_to_be_told_nothing() -> None:
    told = read_settings([], POD)
    assert told.namespaces == ("vision",)
    assert (told.lease_namespace, told.identity) == ("vision", "operator-1")
    assert told.installation == Path("/etc/taskonomy/installation.yaml")
    assert (told.qps, told.burst, told.port) == (50, 100, 8080)
    assert told.rhythm.keep_ended == 3_600
    assert told.timing.duration == 15


def test_a_flag_goes_before_its_variable() -> None:
    environment = POD | {"TASKONOMY_QPS": "7", "TASKONOMY_NAMESPACE": "a, b,"}
    told = read_settings(["--qps", "9"], environment)
    assert told.qps == 9
    assert told.namespaces == ("a", "b")


def test_all_namespaces() -> None:
    assert read_settings(["--namespace", "a,*"], POD).namespaces == ("*",)


def test_outside_a_pod_it_is_the_default_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NAMESPACE_FILE", tmp_path / "none")
    assert read_settings([], {}).namespaces == ("default",)
    (tmp_path / "there").write_text("mine\n")
    monkeypatch.setattr(module, "NAMESPACE_FILE", tmp_path / "there")
    assert read_settings([], {}).namespaces == ("mine",)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("qps", "0"),
        ("qps", "nan"),
        ("burst", "1.5"),
        ("port", "70000"),
        ("log-format", "xml"),
        ("log-level", "loud"),
        ("keep-finished", "-1"),
        ("status-interval", "inf"),
        ("lease-retry", "11"),
        ("workers", "many"),
    ],
)
def test_what_is_none_is_refused_by_name(flag: str, value: str) -> None:
    with pytest.raises(SettingRefused, match=flag.split("-")[0]):
        read_settings([f"--{flag}", value], POD)
    variable = f"TASKONOMY_{flag.upper().replace('-', '_')}"
    with pytest.raises(SettingRefused):
        read_settings([], POD | {variable: value})
