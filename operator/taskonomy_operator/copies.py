"""What the controller sees of a cluster: copies of Studies and Jobs, and which Jobs changed."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from taskonomy_operator import constants
from taskonomy_operator.cluster import Cluster, Object
from taskonomy_operator.job_record import JobRecord, job_record
from taskonomy_operator.reflector import Reflector

SELECTOR = f"{constants.MANAGED_BY}={constants.MANAGER}"
"""Finds our Jobs, on the server."""
EVERYWHERE = "*"
"""As a namespace: all of them."""


class Copies:
    """Reflectors of Studies and of their Jobs, in every namespace served."""

    def __init__(
        self,
        cluster: Cluster,
        namespaces: Sequence[str],
        changed: Callable[[str], None],
        silence: float,
    ) -> None:
        """Copy nothing yet; `start` does.

        Args:
            cluster: the API server.
            namespaces: those with Studies; ``*``: all.
            changed: told the uid of each study that there is news of.
            silence: seconds without a word after which a watch is dead.
        """
        self._changed = changed
        self._lock = threading.Lock()
        self._jobs: defaultdict[str, dict[str, JobRecord]] = defaultdict(dict)
        self._news: defaultdict[str, set[str]] = defaultdict(set)
        self._studies: dict[str, Object] = {}
        self.reflectors: dict[str, Reflector[Object] | Reflector[JobRecord]] = {}
        for namespace in namespaces:
            self._reflect(cluster, namespace, silence)

    def _reflect(self, cluster: Cluster, namespace: str, silence: float) -> None:
        within = "" if namespace == EVERYWHERE else f"/namespaces/{namespace}"
        studies: Reflector[Object] = Reflector(
            cluster,
            f"/apis/{constants.API_VERSION}{within}/{constants.PLURAL}",
            selector="",
            trim=_study,
            changed=lambda study: self._saw_study(studies, study),
            silence=silence,
        )
        jobs: Reflector[JobRecord] = Reflector(
            cluster,
            f"/apis/batch/v1{within}/jobs",
            selector=SELECTOR,
            trim=job_record,
            changed=lambda job: self._saw_job(jobs, job),
            silence=silence,
        )
        where = "" if namespace == EVERYWHERE else f" in {namespace}"
        self.reflectors[f"studies{where}"] = studies
        self.reflectors[f"jobs{where}"] = jobs

    def start(self, stop: threading.Event) -> None:
        """Begin to copy, until told to stop."""
        for name, reflector in self.reflectors.items():
            threading.Thread(
                target=reflector.run, args=(stop,), name=f"copy {name}", daemon=True
            ).start()

    def are_synced(self) -> bool:
        """Return whether everything was listed: before, what is missing may merely not be known."""
        return all(reflector.synced.is_set() for reflector in self.reflectors.values())

    def wait(self, stop: threading.Event) -> bool:
        """Wait until everything was listed; false: told to stop before."""
        while not stop.is_set():
            if self.are_synced():
                return True
            stop.wait(0.05)
        return False

    def trouble(self) -> str:
        """Return why copies are not up to date; empty: nothing is known to be wrong."""
        return "; ".join(filter(None, (each.trouble for each in self.reflectors.values())))

    def oldest_word(self) -> float:
        """Return the seconds since the copy that heard least heard anything."""
        return max(reflector.age() for reflector in self.reflectors.values())

    # --- what a pass looks at ------------------------------------------------------------------

    def study(self, uid: str) -> Object | None:
        """Return a Study; None: it is gone."""
        return self._studies.get(uid)

    def jobs(self, uid: str) -> Collection[JobRecord]:
        """Return all Jobs of a study."""
        with self._lock:
            return list(self._jobs.get(uid, {}).values())

    def changed_jobs(self, uid: str) -> dict[str, JobRecord | None]:
        """Return the Jobs that changed since this was last asked, by name; None: it is gone."""
        with self._lock:
            names, there = self._news.pop(uid, set()), self._jobs.get(uid, {})
            return {name: there.get(name) for name in names}

    def tell_again(self, uid: str, names: Collection[str]) -> None:
        """Tell of some Jobs as if they had changed again, the next time somebody asks."""
        if names:
            with self._lock:
                self._news[uid].update(names)

    # --- news ----------------------------------------------------------------------------------

    def _saw_study(self, reflector: Reflector[Object], study: Object) -> None:
        uid = study["metadata"]["uid"]
        now = reflector.get(uid)
        with self._lock:
            if now is None:
                self._studies.pop(uid, None)
            else:
                self._studies[uid] = now
        self._changed(uid)

    def _saw_job(self, reflector: Reflector[JobRecord], job: JobRecord) -> None:
        now = reflector.get(job.uid)
        with self._lock:
            jobs = self._jobs[job.study_uid]
            if now is not None:
                jobs[job.name] = now
            elif job.name in jobs and jobs[job.name].uid == job.uid:
                del jobs[job.name]
            if not jobs:
                del self._jobs[job.study_uid]
            self._news[job.study_uid].add(job.name)
        self._changed(job.study_uid)


def _study(study: Object) -> Object:
    """Return a Study without what nobody here reads."""
    with suppress(KeyError):
        del study["metadata"]["managedFields"]
    return study
