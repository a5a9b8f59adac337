"""Studies, Jobs and pods of a namespace as people look at them: read when asked, never watched.

Long lists are read page by page, and of Jobs and pods by their metadata where that is enough: what
3,000 Jobs are told to train stays on the server.
"""

import http.client
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from taskonomy_catalogue.errors import InputRefused, NotFound, TaskonomyError, did_you_mean
from taskonomy_catalogue.launch import Failed, Finished, parse_event, parse_trials
from taskonomy_catalogue.rankings import FirstOrder, parse_ranking
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import Ranking
from taskonomy_catalogue.trials import digest
from taskonomy_operator.api_errors import ApiError, Refused
from taskonomy_operator.asked import Measured
from taskonomy_operator.cluster import Cluster
from taskonomy_operator.constants import (
    API_VERSION,
    DIGESTS,
    JOB_NAME,
    JOB_UID,
    PLURAL,
    STAGE,
    STUDY_UID,
    TRIALS,
)
from taskonomy_operator.log_tail import Standing, note_standing
from taskonomy_operator.manifests import CONTAINER
from taskonomy_operator.paging import pages
from taskonomy_operator.status import RunningTrial
from taskonomy_operator.study_object import StudyObject

Object = dict[str, Any]

RANKING = "ranking"
"""Stage label of the Jobs that rank sources."""
RANKING_KEY = "ranking.json"
"""Key of a Study's ConfigMap that holds its ranking."""
TAIL = 20
"""Last lines of a log that tell where a trial stands."""


@dataclass(frozen=True)
class Namespace:
    """What a namespace holds of ours."""

    cluster: Cluster
    name: str

    # --- studies -------------------------------------------------------------------------------

    def path(self, study: str = "") -> str:
        """Return the path of a Study, or of the list of all."""
        at = f"/apis/{API_VERSION}/namespaces/{quote(self.name, safe='')}/{PLURAL}"
        return f"{at}/{quote(study, safe='')}" if study else at

    def studies(self) -> list[StudyObject]:
        """Return the Studies, by name."""
        return _sorted(self._list(self.path()))

    def names(self) -> list[str]:
        """Return the names of the Studies."""
        found = self._list(self.path(), metadata=True)
        return sorted(str(each["metadata"]["name"]) for each in found)

    def study(self, name: str) -> StudyObject:
        """Return a Study.

        Raises:
            NotFound: there is none of that name; near names are suggested.
        """
        found = self.study_if_any(name)
        if found is None:
            known = self.names()
            listed = f"; there are {', '.join(known)}" if known else "; it holds no study"
            hint = did_you_mean(name, known) or listed
            raise NotFound(f"namespace {self.name!r} has no study {name!r}{hint}")
        return found

    def study_if_any(self, name: str) -> StudyObject | None:
        """Return a Study; None: there is none of that name."""
        found = self._get(self.path(name), reason="NotFound")
        return None if found is None else StudyObject(found)

    def create(self, document: Object, *, dry_run: bool = False) -> StudyObject:
        """Create a Study; what the server refuses is refused whole."""
        return self._written("POST", self.path(), document, "application/json", dry_run)

    def change(self, name: str, change: Object, *, dry_run: bool = False) -> StudyObject:
        """Change a Study by a merge patch."""
        kind = "application/merge-patch+json"
        return self._written("PATCH", self.path(name), change, kind, dry_run)

    def delete(self, study: StudyObject) -> None:
        """Delete a Study and what it owns, and not one made since under the same name."""
        self.cluster.delete(self.path(study.name), uid=study.uid)

    def ranking(self, asked: Study, study: StudyObject) -> Ranking:
        """Return the sources of the targets that are ranked so far; none if that cannot be read."""
        if not study.status.ranking:
            return {}
        at = f"{self._core}/configmaps/{quote(study.status.ranking, safe='')}"
        with suppress(TaskonomyError):
            content = (self.cluster.get(at).get("data") or {}).get(RANKING_KEY, "{}")
            return parse_ranking(content.encode(), at).ranking_for(FirstOrder(asked))
        return {}

    # --- Jobs and pods -------------------------------------------------------------------------

    def jobs(self, study: StudyObject, **labels: str) -> list[Object]:
        """Return the metadata of a Study's Jobs, the newest first."""
        return _newest(self._list(self._jobs, metadata=True, labelSelector=_of(study, labels)))

    def job_of(self, study: StudyObject, digest: str, stage: str) -> Object | None:
        """Return the newest Job that carries a trial, whole; None: there is none."""
        for found in self.jobs(study, **{STAGE: stage}):
            if digest in _annotation(found, DIGESTS).split(","):
                return self.job(str(found["metadata"]["name"]))
        return None

    def job(self, name: str) -> Object | None:
        """Return a Job; None: it is gone."""
        return self._get(f"{self._jobs}/{quote(name, safe='')}")

    def pods_of(self, job: Object) -> list[Object]:
        """Return the pods of a Job, the newest first."""
        selector = f"{JOB_UID}={job['metadata']['uid']}"
        return _newest(self._list(f"{self._core}/pods", labelSelector=selector))

    def events_of(self, things: Sequence[Object]) -> list[Object]:
        """Return the events about some objects; none if they may not be read."""
        found: list[Object] = []
        for thing in things:
            selector = f"involvedObject.uid={thing['metadata']['uid']}"
            with suppress(ApiError):
                found += self._list(f"{self._core}/events", fieldSelector=selector)
        return found

    def workload_of(self, job: Object) -> tuple[Object | None, bool]:
        """Return what Kueue made of a Job (None: nothing yet), and whether there is a Kueue."""
        for version in ("v1beta2", "v1beta1"):
            at = f"/apis/kueue.x-k8s.io/{version}/namespaces/{self.name}/workloads"
            selector = f"kueue.x-k8s.io/job-uid={job['metadata']['uid']}"
            try:
                return next(iter(self._list(at, labelSelector=selector)), None), True
            except Refused as error:
                if error.code != http.client.NOT_FOUND:
                    return None, True
        return None, False

    # --- logs ----------------------------------------------------------------------------------

    def log(self, pod: str, *, silence: float, **query: str | int) -> Iterator[bytes]:
        """Yield the lines of a pod's log; options as the API server's."""
        at = f"{self._core}/pods/{quote(pod, safe='')}/log"
        return self.cluster.stream(at, query={"container": CONTAINER, **query}, silence=silence)

    def log_tail(self, pod: str, lines: int = TAIL) -> list[str]:
        """Return the last lines of a pod's log; none if nobody can tell."""
        with suppress(ApiError):
            found = self.log(pod, silence=5.0, tailLines=lines)
            return [line.decode("utf-8", "replace") for line in found]
        return []

    def running(self, study: StudyObject, most: int) -> list[RunningTrial]:
        """Return what the first pods that run train, and how far they are."""
        selected = {"labelSelector": _of(study, {}), "fieldSelector": "status.phase=Running"}
        page = self.cluster.metadata(f"{self._core}/pods", limit=most, **selected)
        found: list[RunningTrial] = []
        for pod in page.get("items") or []:
            name = str(pod["metadata"]["name"])
            found += running_in(pod, self.log_tail(name))
        return found[:most]

    def is_ranking(self, study: StudyObject) -> bool:
        """Return whether a Job ranks sources now."""
        selector = _of(study, {STAGE: RANKING})
        selected = {"labelSelector": selector, "fieldSelector": "status.phase=Running"}
        return bool(self.cluster.metadata(f"{self._core}/pods", limit=1, **selected).get("items"))

    # --- how -----------------------------------------------------------------------------------

    @property
    def _core(self) -> str:
        return f"/api/v1/namespaces/{quote(self.name, safe='')}"

    @property
    def _jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{quote(self.name, safe='')}/jobs"

    def _get(self, path: str, *, reason: str = "") -> Object | None:
        """Return an object; None: it is not there. A kind nobody knows is an error, not None."""
        try:
            return self.cluster.get(path)
        except Refused as error:
            if error.code != http.client.NOT_FOUND or (reason and error.reason != reason):
                raise
            return None

    def _list(self, path: str, *, metadata: bool = False, **query: str) -> list[Object]:
        return list(pages(self.cluster, path, metadata=metadata, **query))

    def _written(
        self, method: str, path: str, body: Object, kind: str, dry_run: bool
    ) -> StudyObject:
        query: dict[str, str | int] = {"fieldManager": "taskonomyctl", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return StudyObject(
            self.cluster.request(method, path, body=body, query=query, content_type=kind)
        )


def every_study(cluster: Cluster) -> list[StudyObject]:
    """Return the Studies of all namespaces, by namespace and name."""
    return _sorted(pages(cluster, f"/apis/{API_VERSION}/{PLURAL}"))


def running_in(pod: Object, lines: Sequence[str]) -> Iterator[RunningTrial]:
    """Yield the trials that a pod trains now, as far as its log's last lines tell."""
    trials = trials_of(pod)
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    standings, finished = standings_of(lines)
    told = [name for name in trials if name in standings] or list(trials)[:1]
    for name in told:
        if name in finished:
            continue
        at = standings.get(name, Standing())
        yield RunningTrial(
            digest=name,
            title=trials[name].title,
            job=labels.get(JOB_NAME, ""),
            step=at.step,
            steps=at.steps,
            loss=at.loss,
            images_per_second=at.images_per_second,
        )


def trials_of(pod: Object) -> dict[str, Measured]:
    """Return the trials that a pod was told to train, by digest."""
    with suppress(InputRefused):
        trials = parse_trials(_annotation(pod, TRIALS).encode(), "a pod")
        return {digest(trial): trial for trial in trials}
    return {}


def standings_of(lines: Iterable[str]) -> tuple[dict[str, Standing], set[str]]:
    """Return where trials stand by what a log says, and which are finished or failed."""
    standings: dict[str, Standing] = {}
    over = set()
    for line in lines:
        event = parse_event(line)
        if event is None:
            continue
        note_standing(standings, event)
        if isinstance(event, Finished | Failed):
            over.add(event.trial)
    return standings, over


def _annotation(thing: Object, name: str) -> str:
    return str((thing["metadata"].get("annotations") or {}).get(name, ""))


def _of(study: StudyObject, labels: Mapping[str, str]) -> str:
    selected = {STUDY_UID: study.uid, **labels}
    return ",".join(f"{name}={value}" for name, value in selected.items())


def _newest(things: Iterable[Object]) -> list[Object]:
    def made(thing: Object) -> str:
        return str(thing["metadata"].get("creationTimestamp", ""))

    return sorted(things, key=made, reverse=True)


def _sorted(things: Iterable[Object]) -> list[StudyObject]:
    return sorted(map(StudyObject, things), key=lambda study: (study.namespace, study.name))
