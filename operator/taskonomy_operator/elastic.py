"""How the processes of one trial find each other: alone, on one node, or elastic over several.

One process is started as it is. Several on one node are torchrun's, standalone. Several nodes are
an Indexed Job, a pod each, that meet at index 0 through a headless Service: between ``min`` and
``max`` of them train, and a pod that is lost leaves the others training while another is made.

What is unusual here was measured on a real node with torch and gloo:

- ``TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1``: with the store shared, a pod that joins later waits a
  minute for a key nobody writes, and the whole gang dies.
- ``publishNotReadyAddresses``: names must resolve before pods are ready, as they wait for each
  other to become so. DNS keeps a miss for 5 s, so a join may take ``join_timeout``.
- ``podReplacementPolicy: Failed``: a pod is replaced once it has ended, so that an index never has
  two pods that write the same checkpoint.
- ``successPolicy`` on index 0: it writes the result, so the Job is done when it is; a pod made
  late would otherwise wait for a gang that has gone.
"""

from typing import Any

from taskonomy_catalogue.launch import Launch
from taskonomy_catalogue.study_parts import StageResources
from taskonomy_operator.constants import STUDY_UID

TORCHRUN_MODULE = "taskonomy_jobs.elastic"
"""torchrun with the workers' exit code: torchrun's own is 1 whatever they said, and the Job's
policy could not tell a bad trial from a crash."""
PORT = 29400
"""Where index 0 listens for the others."""

RENDEZVOUS = {
    "join_timeout": 300,
    "last_call_timeout": 5,
    "keep_alive_interval": 1,
    "keep_alive_max_attempt": 3,
}
"""Seconds (and attempts): a pod that is gone is noticed after 3, and the rest goes on after 5."""


def is_gang(asked: StageResources) -> bool:
    """Return whether a trial is trained by pods on several nodes."""
    return asked.nodes.max > 1


def command(
    python: str, launch: Launch, asked: StageResources, job: str, service: str
) -> list[str]:
    """Return the container's command, word by word: no shell ever reads it.

    Args:
        python: Python of the image.
        launch: what is trained.
        asked: GPUs of a pod, and nodes.
        job: the Job's name.
        service: the Service that its pods have names by.
    """
    workers = max(asked.gpus, 1)
    if workers == 1 and not is_gang(asked):
        return launch.command(python)
    meeting = _meeting(asked, job, service) if is_gang(asked) else ["--standalone", "--nnodes=1"]
    train = ["-m", launch.MODULE, *launch.arguments()]
    # A worker that fails ends its pod: whether it is tried again is the Job's to say.
    return [
        *(python, "-P", "-m", TORCHRUN_MODULE, *meeting),
        f"--nproc-per-node={workers}",
        "--max-restarts=0",
        *train,
    ]


def _meeting(asked: StageResources, job: str, service: str) -> list[str]:
    settings = ",".join(f"{name}={value}" for name, value in RENDEZVOUS.items())
    return [
        f"--nnodes={asked.nodes.min}:{asked.nodes.max}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={job}-0.{service}:{PORT}",
        f"--rdzv-id={job}",
        f"--rdzv-conf={settings}",
    ]


def service_name(study: str) -> str:
    """Return what the Service of a study's gangs is called: as the study, if a letter comes first.

    A Service's name must begin with one, and a study's need not.
    """
    return study if study[0].isalpha() else f"study-{study}"


def gang_environment() -> dict[str, str]:
    """Return the environment of a gang's pods."""
    return {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def gang_job_spec(asked: StageResources, retries: int) -> dict[str, Any]:
    """Return what a gang's Job spec has beyond a single pod's, and in place of its backoff.

    Each index has its own retries, and as many as the gang can spare may use theirs up.
    """
    pods = asked.nodes.max
    return {
        "completionMode": "Indexed",
        "completions": pods,
        "parallelism": pods,
        "backoffLimitPerIndex": retries,
        "maxFailedIndexes": pods - asked.nodes.min,
        "podReplacementPolicy": "Failed",
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
    }


def gang_service(study_uid: str) -> dict[str, Any]:
    """Return the headless Service's spec, by which pods of all a study's gangs have names.

    One Service is enough: a pod's name begins with its Job's.
    """
    return {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {STUDY_UID: study_uid},
        "ports": [{"name": "rendezvous", "port": PORT}],
    }
