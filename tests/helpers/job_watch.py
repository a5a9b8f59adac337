"""Everything that ever happens to the Jobs of a namespace, in the order the server did it.

What a controller may not do twice, or too much of at once, cannot be seen by looking now and then:
this watches from the first Job on, and takes up a watch that breaks where it broke.
"""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlencode

from kube import ApiError, Kube, Object, eventually

from taskonomy_operator import constants

SLICE = 3
"""Seconds of one watch: so soon a watch that nobody needs any more ends."""


@dataclass
class Job:
    """One Job object, as it was last seen; `uid` tells it from another of its name."""

    name: str
    uid: str
    labels: dict[str, str]
    annotations: dict[str, str]
    digests: tuple[str, ...]
    version: str = ""
    was_suspended: bool = False
    """Whether it was made so."""
    is_suspended: bool = False
    ended: str = ""
    """`Complete` or `Failed`; empty: it has not ended."""
    is_gone: bool = False
    owners: list[str] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        """Whether it may have pods that run."""
        return not self.ended and not self.is_gone


class JobWatch:
    """The history of the Jobs of one namespace, from now on."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._changed = threading.Condition(threading.RLock())
        self._stop = threading.Event()
        self._version = kube.get(self._path)["metadata"]["resourceVersion"]
        self.jobs: dict[str, Job] = {}
        """Every Job there ever was, by uid."""
        self.most_live = 0
        """Most Jobs that were alive at one moment of the server's history."""
        self.gaps = 0
        """Times the history was lost: what came and went meanwhile was not seen."""

    def __enter__(self) -> "JobWatch":
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def caught_up(self) -> "JobWatch":
        """Return once all that is so by now has been seen."""

        def seen() -> bool:
            there = {t["metadata"]["uid"]: t["metadata"] for t in self._kube.items(self._path)}
            with self._changed:
                known = {job.uid: job.version for job in self.jobs.values() if not job.is_gone}
            return known == {uid: meta["resourceVersion"] for uid, meta in there.items()}

        eventually(seen, what="the watch of the test itself lags")
        some_went = any(job.is_gone for job in self.jobs.values())
        assert not (self.gaps and some_went), "some may have come and gone unseen"
        return self

    def wait(self, holds: Callable[["JobWatch"], object], *, within: float = 90.0) -> "JobWatch":
        """Return as soon as something is so, without a moment lost.

        Raises:
            AssertionError: it was not, in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self), within):
                raise AssertionError(f"not so within {within:g} s: {self}")
        return self

    def made(self) -> Counter[str]:
        """Return how many Jobs were ever made for each digest."""
        with self._changed:
            return Counter(digest for job in self.jobs.values() for digest in job.digests)

    def succeeded(self) -> Counter[str]:
        """Return how many Jobs ever succeeded for each digest."""
        with self._changed:
            done = [job for job in self.jobs.values() if job.ended == "Complete"]
        return Counter(digest for job in done for digest in job.digests)

    def live(self) -> list[Job]:
        """Return the Jobs that have not ended."""
        with self._changed:
            return [job for job in self.jobs.values() if job.is_live]

    def __repr__(self) -> str:
        ended = Counter(
            job.ended or ("gone" if job.is_gone else "live") for job in self.jobs.values()
        )
        return f"{len(self.jobs)} Jobs were made: {dict(ended)}"

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for event in _watched(self._kube, self._path, self._version):
                    self._take(event["type"], event["object"])
            except (ApiError, OSError, ValueError, http.client.HTTPException):
                self._stop.wait(0.1)  # the server is restarted: its history goes on

    def _begin_again(self) -> None:
        """Take what is there: a server that was started again knows no history."""
        page = self._kube.get(self._path)
        there = {thing["metadata"]["uid"] for thing in page["items"]}
        with self._changed:
            self.gaps += 1
            for thing in page["items"]:
                self._take("MODIFIED", thing)
            for job in self.jobs.values():
                job.is_gone = job.uid not in there
            self._version = page["metadata"]["resourceVersion"]

    def _take(self, kind: str, thing: Object) -> None:
        if kind == "ERROR":
            self._begin_again()
            return
        with self._changed:
            self._version = thing["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                return
            job = self.jobs.setdefault(thing["metadata"]["uid"], _job(thing))
            job.version = self._version
            job.is_suspended = bool(thing["spec"].get("suspend"))
            job.ended = job.ended or _ended(thing)
            job.is_gone = kind == "DELETED"
            self.most_live = max(self.most_live, sum(j.is_live for j in self.jobs.values()))
            self._changed.notify_all()


def _job(thing: Object) -> Job:
    meta = thing["metadata"]
    notes = meta.get("annotations") or {}
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        labels=meta.get("labels") or {},
        annotations={key: note for key, note in notes.items() if key != constants.TRIALS},
        digests=tuple(filter(None, notes.get(constants.DIGESTS, "").split(","))),
        was_suspended=bool(thing["spec"].get("suspend")),
        owners=[owner["uid"] for owner in meta.get("ownerReferences") or []],
    )


def _ended(thing: Object) -> str:
    for condition in thing.get("status", {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"])
    return ""


def _watched(kube: Kube, path: str, version: str) -> Iterator[Object]:
    """Yield the events of one watch of a few seconds."""
    asked = {"watch": "true", "resourceVersion": version, "timeoutSeconds": SLICE}
    asked["allowWatchBookmarks"] = "true"
    with closing(kube.connection(timeout=30)) as connection:
        connection.request("GET", f"{path}?{urlencode(asked)}", headers=kube.headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise ApiError(answer.status, json.loads(answer.read()))
        for line in answer:
            yield json.loads(line)
