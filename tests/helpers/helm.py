"""Helm, and promtool, as tests run them: found, built or fetched once, else said aloud."""

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_programs
import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts" / "taskonomy"
VALUES = Path(__file__).parents[1] / "chart" / "values"
"""Values files of named installations."""
RELEASE, NAMESPACE = "demo", "vision"
"""What renders are made for where a test says nothing else."""

Manifest = dict[str, Any]


@cache
def helm() -> str:
    """Return the path of Helm; the test is skipped, and says so, where it cannot be had."""
    given = os.environ.get("TASKONOMY_HELM") or kubernetes_programs.installed("helm")
    if given:
        return str(given)
    found = shutil.which("helm")
    if found:
        return found
    if shutil.which("go") is None:
        pytest.skip(
            "NO HELM: none of the chart's tests ran. Go builds it (`make control-plane`), or "
            "TASKONOMY_HELM names one"
        )
    return str(kubernetes_programs.install("helm"))


@cache
def promtool() -> str:
    """Return the path of promtool; skipped, and said so, where there is none."""
    given = os.environ.get("TASKONOMY_PROMTOOL") or shutil.which("promtool")
    if given:
        return given
    kept = kubernetes_programs.home() / "programs" / "prometheus"
    program = kept / "usr" / "bin" / "promtool"
    if not program.exists() and not _fetch_prometheus(kept):
        pytest.skip(
            "NO PROMTOOL: alerts were not checked. Debian's package prometheus has it, or "
            "TASKONOMY_PROMTOOL names one"
        )
    return str(program)


def _fetch_prometheus(folder: Path) -> bool:
    """Unpack Debian's package without installing it: promtool alone is wanted, not a server."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    quiet = {"cwd": folder, "check": False, "capture_output": True}
    subprocess.run(["apt-get", "download", "prometheus"], **quiet)  # type: ignore[call-overload]
    for package in folder.glob("prometheus_*.deb"):
        subprocess.run(["dpkg-deb", "-x", package.name, "."], **quiet)  # type: ignore[call-overload]
        package.unlink()
    return (folder / "usr" / "bin" / "promtool").exists()


# --- renders -----------------------------------------------------------------------------------


class Refused(Exception):
    """Helm said no; the message is what a user reads."""


def run(*words: str, **environment: str) -> str:
    """Return what a Helm command prints.

    Raises:
        Refused: it did not succeed.
    """
    done = subprocess.run(
        [helm(), *words],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"HELM_NO_PLUGINS": "1"} | environment,
    )
    if done.returncode:
        raise Refused(done.stderr.strip())
    return done.stdout


@cache
def render(
    *options: str,
    values: str = "",
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    kubernetes: str = "1.34.4",
) -> str:
    """Return the chart rendered, hooks among it.

    Args:
        options: more words of `helm template`, such as ``--set=a=b``.
        values: name of a file in `VALUES`; empty: the defaults.
        release: name of the release.
        namespace: where it is installed.
        kubernetes: version of the cluster.
    """
    files = [f"--values={VALUES / values}.yaml"] if values else []
    place = [f"--namespace={namespace}", f"--kube-version={kubernetes}"]
    return run("template", release, str(CHART), *place, *files, *options)


def objects(*options: str, **given: str) -> list[Manifest]:
    """Return the objects of a render (see `render`)."""
    return copy.deepcopy(_parsed(render(*options, **given)))


@cache
def _parsed(text: str) -> list[Manifest]:
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def named_cases() -> list[str]:
    """Return the named installations, by name."""
    return sorted(path.stem for path in VALUES.glob("*.yaml"))


def one(found: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """Return the object of a kind whose name ends so.

    Raises:
        AssertionError: there is not exactly one.
    """
    fitting = [
        each for each in found if each["kind"] == kind and each["metadata"]["name"].endswith(name)
    ]
    assert len(fitting) == 1, f"{len(fitting)} of {kind} …{name}"
    return fitting[0]


def pod_templates(found: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield each pod template with the kind and name of what makes its pods."""
    for each in found:
        spec = each.get("spec", {})
        if each["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if each["kind"] in ("Deployment", "Job", "CronJob"):
            yield f"{each['kind']} {each['metadata']['name']}", spec["template"]
