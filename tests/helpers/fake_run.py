"""A small study run with the trainer that trains nothing, in this process or in one of its own.

python fake_run.py ROOT      runs, or goes on with, the study under ROOT
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trial_results import small_study

from taskonomy_catalogue.study import Study
from taskonomy_operator.local import run_study
from taskonomy_operator.local_commands import Settings
from taskonomy_operator.machine import Slots
from taskonomy_operator.status import Status
from taskonomy_operator.study_folder import Run, StudyFolder

HERE = Path(__file__).parent
PACKAGES = ("catalogue", "operator", "jobs", "warehouse", "cli", "tests/helpers")
JOBS = 3
SPEC: dict[str, Any] = {"transfers": {"orders": [1, 2], "candidates": "exhaustive"}}


def environment(root: Path) -> dict[str, str]:
    """What the fake trainer's processes need to find their modules and their orders."""
    folders = [str(HERE.parents[1] / package) for package in PACKAGES]
    return {"PYTHONPATH": os.pathsep.join(folders), "FAKE_TRAINER": str(root / "fake.json")}


@dataclass
class FakeRun:
    """A study under a folder, what its trainer is to do, and what it did."""

    root: Path
    name: str = "rooms"

    def __post_init__(self) -> None:
        (self.root / "artifacts").mkdir(parents=True, exist_ok=True)
        if not (self.root / "fake.json").exists():
            self.trains()

    @property
    def folder(self) -> StudyFolder:
        return StudyFolder(self.root / "artifacts", self.name)

    def trains(self, **by_title: dict[str, Any]) -> None:
        """Say what is to happen, by title; ``*`` for all others."""
        (self.root / "fake.json").write_text(json.dumps(by_title))

    def attempts(self, what: str) -> list[dict[str, Any]]:
        """Return the attempts that began, were saved or were done."""
        path = self.root / "artifacts" / "attempts.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [each for each in map(json.loads, lines) if each["what"] == what]

    def run(
        self,
        study: Study | None = None,
        *,
        show: Callable[[Status], None] = lambda _: None,
        pack: int = 4,
        **settings: Any,
    ) -> Status:
        """Run it in this process."""
        return run_study(
            self.folder,
            study or small_study(**SPEC),
            Run(folder=str(self.root), dataset=str(self.root)),
            Settings(
                slots=Slots(jobs=JOBS, threads=1),
                most_in_pack=pack,
                trainer=(sys.executable, str(HERE / "fake_trainer.py")),
                tick=0.02,
                **settings,
            ),
            show=show,
        )

    def start(self) -> "subprocess.Popen[bytes]":
        """Run it in a process of its own."""
        words = [sys.executable, str(HERE / "fake_run.py"), str(self.root)]
        return subprocess.Popen(words, env={**os.environ, **environment(self.root)})


if __name__ == "__main__":
    sys.exit(0 if FakeRun(Path(sys.argv[1])).run().phase == "Completed" else 7)
