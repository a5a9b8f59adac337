"""What the controller knows of a study: the same whether it went on or was started anew."""

import random
from collections.abc import Sequence

import pytest
from study_cases import document

from taskonomy_catalogue.last_words import FailedTrial, LastWords
from taskonomy_catalogue.rankings import FirstOrder, RankedTarget, RankingFile
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_operator import cluster_status
from taskonomy_operator.cluster_status import status_of
from taskonomy_operator.job_end import PodEnd
from taskonomy_operator.job_record import JobRecord
from taskonomy_operator.known_jobs import oldest_first
from taskonomy_operator.manifests import Owner
from taskonomy_operator.memory import Memory
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import Job
from taskonomy_operator.ranking_job import ranking_job_name
from taskonomy_operator.retries import End
from taskonomy_operator.study_status import StudyStatus

TASKS = ["normals", "reshading", "curvature", "depth"]
OWNER = Owner(name="small", namespace="n", uid="study")


def study_of(**more: object) -> Study:
    changes = {
        "spec.tasks.subset": TASKS,
        "spec.transfers.orders": [1, 2],
        "spec.retries": 1,
        "spec.parallelism": 7,
        **more,
    }
    return parse_study(document(changes), origin="study.yaml")


class World:
    """A cluster in so many lines: Jobs that start, end and go, and one status that is kept."""

    def __init__(self, study: Study, pack: int = 1) -> None:
        self.study, self.pack, self.now, self.made = study, pack, 1_000.0, 0
        self.status = StudyStatus()
        self.ranking = RankingFile()
        self.records: dict[str, JobRecord] = {}
        self.pods: dict[str, PodEnd] = {}
        self.memory = self.fresh()

    def fresh(self) -> Memory:
        """Return what a controller knows that starts now."""
        memory = Memory(
            self.study,
            OWNER,
            1,
            self.status,
            most_in_pack=self.pack,
            now=self.now,
            ticks=lambda: self.now,
        )
        if memory.wants_ranking:
            memory.saw_ranking(self.ranking, self.now)
        for record in oldest_first(self.records.values()):
            memory.saw_job(record, self.pods.get(record.name), self.now)
        return memory

    def write(self) -> None:
        self.status = status_of(self.memory, self.now)
        # what the server keeps of it
        self.status = StudyStatus.model_validate_json(self.status.model_dump_json(by_alias=True))
        self.memory.status = self.status

    def start(self) -> list[str]:
        """Make the Jobs there is room for; return their names."""
        jobs = self.memory.next_jobs(self.now)
        for job in jobs:
            name = ranking_job_name("small", job.targets) if job.kind == "ranking" else job.name
            if name in self.records:  # the same pack again, after it crashed: it makes room
                assert self.records[name].ended == "failed"
                self.delete(name)
                continue
            self.made += 1
            attempts = [self.memory.plan.node(digest) for digest in job.digests]
            crashes = attempts[0].attempts.crashes if len(attempts) == 1 and attempts[0] else 0
            self.records[name] = record(name, job, self.now + self.made / 1_000, crashes)
            self.memory.made(Job(name, job.kind, job.digests, job.targets), self.now)
            self.tell(name)
        return [job.name for job in jobs]

    def tell(self, name: str) -> None:
        self.memory.saw_job(self.records[name], self.pods.get(name), self.now)

    def change(self, name: str, **fields: object) -> None:
        old = self.records[name]
        told = {field: getattr(old, field) for field in JobRecord.__slots__} | fields
        self.records[name] = JobRecord(**told)
        self.tell(name)

    def succeed(self, name: str) -> None:
        if self.records[name].is_ranking:
            self._rank(self.records[name].names)
        self.change(name, ended="succeeded", ended_at=self.now)
        if self.memory.wants_ranking:
            self.memory.saw_ranking(self.ranking, self.now)

    def fail(self, name: str, reason: str, pod: PodEnd, failed: int = 1) -> None:
        self.pods[name] = pod
        self.change(name, ended="failed", reason=reason, failed=failed, ended_at=self.now)

    def delete(self, name: str) -> None:
        del self.records[name]
        self.memory.lost_job(name, self.now)

    def live(self) -> list[str]:
        return [name for name, each in self.records.items() if not each.ended]

    def _rank(self, targets: Sequence[str]) -> None:
        first = FirstOrder(self.study)
        new = {
            target: RankedTarget(
                sources=tuple(t for t in TASKS if t != target), of=first.key(target)
            )
            for target in targets
        }
        self.ranking = RankingFile(targets={**self.ranking.targets, **new})


def record(name: str, job: Job, made_at: float, attempt: int) -> JobRecord:
    is_ranking = job.kind == "ranking"
    return JobRecord(
        namespace="n",
        name=name,
        uid=f"{name}-{made_at}",
        study_uid=OWNER.uid,
        stage="ranking" if is_ranking else "any",
        digests=",".join(job.targets if is_ranking else job.digests),
        attempt=attempt,
        ended="",
        reason="",
        message="",
        is_suspended=False,
        ready=1,
        failed=0,
        pods=1,
        gpus=1,
        made_at=made_at,
        started_at=made_at,
        ended_at=0.0,
    )


def known(memory: Memory, now: float) -> object:
    """Return everything that what happens next depends on."""
    states = {
        node.digest: (node.state, 0 if node.state in ("done", "failed") else node.attempts.crashes)
        for node in memory.plan.nodes()
    }
    status = status_of(memory, now)
    settled = [(s.name, s.done_indexes, s.failed_indexes, s.tried, s.total) for s in status.stages]
    return states, settled, status.trials, set(memory.jobs.live), set(memory.plan.unranked())


@pytest.mark.parametrize("pack", [1, 5])
@pytest.mark.parametrize("seed", range(12))
def test_a_restart_at_any_moment_changes_nothing(seed: int, pack: int) -> None:
    draw, world = random.Random(seed), World(study_of(), pack)
    ended_as = {1: "BackoffLimitExceeded", 64: "PodFailurePolicy", 137: "BackoffLimitExceeded"}
    for _ in range(400):
        world.now += 10.0
        world.start()
        live = world.live()
        assert len(live) <= 7
        for name in draw.sample(live, min(len(live), draw.randint(0, 4))):
            what = draw.random()
            lone = len(world.records[name].names) == 1 and not world.records[name].is_ranking
            if what < 0.75:
                world.succeed(name)
            elif what < 0.85:
                world.delete(name)  # by hand, or an eviction of the whole Job
            elif what < 0.9 and lone and world.records[name].attempt == 0:
                world.change(name, failed=1)  # one of the attempts it may make itself
            elif not world.records[name].is_ranking:
                code = draw.choice([1, 64, 137])
                world.fail(name, ended_as[code], PodEnd(code, "Error", "boom"), failed=2)
        world.write()
        if draw.random() < 0.3:
            for name, each in list(world.records.items()):  # cleaned up after their end
                if each.ended == "succeeded" and draw.random() < 0.5:
                    del world.records[name]
                    world.memory.lost_job(name, world.now)
        if draw.random() < 0.5:
            fresh = world.fresh()
            assert known(fresh, world.now) == known(world.memory, world.now)
            world.memory = fresh
        if world.memory.plan.is_over():
            break
    assert world.memory.plan.is_over()
    assert world.status.completion_time is not None
    total = world.status.trials
    assert total.done + total.failed + total.blocked == total.total


def test_each_trial_is_made_once_when_all_goes_well() -> None:
    world = World(study_of())
    made: list[str] = []
    for _ in range(100):
        made += world.start()
        for name in world.live():
            world.succeed(name)
        world.write()
    trained = [name for name in made if "ranking" not in name]
    assert len(trained) == len(set(trained)) == world.status.trials.total
    # 4 own, 4 from scratch, 4 best guesses, 4 · 4 of order 1, 4 · (3 over 2) of order 2
    assert world.status.trials.total == 4 + 4 + 4 + 16 + 12
    assert world.status.stage == "Completed"


def test_failed_attempts_outlive_their_job() -> None:
    world = World(study_of(**{"spec.retries": 2}))
    name = world.start()[0]
    world.change(name, failed=2)
    world.write()
    world.delete(name)
    world.memory = world.fresh()
    (again,) = [job for job in world.start() if job == name]
    assert world.records[again].attempt == 2
    world.fail(again, "BackoffLimitExceeded", PodEnd(1, "Error", "boom"), failed=1)
    world.write()
    assert world.status.trials.failed == 1
    assert world.status.failures[0].reason == "RetriesUsed"
    assert world.status.failures[0].message == "ended with exit code 1: boom"


def test_a_failed_encoder_blocks_its_readers_and_the_rest_ends() -> None:
    world = World(study_of())
    for _ in range(60):
        for name in world.start():
            node = (
                world.memory.plan.node(world.records[name].names[0])
                if name in world.records
                else None
            )
            is_normals = node is not None and node.trial.target.id == "normals"
            if is_normals and node is not None and node.stage == "task-specific":
                words = LastWords.of(
                    world.records[name].names,
                    set(),
                    {node.digest: FailedTrial(code=64, reason="no label of normals")},
                )
                world.fail(name, "PodFailurePolicy", PodEnd(64, "Error", words.text()))
        for name in world.live():
            world.succeed(name)
        world.now += 10
        world.write()
    status = world.status
    first, second = status.failures[:2]
    assert (first.reason, first.exit_code, first.message) == ("BadTrial", 64, "no label of normals")
    assert second.reason == "BlockedBy"
    assert "task-specific normals" in second.message
    assert "no label of normals" in second.message
    said = {each.type: (each.status, each.reason) for each in status.conditions}
    assert said["Completed"] == ("True", "AllSettled")
    assert said["Degraded"] == ("True", "TrialsFailed")
    assert status.trials.blocked > 0
    assert status.trials.done + status.trials.failed + status.trials.blocked == status.trials.total


def test_gpu_hours_end_what_starts() -> None:
    world = World(study_of(**{"spec.gpuHours": 1.0}))
    assert len(world.start()) == 7
    world.now += 3_600 / 7 + 1
    world.write()
    for name in world.live():
        world.succeed(name)
    assert world.start() == []
    world.write()
    said = {each.type: (each.status, each.reason) for each in world.status.conditions}
    assert said["Progressing"] == ("False", "GpuHoursUsed")
    assert said["Completed"][0] == "False"


def test_a_study_that_is_suspended_starts_nothing() -> None:
    world = World(study_of(**{"spec.suspend": True}))
    assert world.start() == []
    world.write()
    said = {each.type: (each.status, each.reason) for each in world.status.conditions}
    assert said["Suspended"] == ("True", "Asked")


def test_a_ranking_that_does_not_say_what_it_was_asked_is_made_again_and_then_given_up() -> None:
    world = World(study_of(**{"spec.retries": 0}))
    for _ in range(40):
        world.start()
        for name in world.live():
            if world.records[name].is_ranking:
                world.change(name, ended="succeeded", ended_at=world.now)
                world.memory.saw_ranking(RankingFile(), world.now)
                del world.records[name]
                world.memory.lost_job(name, world.now)
            else:
                world.succeed(name)
        world.now += 400
    world.write()
    assert world.status.completion_time is not None
    assert world.status.trials.blocked == 12
    assert "left no ranking" in world.status.failures[0].message


def a_large_study() -> Memory:
    study = study_of(
        **{
            "spec.tasks.subset": [],
            "spec.transfers.orders": [1, 2],
            "spec.transfers.candidates": "exhaustive",
            "spec.parallelism": 5_000,
        }
    )
    return Memory(study, OWNER, 1, StudyStatus(), most_in_pack=1, now=0.0, ticks=float)


@pytest.mark.slow  # thousands of trials
def test_the_status_of_a_study_of_any_size_is_small() -> None:
    """The worst there is: every other of as many as may be under way at once is done."""
    memory = a_large_study()
    names = [node.digest for node in memory.plan.nodes()]
    for place, name in enumerate(names):
        if place < 2_000 or (place < 7_000 and place % 2):
            memory.saw_result(name)
    status = status_of(memory, 1.0)
    assert len(status.model_dump_json(by_alias=True)) < 32 * 1024
    told = status_of(
        Memory(memory.study, OWNER, 1, status, most_in_pack=1, now=0.0, ticks=float), 1.0
    )
    assert told.trials.done == status.trials.done == 4_500


@pytest.mark.slow  # thousands of trials
def test_a_status_that_would_be_too_long_forgets_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten is started again, finds its result, and ends at once."""
    monkeypatch.setattr(cluster_status, "MAX_RANGES", 200)
    memory = a_large_study()
    for node in memory.plan.nodes()[::2]:
        memory.saw_result(node.digest)
    status = status_of(memory, 1.0)
    told = Memory(memory.study, OWNER, 1, status, most_in_pack=1, now=0.0, ticks=float)
    done = {node.digest for node in told.plan.nodes() if node.state == "done"}
    assert len(done) > 100
    assert done < {node.digest for node in memory.plan.nodes() if node.state == "done"}


def test_a_status_is_made_without_a_look_at_every_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a write costs must not grow with the study, once a trial of it has failed."""
    memory = a_large_study()
    for node in [each for each in memory.plan.nodes() if each.stage == "scratch"][:3]:
        memory.plan.saw_end(node.digest, End(code=64, reason="no label"), 0.0)
        memory.ledger.failed(node.digest)
    monkeypatch.setattr(Plan, "nodes", None)
    status = status_of(memory, 1.0)
    assert [each.message for each in status.failures] == ["no label"] * 3
    assert status.trials.failed == 3
