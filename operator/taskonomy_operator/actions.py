"""What the controller does to a cluster, in its own words: a request or a few, nothing decided.

Every action may be done twice: names are fixed, so what is there already is found to be.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Any, TypeVar

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.rankings import RankingFile
from taskonomy_operator import constants
from taskonomy_operator.api_errors import Conflict, Refused
from taskonomy_operator.cluster import Cluster, Object
from taskonomy_operator.job_end import PodEnd, last_pod_end
from taskonomy_operator.job_record import JobRecord, job_record
from taskonomy_operator.manifests import Owner
from taskonomy_operator.names import ranking_name
from taskonomy_operator.no_progress import FailedPod, failed_pod
from taskonomy_operator.paging import pages
from taskonomy_operator.publish_ranking import ranking_of, read_config_map
from taskonomy_operator.study_status import StudyStatus

log = logging.getLogger(__name__)

Wanted = TypeVar("Wanted")
Made = TypeVar("Made")

FAILED = "status.phase=Failed"
"""Field selector of pods."""
DELETED_AT_ONCE = 50
"""Jobs that one request deletes: its selector names each and ends up in a URL."""


class NameTaken(Conflict):
    """An object of that name is there and belongs to somebody else."""


class Actions:
    """Requests about Studies and what belongs to them."""

    def __init__(self, cluster: Cluster, executor: Executor) -> None:
        self._cluster, self._executor = cluster, executor

    def make(self, things: Sequence[Object], owner: Owner) -> JobRecord:
        """Create the objects of a Job and return it, made now or found there.

        Raises:
            NameTaken: an object of that name belongs to somebody else.
            ApiError: the server did not do it.
        """
        *others, job = things
        for other in others:
            self._create(other, owner)
        return job_record(self._create(job, owner))

    def make_all(
        self, wanted: Sequence[Wanted], make: Callable[[Wanted], Made]
    ) -> Iterator[tuple[Wanted, Made | Exception]]:
        """Do something for each, in batches that double while all goes well (slow start).

        Yields:
            What was tried, with what came of it or the error; what is left after a batch with an
            error that others would meet too is not tried.
        """
        rest, size = iter(wanted), 1
        while batch := list(islice(rest, size)):
            futures = [self._executor.submit(make, one) for one in batch]
            outcomes = [_outcome(future) for future in futures]
            yield from zip(batch, outcomes, strict=True)
            if any(isinstance(one, Exception) and not is_about_one(one) for one in outcomes):
                return
            size *= 2

    def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Job: it stays until its pods have saved and ended, so that its name is taken."""
        path = f"{_jobs(namespace)}/{name}"
        self._cluster.delete(path, uid=uid, propagation="Foreground")

    def delete_ended(self, owner: Owner, records: Iterable[JobRecord]) -> None:
        """Delete Jobs that ended well, many with one request, and what is left of their pods."""
        rest = iter(records)
        while batch := list(islice(rest, DELETED_AT_ONCE)):
            digests = ",".join(record.names[0][:40] for record in batch)
            selector = f"{constants.STUDY_UID}={owner.uid},{constants.DIGEST} in ({digests})"
            self._cluster.delete_collection(_jobs(owner.namespace), labelSelector=selector)

    def job(self, namespace: str, name: str) -> JobRecord | None:
        """Return a Job as the server has it now; None: there is none."""
        try:
            return job_record(self._cluster.get(f"{_jobs(namespace)}/{name}"))
        except Refused as error:
            if error.code == 404:
                return None
            raise

    def pod_end(self, job: JobRecord) -> PodEnd:
        """Return how the last pod of a failed Job ended, as far as one may be asked for."""
        selector = f"{constants.JOB_NAME}={job.name}"
        path = f"/api/v1/namespaces/{job.namespace}/pods"
        try:
            return last_pod_end(self._cluster.get(path, labelSelector=selector)["items"])
        except Refused as error:
            log.warning("pods cannot be asked how they ended: %s", error)
            return PodEnd()

    def failed_pods(self, owner: Owner) -> list[FailedPod]:
        """Return what is to be known of a study's pods that failed and are still there.

        None where pods may not be listed.
        """
        path = f"/api/v1/namespaces/{owner.namespace}/pods"
        of = f"{constants.STUDY_UID}={owner.uid}"
        try:
            found = pages(self._cluster, path, labelSelector=of, fieldSelector=FAILED)
            return [kept for pod in found if (kept := failed_pod(pod))]
        except Refused as error:
            log.warning("pods cannot be asked how they ended: %s", error)
            return []

    def ranking(self, owner: Owner) -> RankingFile:
        """Return the ranking that was published for a study; empty: none was.

        Raises:
            InputRefused: somebody wrote something else there.
        """
        name = ranking_name(owner.name)
        found = read_config_map(self._cluster, owner.namespace, name)
        if found is None or not owner.owns(found):
            return RankingFile()
        return ranking_of(found, name)

    def write_status(self, owner: Owner, status: StudyStatus) -> None:
        """Write the status of a Study: its one writer is the replica that acts."""
        said = status.model_dump(mode="json", by_alias=True)  # None takes a field away
        path = f"/apis/{constants.API_VERSION}/namespaces/{owner.namespace}/{constants.PLURAL}"
        uid = {"uid": owner.uid}  # not of a Study made since under the same name
        self._cluster.patch(f"{path}/{owner.name}/status", {"metadata": uid, "status": said})

    def _create(self, thing: Object, owner: Owner) -> Object:
        path = _list_of(thing)
        try:
            return self._cluster.create(path, thing)
        except Conflict as error:
            if thing["kind"] != "Job":  # the one Service of a study, once made
                return thing
            name = thing["metadata"]["name"]
            try:
                there = self._cluster.get(f"{path}/{name}")
            except Refused as gone:
                if gone.code == 404:
                    raise error from gone  # it was there a moment ago: the next pass makes it
                raise
            if owner.owns(there):
                return there
            words = f"a Job named {name} is there and is not this study's"
            raise NameTaken(409, "NameTaken", words) from error


def is_about_one(error: Exception) -> bool:
    """Return whether an error concerns one Job alone: others may be made all the same."""
    is_invalid = isinstance(error, Refused) and error.code == 422
    return is_invalid or isinstance(error, NameTaken | SettingRefused)


def _outcome(future: "Future[Any]") -> Any:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - whoever asked for it decides what comes of it
        return error


def _list_of(thing: Object) -> str:
    namespace = thing["metadata"]["namespace"]
    if thing["kind"] == "Job":
        return _jobs(namespace)
    return f"/api/v1/namespaces/{namespace}/{thing['kind'].lower()}s"


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"
