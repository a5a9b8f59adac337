"""Events on a real API server, found as `kubectl describe study` finds them."""

import subprocess
from pathlib import Path

import kubernetes_programs
import pytest
from control_plane import ControlPlane
from kube import Kube, Object, eventually
from study_cases import document

from taskonomy_operator.cluster import connect
from taskonomy_operator.events import MOST, EventRecorder

pytestmark = pytest.mark.cluster


class Clock:
    now = 1_770_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(control_plane: ControlPlane, clock: Clock) -> EventRecorder:
    return EventRecorder(connect(kubeconfig=control_plane.kubeconfig, qps=500, burst=500), clock)


@pytest.fixture
def study(kube: Kube, namespace: str) -> Object:
    return kube.create(document({"metadata.namespace": namespace}))


def of(kube: Kube, study: Object) -> list[Object]:
    """Return the events that `kubectl describe` would ask for."""
    meta = study["metadata"]
    asked = {"name": meta["name"], "namespace": meta["namespace"], "kind": "Study"}
    asked["uid"] = meta["uid"]
    selector = ",".join(f"involvedObject.{key}={value}" for key, value in asked.items())
    path = f"/api/v1/namespaces/{meta['namespace']}/events"
    return kube.items(path, fieldSelector=selector)


def test_news_is_made_once_and_then_counted(
    kube: Kube, recorder: EventRecorder, clock: Clock, study: Object
) -> None:
    recorder.record(study, "Warning", "TrialFailed", "the trial 'a\nb' is bad: exit 64")
    assert recorder.flush()
    (made,) = of(kube, study)
    assert (made["type"], made["reason"], made["count"]) == ("Warning", "TrialFailed", 1)
    assert made["message"] == "the trial 'a b' is bad: exit 64"
    assert made["source"] == {"component": "taskonomy-operator"}
    clock.now += 100
    for _ in range(2):
        recorder.record(study, "Warning", "TrialFailed", "the trial 'a\nb' is bad: exit 64")
    assert recorder.flush()
    (counted,) = of(kube, study)
    assert counted["metadata"]["uid"] == made["metadata"]["uid"]
    assert counted["count"] == 3
    assert counted["firstTimestamp"] == made["firstTimestamp"] == "2026-02-02T02:40:00Z"
    assert counted["lastTimestamp"] == "2026-02-02T02:41:40Z"


def test_a_study_that_says_too_much_is_cut_short(
    kube: Kube, recorder: EventRecorder, clock: Clock, study: Object
) -> None:
    for n in range(MOST + 10):
        recorder.record(study, "Normal", "Started", f"trial {n}")
    assert recorder.flush(30)
    assert len(of(kube, study)) == MOST
    clock.now += 301
    recorder.record(study, "Normal", "Started", "trial 0")
    recorder.record(study, "Normal", "Completed", "all done")
    assert recorder.flush()
    found = {event["message"]: event["count"] for event in of(kube, study)}
    assert len(found) == MOST + 1
    assert (found["trial 0"], found["all done"]) == (2, 1)


def test_one_that_was_deleted_is_made_again(
    kube: Kube, recorder: EventRecorder, study: Object
) -> None:
    recorder.record(study, "Normal", "Started", "begins")
    assert recorder.flush()
    (made,) = of(kube, study)
    kube.delete({"apiVersion": "v1", "kind": "Event", **made})
    recorder.record(study, "Normal", "Started", "begins")
    assert recorder.flush()
    (again,) = of(kube, study)
    assert (again["count"], again["metadata"]["uid"] == made["metadata"]["uid"]) == (2, False)


def test_of_a_study_that_is_gone_nothing_breaks(
    kube: Kube, recorder: EventRecorder, study: Object, namespace: str
) -> None:
    """A namespace that is gone takes no event; the recorder goes on."""
    other = kube.create(document({"metadata.namespace": namespace, "metadata.name": "other"}))
    nowhere = {"metadata": study["metadata"] | {"namespace": "nowhere"}}
    recorder.record(nowhere, "Normal", "Started", "begins")
    recorder.record(other, "Normal", "Started", "begins")
    assert recorder.flush()
    assert len(of(kube, other)) == 1


def test_kubectl_describe_shows_it(
    control_plane: ControlPlane, recorder: EventRecorder, study: Object, namespace: str
) -> None:
    programs = kubernetes_programs.programs()
    kubectl = programs / "kubectl" if programs else Path("kubectl")
    if not kubectl.exists():
        pytest.skip("kubectl is not built here")
    recorder.record(study, "Warning", "TrialFailed", "exit 64")
    assert recorder.flush()
    command = [str(kubectl), "--kubeconfig", str(control_plane.kubeconfig), "-n", namespace]

    def shown() -> str:
        described = subprocess.run(
            [*command, "describe", "study", "small"], capture_output=True, text=True, check=True
        )
        return described.stdout if "exit 64" in described.stdout else ""

    (line,) = [row for row in eventually(shown).splitlines() if "exit 64" in row]
    assert line.split()[:2] == ["Warning", "TrialFailed"]
    assert "taskonomy-operator" in line
