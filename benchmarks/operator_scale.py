"""What the operator costs beside a bare loop that posts the same Jobs to the same kind of server.

    python benchmarks/operator_scale.py [--jobs 300 | 1000 | 3000]… > operator_scale.json

Baseline, in the same run: every Job of the study, made by the same code, posted by 16 threads with
nobody watching. Each side has a fresh control plane (API server, etcd, Job controller, scheduler;
kwok plays the nodes, pods succeed at once), and is timed from its first request until the last Job
is complete. The loop waits for nothing; the operator starts transfers when their encoders are done,
writes down what ends, and survives what the tests do to it.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
import control_plane as planes
import kubernetes_programs
from control_plane import ControlPlane
from kube import Kube, eventually
from operator_process import OperatorProcess
from plane_fixtures import know_studies
from study_cases import document

from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import digest
from taskonomy_operator.asked import asked_trials
from taskonomy_operator.cluster import connect
from taskonomy_operator.installation import Installation
from taskonomy_operator.manifests import Manifest, Owner, training_objects
from taskonomy_operator.names import job_name

THREADS = 16
NODES = 60
"""480 GPUs and 12,400 pods: nothing waits for a node."""
SHAPES = {300: (8, 4), 1_000: (14, 5), 3_000: (26, 5)}
"""Tasks and seeds of a study of about so many Jobs, all of order 1."""
WITHIN = 1_200.0


def main() -> None:
    """Measure the sizes asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, action="append", choices=sorted(SHAPES))
    sizes = parser.parse_args().jobs or [300]
    figures = {"cores": os.cpu_count(), "sizes": [measure(size) for size in sizes]}
    json.dump(figures, sys.stdout, indent=1)
    print()


def measure(size: int) -> dict[str, Any]:
    """Return the figures of one size."""
    study = study_of(size)
    with fresh_plane() as plane:
        bare = bare_loop(plane, study)
    with fresh_plane() as plane:
        figures = operator(plane, study)
    ratio = figures["seconds"] / bare["seconds"]
    return {"jobs": bare["jobs"], "ratio": round(ratio, 3), "bare_loop": bare, "operator": figures}


def study_of(size: int) -> Study:
    """Return a study of about so many Jobs."""
    tasks, seeds = SHAPES[size]
    roles = [task for task in paper_dictionary() if task.may_be_source and task.may_be_target]
    only_sources = [task for task in paper_dictionary() if not task.may_be_target]
    chosen = (roles if tasks < len(roles) else [*roles, *only_sources])[:tasks]
    changes = {
        "metadata.namespace": "scale",
        "spec.tasks.subset": [task.id for task in chosen],
        "spec.transfers.orders": [1],
        "spec.training.transfer.seeds": list(range(seeds)),
        "spec.parallelism": 5_000,
    }
    return parse_study(document(changes), origin="the benchmark")


@contextmanager
def fresh_plane() -> Iterator[ControlPlane]:
    """Provide a control plane that knows Studies, with the namespace `scale`."""
    programs = kubernetes_programs.programs()
    if programs is None:
        sys.exit("no control plane: `make control-plane` builds one")
    folder = Path(tempfile.mkdtemp(prefix="taskonomy-"))
    with planes.shared(folder, programs, NODES) as plane:
        kube = know_studies(plane.kube)
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "scale"}})
        account = "/api/v1/namespaces/scale/serviceaccounts"
        eventually(lambda: kube.items(account), what="no service account")
        yield plane
    eventually(lambda: not (folder / "keeper.pid").exists(), what=f"see {folder}/logs")
    shutil.rmtree(folder)


# --- the bare loop -----------------------------------------------------------------------------


def bare_loop(plane: ControlPlane, study: Study) -> dict[str, Any]:
    """Post every Job of a study at once, and wait for the last to complete."""
    kube = plane.kube
    jobs = list(manifests(kube, study))
    cluster = connect(kubeconfig=plane.kubeconfig, qps=100_000, burst=100_000)
    path = "/apis/batch/v1/namespaces/scale/jobs"
    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda job: cluster.create(path, job), jobs))
    posted = time.monotonic() - began
    eventually(lambda: are_complete(kube), within=WITHIN, what="Jobs do not complete")
    seconds = time.monotonic() - began
    return {"jobs": len(jobs), "seconds": round(seconds, 2), "posted_in": round(posted, 2)}


def manifests(kube: Kube, study: Study) -> Iterator[Manifest]:
    """Yield the Jobs of a study, as the operator makes them."""
    made = kube.create(document_of(study) | {"spec": suspended(study)})
    owner = Owner(name=study.name, namespace="scale", uid=made["metadata"]["uid"])
    installation = Installation(image="example.org/taskonomy-jobs:1", artifacts="/artifacts")
    for trial in asked_trials(study):
        name = job_name(study.name, [digest(trial)])
        yield training_objects(study, owner, [trial], job=name, installation=installation)[-1]


def are_complete(kube: Kube) -> bool:
    """Return whether every Job has succeeded; one that has not is all the server looks for."""
    time.sleep(0.4)
    path = "/apis/batch/v1/namespaces/scale/jobs"
    left = kube.get(path, fieldSelector="status.successful=0", limit=1, resourceVersion="0")
    return not left["items"]


# --- the operator ------------------------------------------------------------------------------


def operator(plane: ControlPlane, study: Study) -> dict[str, Any]:
    """Run a study with the operator, then start the operator anew beside all its Jobs."""
    kube, folder = plane.kube, Path(tempfile.mkdtemp(prefix="taskonomy-"))
    path = "/apis/taskonomy.dev/v1alpha1/namespaces/scale/studies/small"
    process = OperatorProcess(
        folder,
        plane.kubeconfig,
        "scale",
        qps=2_000,
        burst=2_000,
        status_interval=1,
        log_level="warning",
    )
    with process:
        process.ready()
        sampled = Sampled(process)
        began = time.monotonic()
        kube.create(document_of(study))
        eventually(lambda: is_complete(kube, path), within=WITHIN, what=process.log)
        seconds = time.monotonic() - began
        jobs = process.metric("taskonomy_jobs_created_total")
        writes = sum(process.metric("taskonomy_api_requests_total", verb=v) for v in WRITES)
        passes = process.metric("taskonomy_reconcile_seconds_count")
        spent = process.metric("taskonomy_reconcile_seconds_sum")
        processor = sampled.processor_seconds()
        peak = sampled.end()
        process.kill()
        began = time.monotonic()
        process.start()
        process.ready()
        eventually(process.leads, what="it does not lead again")
        process.ready()
        ready = time.monotonic() - began
    size = len(json.dumps(kube.get(path)))
    shutil.rmtree(folder)
    return {
        "jobs": int(jobs),
        "seconds": round(seconds, 2),
        "writes_per_job": round(writes / jobs, 3),
        "peak_rss_mib": round(peak / 2**20, 1),
        "ready_after_restart_s": round(ready, 2),
        "study_object_kib": round(size / 1024, 2),
        "processor_ms_per_job": round(1_000 * processor / jobs, 2),
        "reconcile_ms_per_job": round(1_000 * spent / jobs, 2),
        "passes": int(passes),
        "processor_ms_per_job_by_third": sampled.by_third(),
    }


WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Sampled:
    """Memory, processor time and progress of the operator, looked at while it runs."""

    def __init__(self, process: OperatorProcess) -> None:
        self._process = process
        self._stop = threading.Event()
        self._began = self.processor_seconds()
        self._points: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def processor_seconds(self) -> float:
        """Return the processor time since this was made."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK") - getattr(self, "_began", 0.0)

    def end(self) -> int:
        """Stop looking; return the most memory it ever had, in bytes."""
        self._stop.set()
        self._thread.join()
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def by_third(self) -> list[float]:
        """Return the processor milliseconds a Job while the first, middle and last third ended."""
        done, found = self._points[-1][0] if self._points else 0.0, []
        for part in (1, 2, 3):
            within = [
                point for point in self._points if (part - 1) / 3 <= point[0] / done <= part / 3
            ]
            jobs, spent = within[-1][0] - within[0][0], within[-1][1] - within[0][1]
            found.append(round(1_000 * spent / jobs, 2) if jobs else 0.0)
        return found

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            done = self._process.metric("taskonomy_trials", phase="done")
            self._points.append((done, self.processor_seconds()))


def document_of(study: Study) -> dict[str, Any]:
    """Return a study as it is sent."""
    return study.model_dump(mode="json", by_alias=True, exclude_unset=True)


def suspended(study: Study) -> dict[str, Any]:
    """Return its spec, so that nobody would act on it."""
    return {**document_of(study)["spec"], "suspend": True}


def is_complete(kube: Kube, path: str) -> bool:
    """Return whether the status says that nothing is left."""
    time.sleep(0.4)
    return bool((kube.get(path).get("status") or {}).get("completionTime"))


if __name__ == "__main__":
    main()
