"""The planner: what starts when, what waits for what, what a failure takes with it."""

import random
from collections import Counter
from collections.abc import Callable
from math import comb
from typing import Any

import pytest
from trial_results import small_study

from taskonomy_catalogue.launch import Exit
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import Trial, digest, upstream
from taskonomy_operator.packing import DEFAULT_PACK
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import Job, Node
from taskonomy_operator.retries import End

PAPER26 = {
    "apiVersion": "taskonomy.dev/v1alpha1",
    "kind": "Study",
    "metadata": {"name": "paper26"},
    "spec": {"data": {"dataset": "d"}},
}
CRASH, BAD = End(code=1), End(code=64, reason="no such label")


def titles(plan: Plan, jobs: Any) -> Any:
    return [sorted(at(plan, name).trial.title for name in job.digests) for job in jobs]


def at(plan: Plan, name: str) -> Node:
    node = plan.node(name)
    assert node is not None
    return node


def states(plan: Plan) -> Any:
    return {stage: dict(each) for stage, each in plan.counts().items()}


def named(plan: Plan, title: str) -> Any:
    (node,) = (node for node in plan.nodes() if node.trial.title == title)
    return node


def finish(plan: Plan, *wanted: Any) -> None:
    for title in wanted:
        plan.saw_result(named(plan, title).digest)


def best_first(study: Study) -> Any:
    """A ranking of every target, sources in dictionary order."""
    sources = [source.id for source in study.sources()]
    return {target.id: sources for target in study.targets()}


def run_to_the_end(plan: Plan, *, free: Any = 3) -> Any:
    """Start jobs and finish them until nothing is left; return them in order."""
    started: list[Job] = []
    now = 0.0
    for _ in range(100_000):
        if plan.is_over():
            return started
        jobs = plan.next_jobs(free, now)
        assert jobs or plan.wakes_at() is not None, "nothing starts, nothing rests, not over"
        now = now if jobs else plan.wakes_at() or now
        for job in jobs:
            plan.saw_start(job)
        started += jobs
        for job in jobs:
            if job.kind == "ranking":
                plan.saw_ranking({t: best_first(plan.study)[t] for t in job.targets})
                plan.saw_ranking_end(None, now)
            for name in job.digests:
                plan.saw_result(name)
    raise AssertionError("it never ends")


def lost(plan: Plan) -> list[Node]:
    """Return what a plan's trials say of what will get no result, given up before blocked."""
    return [n for state in ("failed", "blocked") for n in plan.nodes() if n.state == state]


# --- what is asked -----------------------------------------------------------------------------


def test_the_papers_study_has_the_trials_that_combinatorics_say() -> None:
    """26 tasks: all but random projections are trained; 4 of them are sources only."""
    study = parse_study(PAPER26, origin="paper26")
    tasks = paper_dictionary()
    targets = sum(task.may_be_target for task in tasks)
    higher = targets * (comb(5, 2) + comb(5, 3) + comb(6, 4))
    expected = {
        "task-specific": 25,
        "scratch": 22,
        "best-guess": 22,
        "first-order": 22 * 26,
        "higher-order": higher,
    }
    plan = Plan(study)
    assert (targets, higher) == (22, 770)
    assert {stage: each.total() for stage, each in plan.counts().items()} == expected
    plan.saw_ranking(best_first(study))
    assert Counter(node.stage for node in plan.nodes()) == expected
    assert {n.digest for n in plan.nodes() if n.stage != "best-guess"} == {
        digest(trial) for trial in enumerate_trials(study, best_first(study))
    }


def test_the_papers_study_runs_to_its_end() -> None:
    plan = Plan(parse_study(PAPER26, origin="paper26"))
    jobs = run_to_the_end(plan)
    trained = Counter(name for job in jobs for name in job.digests)
    assert set(trained.values()) == {1}
    assert len(trained) == 25 + 22 + 22 + 22 * 26 + 770
    assert max(len(job.digests) for job in jobs) <= DEFAULT_PACK
    assert all(set(each) == {"done"} for each in plan.counts().values())


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("task-specific", {"task-specific": 3}),
        ("scratch", {"scratch": 3, "best-guess": 3}),
        ("first-order", {"task-specific": 3, "first-order": 12}),
        ("higher-order", {"task-specific": 3, "first-order": 12, "higher-order": 9}),
    ],
)
def test_a_stage_is_asked_for_with_what_it_needs_and_no_more(
    study: Callable[..., Study], stage: Any, expected: Any
) -> None:
    plan = Plan(study(), stage=stage)
    run_to_the_end(plan)
    assert states(plan) == {name: {"done": number} for name, number in expected.items()}


def test_a_target_that_is_no_source_is_not_trained_for_transfers(
    study: Callable[..., Study],
) -> None:
    roles = {"subset": ["normals", "reshading", "curvature"], "targetOnly": ["curvature"]}
    plan = Plan(study(tasks=roles, transfers={"orders": [1]}), stage="first-order")
    assert "task-specific curvature" not in {node.trial.title for node in plan.nodes()}
    assert states(plan) == {"task-specific": {"ready": 2}, "first-order": {"waiting": 6}}


# --- order -------------------------------------------------------------------------------------


def test_encoders_come_first_and_a_transfer_starts_when_its_own_exist(
    study: Callable[..., Study],
) -> None:
    plan = Plan(study(transfers={"orders": [1]}))
    assert titles(plan, plan.next_jobs(3, 0)) == [
        ["task-specific curvature"],
        ["task-specific normals"],
        ["task-specific reshading"],
    ]
    finish(plan, "task-specific normals")
    ready = {node.trial.title for node in plan.nodes() if node.state == "ready"}
    assert "transfer normals → curvature" in ready
    assert "transfer reshading → curvature" not in ready


def test_random_projections_are_waited_for_by_nobody(study: Callable[..., Study]) -> None:
    plan = Plan(study(transfers={"orders": [1]}))
    assert named(plan, "transfer random → normals").state == "ready"


def test_a_question_changes_nothing_until_something_is_started(study: Callable[..., Study]) -> None:
    plan = Plan(study())
    assert plan.next_jobs(2, 0) == plan.next_jobs(2, 0)
    plan.saw_start(plan.next_jobs(2, 0)[0])
    assert titles(plan, plan.next_jobs(2, 0))[0] == ["task-specific normals"]


def test_transfers_to_one_target_share_a_job_once_none_of_them_waits(
    study: Callable[..., Study],
) -> None:
    plan = Plan(study(transfers={"orders": [1]}))
    kinds = ("task-specific", "scratch")
    finish(plan, *(f"{kind} {t}" for kind in kinds for t in ("normals", "reshading", "curvature")))
    guesses, *packs = titles(plan, plan.next_jobs(4, 0))
    assert [len(guesses), *map(len, packs)] == [3, 4, 4, 4]
    assert {title.split(" → ")[1] for title in packs[0]} == {"curvature"}


def test_packs_that_would_grow_go_last_but_no_slot_stands_idle(study: Callable[..., Study]) -> None:
    plan = Plan(study(transfers={"orders": [1]}))
    finish(plan, "task-specific normals", "task-specific reshading")
    plan.saw_start(plan.next_jobs(1, 0)[0])  # the third, which a transfer to each target waits for
    scratch, guesses, packs = (titles(plan, plan.next_jobs(9, 0))[i:j] for i, j in SPANS)
    assert scratch == [["scratch curvature"], ["scratch normals"], ["scratch reshading"]]
    assert [len(each) for each in guesses] == [3]
    assert [len(each) for each in packs] == [3, 3, 3]
    assert "transfer curvature → normals" not in packs[1]


SPANS = ((0, 3), (3, 4), (4, 9))


def test_without_packs_every_trial_has_a_job_of_its_own(study: Callable[..., Study]) -> None:
    plan = Plan(study(), most_in_pack=1)
    assert all(len(job.digests) <= 1 for job in run_to_the_end(plan))


def test_a_result_counts_whoever_left_it(study: Callable[..., Study]) -> None:
    plan = Plan(study(transfers={"orders": [1]}))
    for node in plan.nodes():
        plan.saw_result(node.digest)
    plan.saw_result("0" * 64)  # another study's
    assert plan.is_over()
    assert plan.next_jobs(9, 0) == []


# --- higher orders -----------------------------------------------------------------------------


def test_a_target_is_ranked_once_its_first_order_transfers_are_settled(
    study: Callable[..., Study],
) -> None:
    plan = Plan(study())
    finish(plan, *(n.trial.title for n in plan.nodes() if n.stage == "task-specific"))
    sources = ("random", "normals", "reshading", "curvature")
    finish(plan, *(f"transfer {source} → normals" for source in sources[:3]))
    assert not [job for job in plan.next_jobs(99, 0) if job.kind == "ranking"]
    finish(plan, "transfer curvature → normals")
    first = plan.next_jobs(1, 0)[0]
    assert (first.kind, first.name, first.targets) == ("ranking", "rooms-ranking", ("normals",))
    plan.saw_start(first)
    assert not [job for job in plan.next_jobs(99, 0) if job.kind == "ranking"]
    new = plan.saw_ranking({"normals": ["random", "curvature", "reshading"]})
    assert [at(plan, name).trial.title for name in new] == [
        "transfer curvature+random → normals",
        "transfer random+reshading → normals",
        "transfer curvature+reshading → normals",
    ]
    assert all(at(plan, name).state == "ready" for name in new)
    assert plan.saw_ranking({"normals": ["reshading", "curvature"]}) == []  # once and for all


def test_a_failed_ranking_is_tried_again_then_blocks_higher_orders(
    study: Callable[..., Study],
) -> None:
    plan = Plan(study(retries=1))
    for node in list(plan.nodes()):
        plan.saw_result(node.digest)
    for now, wakes in ((0.0, 5.0), (5.0, None)):
        (job,) = plan.next_jobs(2, now)
        plan.saw_start(job)
        plan.saw_ranking_end(End(code=1, reason="no disk"), now)
        assert plan.next_jobs(2, now) == []
        assert plan.wakes_at() == wakes
    assert plan.is_over()
    assert states(plan)["higher-order"] == {"blocked": 9}
    plan.forgive()
    assert plan.next_jobs(2, 9.0)[0].kind == "ranking"


# --- failures ----------------------------------------------------------------------------------


def test_a_bad_trial_blocks_what_needs_it_and_nothing_else(study: Callable[..., Study]) -> None:
    plan = Plan(study())
    plan.saw_end(named(plan, "task-specific normals").digest, BAD, 0)
    assert states(plan)["first-order"] == {"blocked": 3, "ready": 3, "waiting": 6}
    blocked = named(plan, "transfer normals → curvature")
    assert plan.why(blocked) == "needs task-specific normals, which no such label"
    run_to_the_end(plan)
    after = states(plan)
    assert after["task-specific"] == {"done": 2, "failed": 1}
    assert after["first-order"] == {"blocked": 3, "done": 9}
    assert plan.is_over()


def test_a_result_found_later_frees_what_was_blocked(study: Callable[..., Study]) -> None:
    plan = Plan(study())
    plan.saw_end(named(plan, "task-specific normals").digest, BAD, 0)
    finish(plan, "task-specific normals")
    assert named(plan, "transfer normals → curvature").state == "ready"


def test_failures_can_be_forgiven(study: Callable[..., Study]) -> None:
    plan = Plan(study(retries=0))
    plan.saw_end(named(plan, "task-specific normals").digest, CRASH, 0)
    assert states(plan)["task-specific"] == {"failed": 1, "ready": 2}
    plan.forgive()
    assert states(plan)["task-specific"] == {"ready": 3}
    assert states(plan)["first-order"] == {"ready": 3, "waiting": 9}


def test_a_crash_rests_before_it_is_tried_again(study: Callable[..., Study]) -> None:
    plan = Plan(study(retries=1))
    name = named(plan, "task-specific curvature").digest
    plan.saw_start(plan.next_jobs(1, 100.0)[0])
    plan.saw_end(name, CRASH, 100.0)
    assert plan.wakes_at() == 105.0
    assert titles(plan, plan.next_jobs(1, 104.9)) == [["task-specific normals"]]
    assert titles(plan, plan.next_jobs(1, 105.0)) == [["task-specific curvature"]]
    plan.saw_end(name, CRASH, 105.0)
    assert named(plan, "task-specific curvature").state == "failed"


def test_a_crashed_pack_is_halved_until_the_culprit_is_alone(study: Callable[..., Study]) -> None:
    plan = Plan(study(retries=0, transfers={"orders": [1]}), most_in_pack=8)
    culprit = "transfer normals → curvature"

    def ends(node: Any) -> Any:
        pack = next(job for job in running if node.digest in job.digests)
        crashes = culprit in [at(plan, name).trial.title for name in pack.digests]
        return End(code=-9, alone=len(pack.digests) == 1) if crashes else None

    sizes = []
    while not plan.is_over():
        running = plan.next_jobs(9, 0.0)
        for job in running:
            plan.saw_start(job)
        for job in running:
            here = [at(plan, name).trial.title for name in job.digests]
            sizes += [len(here)] if culprit in here else []
            for name in job.digests:
                end = ends(at(plan, name))
                plan.saw_end(name, end, 0.0) if end else plan.saw_result(name)
    assert sizes[-1] == 1
    assert sizes == sorted(sizes, reverse=True)
    assert [n.trial.title for n in plan.nodes() if n.state != "done"] == [culprit]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fails_the_rest_is_trained_once(seed: int) -> None:
    """Random ends and window; checked against rules that do not share the planner's code."""
    draw = random.Random(seed)
    spec: dict[str, Any] = {"transfers": {"orders": [1, 2], "candidates": "paper"}, "retries": 1}
    plan = Plan(small_study(**spec), most_in_pack=draw.choice([1, 2, 8]))
    free, now = draw.randint(1, 4), 0.0
    done: set[str] = set()
    lost: Counter[str] = Counter()
    running: list[Job] = []
    while not plan.is_over():
        for job in plan.next_jobs(free - len(running), now):
            for name in job.digests:
                trial = at(plan, name).trial
                assert name not in done
                assert not any(name in other.digests for other in running)
                assert set(upstream(trial) if isinstance(trial, Trial) else ()) <= done
            plan.saw_start(job)
            running.append(job)
        assert len(running) <= free
        if not running:
            now = plan.wakes_at() or now
            continue
        job = running.pop(draw.randrange(len(running)))
        if job.kind == "ranking":
            plan.saw_ranking({t: best_first(plan.study)[t] for t in job.targets})
            plan.saw_ranking_end(None, now)
        alone = len(job.digests) == 1
        code = draw.choice([0, 0, 0, 1, -9, Exit.TRY_AGAIN, Exit.BAD_TRIAL])
        for name in job.digests:
            if code == 0 or draw.random() < 0.5:
                done.add(name)
                plan.saw_result(name)
            else:
                lost[name] += alone and code in (1, -9)
                plan.saw_end(name, End(code=code, alone=alone), now)
    assert {n.digest for n in plan.nodes() if n.state == "done"} == done
    assert max(lost.values(), default=0) <= 2
    for node in plan.nodes():
        if node.state == "blocked":
            assert any(at(plan, up).state in ("failed", "blocked") for up in node.upstream)
        assert node.state in ("done", "failed", "blocked")


# --- what is lost, and what is held ------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_what_is_lost_is_known_without_looking_at_every_trial(
    study: Callable[..., Study], seed: int
) -> None:
    draw, plan = random.Random(seed), Plan(study(retries=0))
    for _ in range(60):
        name = draw.choice(plan.nodes()).digest
        if draw.random() < 0.5:
            plan.saw_end(name, draw.choice([BAD, CRASH]), 0.0)
        elif draw.random() < 0.1:
            plan.forgive()
        else:
            draw.choice([plan.saw_result, plan.hold, plan.release])(name)
        assert plan.lost(1_000) == lost(plan)
        assert plan.lost(2) == lost(plan)[:2]


def test_a_trial_that_is_held_starts_once_it_is_released(study: Callable[..., Study]) -> None:
    plan = Plan(study())
    node = named(plan, "task-specific normals")
    plan.hold(node.digest)
    assert node.digest not in {name for job in plan.next_jobs(100, 0.0) for name in job.digests}
    assert plan.wakes_at() is None
    assert plan.why(node) == "waits until its earlier job is gone"
    assert not plan.is_over()
    plan.release(node.digest)
    assert node.digest in {name for job in plan.next_jobs(100, 0.0) for name in job.digests}
    plan.hold("unknown")
    plan.release("unknown")
