"""A trainer that trains nothing: the runner's tests start it as a process in place of the real one.

It reads the real command line, says the real events and leaves results by `records`, so that
everything around the training is what it is. What it is to do with a trial stands in the JSON file
that FAKE_TRAINER names: by title, ``{"seconds": 0.1, "ends": [1, -9, 0]}``, an end an attempt, the
last one again and again. Every attempt is a line of ``<artifacts>/attempts.jsonl``.
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from taskonomy_catalogue.launch import (
    Exit,
    Failed,
    Finished,
    Launch,
    Progressed,
    Saved,
    Started,
    emit,
    parse_trials,
)
from taskonomy_catalogue.records import (
    LOSSES_FILE,
    RESULT_FILE,
    BestGuess,
    Result,
    write_result,
    write_trial,
)
from taskonomy_catalogue.trials import Trial, digest

STEPS = 10


def main() -> int:
    launch = Launch.parse()
    trials = parse_trials(Path(launch.trials).read_bytes(), launch.trials)
    settings = json.loads(Path(os.environ["FAKE_TRAINER"]).read_text())
    failed = 0
    for trial in trials:
        if not (Path(launch.artifacts) / digest(trial) / RESULT_FILE).exists():
            plan = settings.get(trial.title, settings.get("*", {}))
            failed = _train(launch, trial, plan) or failed
    return failed


def _train(launch: Launch, trial: Trial | BestGuess, plan: dict[str, Any]) -> int:
    """Pretend to train; return the exit code this trial asks for."""
    name = digest(trial)
    number = _note(launch, trial, "begins")
    _stop_at_sigterm(launch, trial)
    emit(Started(trial=name, title=trial.title, steps=STEPS))
    begun = datetime.now(UTC)
    for step in range(1, STEPS + 1):
        time.sleep(plan.get("seconds", 0.02) / STEPS)
        emit(Progressed(trial=name, step=step, steps=STEPS, loss=1 / step, images_per_second=100))
    ends = plan.get("ends", [0])
    end = ends[min(number, len(ends) - 1)]
    if end < 0:
        os.kill(os.getpid(), -end)
    if end == 1:
        raise SystemExit("RuntimeError: the network fell over")
    if end:
        emit(Failed(trial=name, reason=plan.get("reason", "as it was told"), code=end))
        return int(end)
    _leave(Path(launch.artifacts) / name, trial, launch, begun)
    _note(launch, trial, "done")
    emit(Finished(trial=name, mean_loss=0.5, seconds=0.1))
    return 0


def _leave(folder: Path, trial: Trial | BestGuess, launch: Launch, begun: datetime) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_trial(folder, trial)
    if os.environ.get("FAKE_LOSSES"):
        from trial_results import Artifacts

        Artifacts(folder.parent, study=launch.study).leave(trial)
        return
    (folder / LOSSES_FILE).write_bytes(b"")
    result = Result(
        digest=digest(trial),
        kind=trial.kind,
        study=launch.study,
        job=launch.job,
        status="complete",
        steps=STEPS,
        images=1,
        mean_loss=0.5,
        gpu_seconds=36.0,
        started_at=begun,
        finished_at=datetime.now(UTC),
    )
    write_result(folder, result)


def _note(launch: Launch, trial: Trial | BestGuess, what: str) -> int:
    """Write an attempt down; return how many there were before."""
    path = Path(launch.artifacts) / "attempts.jsonl"
    before = path.read_text().splitlines() if path.exists() else []
    line = {"digest": digest(trial), "title": trial.title, "what": what, "pid": os.getpid()}
    with path.open("a") as file:
        file.write(json.dumps(line | {"job": launch.job, "time": time.time()}) + "\n")
    begun = [json.loads(each) for each in before]
    return sum(each["digest"] == line["digest"] and each["what"] == "begins" for each in begun)


def _stop_at_sigterm(launch: Launch, trial: Trial | BestGuess) -> None:
    def stop(_signal: int, _frame: object) -> NoReturn:
        _note(launch, trial, "saved")
        emit(Saved(trial=digest(trial), step=1))
        os._exit(Exit.TRY_AGAIN)

    signal.signal(signal.SIGTERM, stop)


if __name__ == "__main__":
    sys.exit(main())
