"""A server of Studies and Jobs in so many lines, for tests of what is done before what.

It keeps what it is sent, says 409 and 404, and writes down every write. How a real one behaves is
tested on a real one (`tests/cluster`).
"""

import copy
import itertools
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from study_cases import document

from taskonomy_operator.actions import Actions
from taskonomy_operator.api_errors import Conflict, Refused
from taskonomy_operator.cluster import Object
from taskonomy_operator.installation import Installation
from taskonomy_operator.job_record import JobRecord, job_record
from taskonomy_operator.metrics import Metrics
from taskonomy_operator.reconcile import Reconciler
from taskonomy_operator.surroundings import Rhythm, Surroundings

NOW = 1_800_000_000.0
RHYTHM = Rhythm(status_interval=0.0, keep_ended=100.0)
JOBS = "/apis/batch/v1/namespaces/n/jobs"
SMALL: dict[str, Any] = {
    "spec.tasks.subset": ["normals", "reshading"],
    "spec.transfers.orders": [1],
    "spec.retries": 0,
}
TOTAL = 2 + 2 + 2 + 4
"""Trials of it: networks of their own and from scratch, best guesses, transfers."""


class SmallServer:
    """What `Actions` asks a `Cluster`, and what a reconciler sees of it."""

    def __init__(self) -> None:
        self.now = NOW
        self.studies: dict[str, Object] = {}
        self.things: dict[str, Object] = {}
        self.writes: list[tuple[str, str]] = []
        """What was written, in order: a verb and a name."""
        self.events: list[tuple[str, str]] = []
        self.refuses: list[Exception] = []
        """Errors that answer the next creations of Jobs."""
        self.pods: list[Object] = []
        self.hanging: set[str] = set()
        """Jobs that do not go when they are deleted: a pod of theirs does not end."""
        self.is_blind = False
        """Whether the copies lag: what is made is not seen."""
        self._news: dict[str, set[str]] = {}
        self._uids = itertools.count(1)

    # --- as a cluster --------------------------------------------------------------------------

    def get(self, path: str, **_: Any) -> Object:
        if path.endswith("/pods"):
            return {"items": copy.deepcopy(self.pods)}
        if path not in self.things:
            raise Refused(404, "NotFound", f"{path} not found")
        return copy.deepcopy(self.things[path])

    def create(self, path: str, thing: Object) -> Object:
        place = f"{path}/{thing['metadata']['name']}"
        if self.refuses and thing["kind"] == "Job":
            raise self.refuses.pop(0)
        if place in self.things:
            raise Conflict(409, "AlreadyExists", "already exists")
        made = copy.deepcopy(thing)
        made["metadata"] |= {"uid": f"u{next(self._uids)}", "creationTimestamp": time_of(self.now)}
        made.setdefault("status", {})
        self.things[place] = made
        self._changed("create", made)
        return copy.deepcopy(made)

    def patch(self, path: str, change: Object, **_: Any) -> Object:
        name = path.split("/")[-2]
        study = next(s for s in self.studies.values() if s["metadata"]["name"] == name)
        study["status"] = {k: v for k, v in change["status"].items() if v is not None}
        self.writes.append(("status", name))
        return study

    def delete(self, path: str, **_: Any) -> None:
        thing = self.things.get(path)
        if thing is None:
            return
        if thing["metadata"]["name"] in self.hanging:
            thing["metadata"]["deletionTimestamp"] = time_of(self.now)
        else:
            del self.things[path]
        self._changed("delete", thing)

    def delete_collection(self, _: str, *, labelSelector: str) -> None:  # noqa: N803 - theirs
        digests = labelSelector.partition(" in (")[2].rstrip(")").split(",")
        for path, thing in list(self.things.items()):
            if thing["metadata"].get("labels", {}).get("taskonomy.dev/digest") in digests:
                self.delete(path)

    # --- as the copies a reconciler looks at ---------------------------------------------------

    def study(self, uid: str) -> Object | None:
        return copy.deepcopy(self.studies.get(uid))

    def jobs(self, uid: str) -> Collection[JobRecord]:
        if self.is_blind:
            return []
        records = [job_record(t) for t in self.things.values() if t["kind"] == "Job"]
        return [record for record in records if record.study_uid == uid]

    def changed_jobs(self, uid: str) -> dict[str, JobRecord | None]:
        if self.is_blind:
            return {}
        there = {record.name: record for record in self.jobs(uid)}
        return {name: there.get(name) for name in self._news.pop(uid, set())}

    def tell_again(self, uid: str, names: Iterable[str]) -> None:
        self._news.setdefault(uid, set()).update(names)

    def record(self, _: Object, kind: str, reason: str, __: str) -> None:
        self.events.append((kind, reason))

    # --- what a test does ----------------------------------------------------------------------

    def reconciler(self, rhythm: Rhythm = RHYTHM, **installation: Any) -> Reconciler:
        """Return a reconciler that starts now; every Job holds one trial unless told otherwise."""
        told = {"image": "jobs:1", "artifacts": "/nowhere", "pack": 1} | installation
        executor = ThreadPoolExecutor(1)
        return Reconciler(
            Surroundings(
                seen=self,
                actions=Actions(self, executor),  # type: ignore[arg-type]
                installation=Installation(**told),
                events=self,
                metrics=Metrics(),
                rhythm=rhythm,
                clock=lambda: self.now,
                ticks=lambda: self.now,
            )
        )

    def submit(self, name: str = "small", **changes: Any) -> str:
        """Create a Study and return its uid."""
        uid = f"study-{name}"
        content = document({"metadata.name": name, "metadata.namespace": "n", **changes})
        content["metadata"] |= {"uid": uid, "generation": 1}
        self.studies[uid] = content
        return uid

    def change(self, uid: str, **spec: Any) -> None:
        """Change fields of a Study's spec."""
        self.studies[uid]["spec"] |= spec
        self.studies[uid]["metadata"]["generation"] += 1

    def end(self, job: str, condition: str = "Complete", reason: str = "", failed: int = 0) -> None:
        """Have a Job end."""
        thing = self.things[f"{JOBS}/{job}"]
        told = {"type": condition, "status": "True", "reason": reason}
        told["lastTransitionTime"] = time_of(self.now)
        thing["status"] = {"conditions": [told], "startTime": time_of(self.now), "failed": failed}
        self._news.setdefault(self._study_of(thing), set()).add(job)

    def begin(self, job: str) -> None:
        """Have a Job's pod run."""
        thing = self.things[f"{JOBS}/{job}"]
        thing["status"] = {"startTime": time_of(self.now), "ready": 1}
        self._news.setdefault(self._study_of(thing), set()).add(job)

    def let_go(self, job: str) -> None:
        """Have a Job that hung be gone."""
        self.hanging.remove(job)
        thing = self.things.pop(f"{JOBS}/{job}")
        self._news.setdefault(self._study_of(thing), set()).add(job)

    def live(self) -> list[str]:
        """Return the names of Jobs that have not ended."""
        jobs = (thing for thing in self.things.values() if thing["kind"] == "Job")
        return [job["metadata"]["name"] for job in jobs if not job["status"]]

    def condition(self, uid: str, kind: str) -> tuple[str, str]:
        """Return status and reason of a Study's condition."""
        found = {c["type"]: c for c in self.studies[uid]["status"]["conditions"]}
        return found[kind]["status"], found[kind]["reason"]

    def _changed(self, verb: str, thing: Object) -> None:
        name = thing["metadata"]["name"]
        self.writes.append((verb, name))
        self._news.setdefault(self._study_of(thing), set()).add(name)

    def _study_of(self, thing: Object) -> str:
        return str(thing["metadata"]["labels"]["taskonomy.dev/study-uid"])


def run(server: SmallServer, reconciler: Reconciler, uid: str, passes: int = 30) -> None:
    """Have every Job succeed until nothing changes any more."""
    for _ in range(passes):
        reconciler.reconcile(uid)
        for job in server.live():
            server.end(job)
        server.now += 1


def time_of(seconds: float) -> str:
    """Return a moment as Kubernetes writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
