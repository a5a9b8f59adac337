"""What lies under ``<artifacts>/studies/<study>/``: everything a run on this machine keeps.

| path              | holds                                                                      |
|-------------------|----------------------------------------------------------------------------|
| `study.json`      | the study as submitted, its tasks inline                                   |
| `run.json`        | how it was submitted (`Run`)                                               |
| `journal.jsonl`   | every job started and ended (`journal`)                                    |
| `ranking.json`    | the targets ranked so far (`rankings.RankingFile`)                         |
| `logs/<job>.log`  | what jobs wrote, attempt after attempt: event lines among other lines      |
| `jobs/<job>.*`    | trials file and lock of a job that has not been seen to end                |
| `run.lock`        | held by the process that runs the study; says who it is                    |

Results lie beside it, ``<artifacts>/<digest>/``, shared by all studies of the artifact root.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from taskonomy_catalogue.errors import InputRefused, NotFound, did_you_mean
from taskonomy_catalogue.launch import STUDIES_FOLDER, submitted_study
from taskonomy_catalogue.rankings import FirstOrder, RankingFile, parse_ranking
from taskonomy_catalogue.records import RESULT_FILE, write_whole
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import Ranking
from taskonomy_operator.asked import PlanStage


class Run(BaseModel):
    """How a study was submitted on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    folder: str
    """Folder that relative paths of the study start from: that of its file."""
    dataset: str
    """Where the data set lies, absolute."""
    tracking: str = ""
    """MLflow tracking URI; empty: nothing is tracked."""
    stage: PlanStage | None = None
    """The stage that was asked for; None: all."""
    origin: str = ""
    """The study's file as it was named, for people."""


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """The folder of one study under an artifact root."""

    artifacts: Path
    """The artifact root, absolute."""
    name: str
    """The study's name."""

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.artifacts / STUDIES_FOLDER / self.name

    @property
    def study_file(self) -> Path:
        """The study as submitted."""
        return submitted_study(self.artifacts, self.name)

    @property
    def run_file(self) -> Path:
        """How it was submitted."""
        return self.root / "run.json"

    @property
    def journal_file(self) -> Path:
        """Jobs started and ended."""
        return self.root / "journal.jsonl"

    @property
    def ranking_file(self) -> Path:
        """Targets ranked so far."""
        return self.root / "ranking.json"

    @property
    def lock_file(self) -> Path:
        """Held by the process that runs the study."""
        return self.root / "run.lock"

    def log(self, job: str) -> Path:
        """Return the log of a job."""
        return self.root / "logs" / f"{job}.log"

    def trials_file(self, job: str) -> Path:
        """Return the trials file of a job."""
        return self.root / "jobs" / f"{job}.jsonl"

    def job_lock(self, job: str) -> Path:
        """Return the file that is locked while any process of a job lives."""
        return self.root / "jobs" / f"{job}.lock"

    # --- what is kept --------------------------------------------------------------------------

    def keep(self, study: Study, run: Run) -> None:
        """Write a study and how it was submitted."""
        for folder in ("logs", "jobs"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        write_whole(self.study_file, study.model_dump_json(by_alias=True, exclude_unset=True))
        write_whole(self.run_file, run.model_dump_json(indent=1))

    def study(self) -> Study:
        """Return the study as it was submitted.

        Raises:
            NotFound: no such study was submitted with this artifact root.
            InputRefused: somebody changed the file and it is no study any more.
        """
        content = self._read(self.study_file)
        try:
            document = json.loads(content)
        except ValueError as error:
            raise InputRefused(self.study_file, f"not valid JSON: {error}") from error
        return parse_study(document, origin=str(self.study_file))

    def run(self) -> Run:
        """Return how the study was submitted; errors as `study`."""
        try:
            return Run.model_validate_json(self._read(self.run_file))
        except ValidationError as error:
            raise InputRefused(self.run_file, "is damaged; submit the study again") from error

    def ranking(self, study: Study) -> Ranking:
        """Return the sources of the targets that are ranked for this study.

        Raises:
            InputRefused: the file is no ranking.
        """
        return self._ranking_file().ranking_for(FirstOrder(study))

    def finished(self, digests: Iterable[str]) -> Iterator[str]:
        """Yield those of some trials whose result is there, whichever study it was trained for."""
        for name in digests:
            if self.has_result(name):
                yield name

    def has_result(self, digest: str) -> bool:
        """Return whether a trial has its result."""
        return (self.artifacts / digest / RESULT_FILE).exists()

    def _ranking_file(self) -> RankingFile:
        try:
            content = self.ranking_file.read_bytes()
        except FileNotFoundError:
            return RankingFile()
        return parse_ranking(content, str(self.ranking_file))

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            known = [folder.name for folder in submitted(self.artifacts)]
            hint = did_you_mean(self.name, known) or _listed(known)
            raise NotFound(f"no study {self.name!r} was run in {self.artifacts}{hint}") from error


def submitted(artifacts: Path) -> list[StudyFolder]:
    """Return the studies that were submitted with an artifact root, by name."""
    found = artifacts.glob(str(submitted_study(Path(), "*")))
    return [StudyFolder(artifacts, path.parent.name) for path in sorted(found)]


def _listed(known: list[str]) -> str:
    return f"; there are {', '.join(known)}" if known else "; `taskonomyctl submit` runs one"
