"""How the end of a job on this machine is settled: written down, told to the planner, cleared away.

The journal is written first and the planner told by the same record, so that a run that goes on
after a kill knows what this one knew.
"""

from dataclasses import dataclass

from taskonomy_catalogue.errors import InputRefused
from taskonomy_operator.endings import endings, ranking_ending
from taskonomy_operator.journal import Ended, Record, append
from taskonomy_operator.local_processes import JobProcess
from taskonomy_operator.machine import boot
from taskonomy_operator.observe import Known
from taskonomy_operator.retries import End


@dataclass(frozen=True, slots=True)
class Settling:
    """Settles the jobs of one study."""

    known: Known

    def settle(self, process: JobProcess) -> None:
        """Write down how a job ended, tell the planner, and clear its files away."""
        process.clear_up()
        process.log.read_all()
        settle = self._ranking if process.job.kind == "ranking" else self._trials
        settle(process)
        for path in (process.lock, self.known.folder.trials_file(process.job.name)):
            path.unlink(missing_ok=True)

    def check(self, name: str) -> bool:
        """Tell the planner if a trial has its result, and return whether it has."""
        has_result = self.known.folder.has_result(name)
        if has_result:
            self.known.plan.saw_result(name)
        return has_result

    def write_down(self, record: Record) -> None:
        """Write a record into the journal and tell the planner what it says."""
        append(self.known.folder.journal_file, record)
        self.known.history.retell(record, self.known.plan)

    def _trials(self, process: JobProcess) -> None:
        finished = [name for name in process.job.digests if self.check(name)]
        unfinished = [name for name in process.job.digests if name not in set(finished)]
        ends = endings(
            unfinished,
            in_job=len(process.job.digests),
            code=process.code,
            stopped=self._was_stopped(process),
            failures=process.log.failures,
            last_words=process.log.last_words,
        )
        self._end(process, ends, finished)

    def _ranking(self, process: JobProcess) -> None:
        folder, plan = self.known.folder, self.known.plan
        words = process.log.last_words
        try:
            ranking = folder.ranking(self.known.study)
        except InputRefused as error:
            ranking, words = {}, str(error)
        for name in plan.saw_ranking(ranking):
            self.check(name)
        missing = [target for target in process.job.targets if target not in ranking]
        stopped = self._was_stopped(process)
        end = ranking_ending(missing, code=process.code, stopped=stopped, last_words=words)
        self._end(process, {process.job.name: end} if end else {}, [])

    def _end(self, process: JobProcess, ends: dict[str, End], finished: list[str]) -> None:
        self.write_down(
            Ended(
                job=process.job.name,
                seconds=process.seconds,
                finished=tuple(finished),
                ends=ends,
            )
        )

    def _was_stopped(self, process: JobProcess) -> bool:
        opened = self.known.history.open[process.job.name].starting
        machine_went_down = process.process is None and opened.boot != boot()
        return process.asked_to_stop is not None or process.log.saved or machine_went_down
