"""The command that sends what trials could not: what its end says of what is left."""

from pathlib import Path

import pytest
from tracked_trial import the_trial

from taskonomy_catalogue.launch import TRACKING_BUFFER, Exit, ReplayLaunch
from taskonomy_jobs.tracking.__main__ import main
from taskonomy_jobs.tracking.description import describe
from taskonomy_jobs.tracking.journal import Journal

pytestmark = pytest.mark.slow  # MLflow is imported

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize(("leave", "code"), [("", Exit.TRY_AGAIN), ("yes", Exit.DONE)])
def test_what_is_left_is_a_failure_unless_somebody_comes_by_again(
    tmp_path: Path, leave: str, code: Exit
) -> None:
    run = describe(the_trial("away", 0), "away", str(tmp_path / "trial"), "", 0)
    journal = Journal(tmp_path / "trial", {"event": "run"} | run.model_dump())
    journal.append([{"event": "metrics", "step": 1, "time": 0, "values": {"loss": 0.5}}])
    journal.close()
    launch = ReplayLaunch.model_validate(
        {"artifacts": str(tmp_path), "tracking": NOBODY, "leave": leave}
    )
    assert main(launch.arguments()) == code
    assert (tmp_path / "trial" / TRACKING_BUFFER).exists()


def test_nothing_to_send_is_no_failure(tmp_path: Path) -> None:
    assert main([f"--artifacts={tmp_path}", f"--tracking={NOBODY}"]) == Exit.DONE
