"""A Study on a control plane: submitted as a person would, and looked at from outside."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kube import ApiError, Kube, Object, eventually
from study_cases import document

from taskonomy_catalogue.study import parse_study
from taskonomy_catalogue.trials import digest
from taskonomy_operator import constants
from taskonomy_operator.asked import asked_trials, stage_of

THREE = ["normals", "reshading", "curvature"]
TEN = [
    "autoencoding",
    "denoising",
    "edges-2d",
    "keypoints-2d",
    "segmentation-2d",
    "curvature",
    "distance",
    "depth",
    "normals",
    "occlusion-edges",
]
"""Each is a source and a target."""

SMALL: dict[str, object] = {"spec.tasks.subset": THREE, "spec.transfers.orders": [1]}
"""18 trials: 3 networks of their own, 3 from scratch, 3 best guesses, 9 transfers."""
HALF_A_THOUSAND: dict[str, object] = {
    "spec.tasks.subset": TEN,
    "spec.transfers.orders": [1, 2],
    "spec.transfers.candidates": "exhaustive",
    "spec.training.scratch.seeds": [0, 1],
}
"""500 trials: 10 networks of their own, 20 from scratch, 10 best guesses, 10 · 10 transfers of
order 1 and 10 · (9 over 2) of order 2."""

KWOK = "kwok.taskonomy.dev"


def outcome(what: str, *, of: str = "all", seconds: float = 0) -> dict[str, str]:
    """Return the Study's labels that have pods of a target, or of `<stage>.<target>`, end so."""
    labels = {f"outcome.{KWOK}/{of}": what}
    return labels | ({f"seconds.{KWOK}/all": f"{seconds:g}"} if seconds else {})


@dataclass(frozen=True)
class Submitted:
    """A Study that a server has."""

    kube: Kube
    made: Object

    @property
    def meta(self) -> Object:
        """Its metadata, as it was made."""
        return dict(self.made["metadata"])

    def get(self) -> Object:
        """Return it as it is now."""
        return self.kube.get(self._path)

    def status(self) -> Object:
        """Return its status; empty: there is none yet."""
        return dict(self.get().get("status") or {})

    def trials(self) -> dict[str, int]:
        """Return how many trials are where, zeros left out."""
        counts = self.status().get("trials") or {}
        return {name: count for name, count in counts.items() if count}

    def condition(self, kind: str) -> tuple[str, str]:
        """Return status and reason of a condition; of one that is not there, empty."""
        for condition in self.status().get("conditions") or []:
            if condition["type"] == kind:
                return condition["status"], condition["reason"]
        return "", ""

    def wait(self, holds: Callable[["Submitted"], object], *, within: float = 90) -> "Submitted":
        """Return once something is so; a server that is away is asked again.

        Raises:
            AssertionError: it was not, in time; the message shows the status.
        """

        def so() -> bool:
            with suppress(ApiError, OSError):
                return bool(holds(self))
            return False

        eventually(so, within=within, what=self.status)
        return self

    def completed(self, *, within: float = 120) -> "Submitted":
        """Return once its condition says that it is completed."""
        return self.wait(lambda it: it.condition("Completed")[0] == "True", within=within)

    def change(self, change: Object) -> None:
        """Merge a change into it."""
        self.kube.patch(self.made, change)

    def delete(self) -> None:
        """Delete it, as a person does."""
        self.kube.delete(self.made)

    def children(self, kind: str) -> list[Object]:
        """Return the objects of a kind, e.g. `jobs`, that bear its uid."""
        group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        path = f"{group}/namespaces/{self.meta['namespace']}/{kind}"
        return self.kube.items(path, labelSelector=f"{constants.STUDY_UID}={self.meta['uid']}")

    def pods(self, phase: str = "Running") -> list[Object]:
        """Return its pods of a phase that are not being deleted."""
        return [
            pod
            for pod in self.children("pods")
            if pod["status"].get("phase") == phase and "deletionTimestamp" not in pod["metadata"]
        ]

    def tell(self, pod: Object, what: str) -> None:
        """Have a pod that runs end so."""
        labels = {f"outcome.{KWOK}/all": what}
        target = pod["metadata"]["labels"].get(constants.TARGET)
        stage = pod["metadata"]["labels"].get(constants.STAGE)
        labels |= {f"outcome.{KWOK}/{stage}.{target}": what} if target else {}
        named = {"apiVersion": "v1", "kind": "Pod", **pod}
        self.kube.patch(named, {"metadata": {"labels": labels}})

    @property
    def _path(self) -> str:
        meta = self.made["metadata"]
        return f"/apis/taskonomy.dev/v1alpha1/namespaces/{meta['namespace']}/studies/{meta['name']}"


def submit(
    kube: Kube, namespace: str, changes: Mapping[str, object] | None = None, **labels: str
) -> Submitted:
    """Create a study; `SMALL` unless changed."""
    given: dict[str, Any] = {**SMALL, **(changes or {}), "metadata.namespace": namespace}
    if labels:
        given["metadata.labels"] = {**given.get("metadata.labels", {}), **labels}
    return Submitted(kube, kube.create(document(given)))


def digests(changes: Mapping[str, object] | None = None, *, stage: str = "") -> list[str]:
    """Return the digests that a study asks for, of all stages or of one."""
    study = parse_study(document({**SMALL, **(changes or {})}), origin="the test")
    return [digest(t) for t in asked_trials(study) if stage in ("", stage_of(t))]
