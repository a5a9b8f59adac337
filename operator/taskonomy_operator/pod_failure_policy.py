"""What a pod's end means to its Job: nobody's fault, the trial's, or one failure more.

| how a pod ended                        | what the Job does                                       |
|----------------------------------------|---------------------------------------------------------|
| DisruptionTarget (eviction, preemption,| makes another; no retry is used up                      |
| drain, taint)                          |                                                         |
| exit 64, a bad trial                   | fails at once: the same trial would fail again          |
| exit 75, try again                     | makes another; no retry is used up                      |
| anything else, a signal                | counts against `backoffLimit`                           |

Rules are read in order and the first that fits counts, so an eviction is one whatever the exit
code it left. A collateral exit of a gang's survivor is a 75 (`taskonomy_jobs.elastic`).
"""

from typing import Any

from taskonomy_catalogue.launch import Exit
from taskonomy_operator.constants import DISRUPTION_TARGET


def pod_failure_policy(container: str) -> dict[str, Any]:
    """Return the Job's ``podFailurePolicy``; it needs ``restartPolicy: Never``."""
    return {
        "rules": [
            {
                "action": "Ignore",
                "onPodConditions": [{"type": DISRUPTION_TARGET, "status": "True"}],
            },
            {"action": "FailJob", "onExitCodes": _exits(container, Exit.BAD_TRIAL)},
            {"action": "Ignore", "onExitCodes": _exits(container, Exit.TRY_AGAIN)},
        ]
    }


def backoff_limit(retries: int, trials: int) -> int:
    """Return how many crashes a Job answers itself.

    A lone trial's retries are the Job's. A pack's crash is answered by the planner, which halves
    the pack until the one that crashes is alone; so the Job gives a pack up at the first.
    """
    return retries if trials == 1 else 0


def _exits(container: str, code: Exit) -> dict[str, Any]:
    return {"containerName": container, "operator": "In", "values": [int(code)]}
