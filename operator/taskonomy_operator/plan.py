"""What a study still has to train, and what can start now: one planner for laptop and cluster.

A `Plan` is made from a study and told facts, one at a time: a result is there, a job started, an
attempt ended, targets were ranked. It answers what to start next, what waits for what, what is
blocked and why. It reads no clock and no file and starts nothing; whoever acts tells it what came
of it. A fact costs what depends on that one trial, however many are finished.

Dependencies are per trial: a transfer starts when its encoders exist, whatever else of an earlier
stage is still to come. Trials are known by digest, so a result counts whoever left it there.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush, nsmallest
from itertools import chain, islice

from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import Ranking, transfer_trials
from taskonomy_catalogue.trials import digest, upstream
from taskonomy_operator.asked import (
    Measured,
    PlanStage,
    asked_trials,
    higher_order_of,
    needs_ranking,
    stage_of,
)
from taskonomy_operator.names import job_name, ranking_name
from taskonomy_operator.packing import DEFAULT_PACK, Group, group_of, pack_sizes
from taskonomy_operator.plan_parts import SETTLED, Job, Node, State
from taskonomy_operator.retries import Attempts, End


class Plan:
    """The trials of a study (or of one stage and what that needs), and where each stands."""

    def __init__(
        self, study: Study, *, stage: PlanStage | None = None, most_in_pack: int = DEFAULT_PACK
    ) -> None:
        self.study = study
        self.ranking_attempts = Attempts()
        self._most_in_pack = most_in_pack
        self._nodes: dict[str, Node] = {}
        self._by_place: list[Node] = []
        self._counts: Counter[tuple[PlanStage, State]] = Counter()
        self._ready: defaultdict[Group, set[int]] = defaultdict(set)
        self._waiting: Counter[Group] = Counter()
        self._resting: list[tuple[float, str]] = []
        self._unsettled: Counter[str] = Counter()
        self._lost: dict[State, list[int]] = {"failed": [], "blocked": []}
        self._unranked = higher_order_of(study) if needs_ranking(study, stage) else {}
        self._ranking_rests_until: float | None = 0.0
        self._is_ranking = False
        self._add(asked_trials(study, stage))

    # --- facts ---------------------------------------------------------------------------------

    def saw_result(self, name: str) -> None:
        """A trial's `result.json` is there; trials of others are passed over."""
        node = self._nodes.get(name)
        if node is not None and node.state != "done":
            self._move(node, "done")
            self._look_again(node.downstream)

    def saw_start(self, job: Job) -> None:
        """A job was started, or is found to run."""
        if job.kind == "ranking":
            self._is_ranking = True
        for name in job.digests:
            if name in self._nodes and self._nodes[name].state != "done":
                self._move(self._nodes[name], "running")

    def saw_end(self, name: str, end: End, now: float) -> None:
        """An attempt at a trial is over and left no result.

        Args:
            name: the trial's digest.
            end: how it ended.
            now: seconds on the clock that `next_jobs` is asked by.
        """
        node = self._nodes.get(name)
        if node is None or node.state == "done":
            return
        self._attempted(node, node.attempts.after(end))
        self._settle(node, now)

    def saw_attempts(self, name: str, attempts: Attempts, now: float) -> None:
        """So much is known of the attempts at a trial, and none is under way.

        What a Job counted itself, or another process wrote down, takes the place of what was known.
        """
        node = self._nodes.get(name)
        if node is None or node.state == "done":
            return
        self._attempted(node, attempts)
        self._settle(node, now)

    def saw_ranking(self, ranking: Ranking) -> list[str]:
        """Targets are ranked: return the digests of the transfers that are asked for on top.

        A target that was ranked before keeps its transfers.

        Raises:
            SettingRefused: the ranking names a source that is not the study's, or one twice.
        """
        new = {target: ranking[target] for target in ranking if target in self._unranked}
        orders = [order for order in self.study.spec.transfers.orders if order > 1]
        # listed whole before anything changes: a ranking may name what the study has not
        trials = [trial for order in orders for trial in transfer_trials(self.study, order, new)]
        for target in new:
            del self._unranked[target]
        return self._add(trials)

    def saw_ranking_end(self, end: End | None, now: float) -> None:
        """The ranking job is over; None: it did what it was asked (`saw_ranking` says what)."""
        self._is_ranking = False
        if end is None:
            self.ranking_attempts = Attempts()
            return
        self.ranking_attempts = self.ranking_attempts.after(end)
        again = self.ranking_attempts.verdict(self.study.spec.retries) == "again"
        self._ranking_rests_until = now + self.ranking_attempts.wait() if again else None

    def forgive(self) -> None:
        """Failures so far do not count: what failed is tried again."""
        self.ranking_attempts, self._ranking_rests_until = Attempts(), 0.0
        for node in self._by_place:
            self._attempted(node, Attempts())
        for node in self._by_place:
            if node.state in ("failed", "resting", "blocked"):
                self._open(node)

    def hold(self, name: str) -> None:
        """A trial may not start for now: an earlier job of it is still there."""
        node = self._nodes.get(name)
        if node is not None:
            node.is_held = True
            self._look_again([name])

    def release(self, name: str) -> None:
        """No earlier job of a trial is left."""
        node = self._nodes.get(name)
        if node is not None and node.is_held:
            node.is_held = False
            self._look_again([name])

    # --- questions -----------------------------------------------------------------------------

    def next_jobs(self, free: int, now: float) -> list[Job]:
        """Return the jobs to start, at most `free`; nothing changes until `saw_start`.

        A ranking goes first, as trials wait for it; then packs that are complete, earlier stages
        before later; then packs that trials still under way would make larger.

        Args:
            free: how many jobs there is room for.
            now: seconds on any clock, the same one always.
        """
        self._wake(now)
        jobs = self._next_ranking(now)[:free]
        groups = sorted(filter(self._ready.get, self._ready), key=self._precedence)
        for group in groups:
            for members in self._packs(group, free, share=free // len(groups)):
                if len(jobs) >= free:
                    return jobs
                names = tuple(self._by_place[place].digest for place in members)
                jobs.append(Job(job_name(self.study.name, names), "train", names))
        return jobs

    def wakes_at(self) -> float | None:
        """Return when a resting trial is next due; None: none rests."""
        while self._resting and self._nodes[self._resting[0][1]].state != "resting":
            heappop(self._resting)
        rests = [when for when, _ in self._resting[:1]]
        if self._due_targets() and self._ranking_rests_until is not None and not self._is_ranking:
            rests.append(self._ranking_rests_until)
        return min(rests, default=None)

    def is_over(self) -> bool:
        """Return whether nothing runs, and nothing will start any more."""
        moving = sum(n for (_, state), n in self._counts.items() if state not in SETTLED)
        ranking_due = self._due_targets() and self._ranking_rests_until is not None
        return not (moving or self._is_ranking or ranking_due)

    def counts(self) -> dict[PlanStage, Counter[State]]:
        """Return how many trials of each stage are in each state, those still to be listed too."""
        found: dict[PlanStage, Counter[State]] = {}
        for (stage, state), number in self._counts.items():
            if number:
                found.setdefault(stage, Counter())[state] += number
        if to_come := sum(self._unranked.values()):
            never = self._ranking_rests_until is None
            found.setdefault("higher-order", Counter())["blocked" if never else "waiting"] += (
                to_come
            )
        return found

    def nodes(self) -> Sequence[Node]:
        """Return the trials in the order they are started in; not to be changed."""
        return self._by_place

    def node(self, name: str) -> Node | None:
        """Return the trial of a digest; None: the plan has none."""
        return self._nodes.get(name)

    def lost(self, most: int) -> list[Node]:
        """Return the first trials that were given up, then the first that wait for these."""
        places = islice(chain(self._lost["failed"], self._lost["blocked"]), most)
        return [self._by_place[place] for place in places]

    def unranked(self) -> Mapping[str, int]:
        """Return the targets still to be ranked, each with the transfers that follow from it."""
        return self._unranked

    def why(self, node: Node) -> str:
        """Return why a trial is where it is, in words; empty where there is nothing to say."""
        if node.state == "waiting":
            missing = [self._nodes[n] for n in node.upstream if self._nodes[n].state != "done"]
            return f"waits for {', '.join(each.trial.target.id for each in missing)}"
        if node.state == "blocked":
            culprit = next(filter(self._is_lost, map(self._nodes.__getitem__, node.upstream)))
            return f"needs {culprit.trial.title}, which {culprit.attempts.why() or 'is blocked'}"
        if node.state == "resting" and node.is_held:
            return "waits until its earlier job is gone"
        if node.state in ("failed", "resting"):
            return node.attempts.why()
        return ""

    # --- how it is kept ------------------------------------------------------------------------

    def _add(self, trials: Iterable[Measured]) -> list[str]:
        """Take trials in, encoders before what reads them; return the digests that are new."""
        added = []
        for trial in trials:
            name = digest(trial)
            if name in self._nodes:
                continue
            waits_for = upstream(trial) if trial.kind == "transfer" else ()
            group = group_of(trial, self._most_in_pack)
            node = Node(name, trial, stage_of(trial), len(self._by_place), waits_for, group)
            self._nodes[name] = node
            self._by_place.append(node)
            for encoder in waits_for:
                self._nodes[encoder].downstream.append(name)
            if node.stage == "first-order":
                self._unsettled[trial.target.id] += 1
            self._counts[node.stage, node.state] += 1
            self._waiting[group] += 1
            self._open(node)
            added.append(name)
        return added

    def _open(self, node: Node) -> None:
        """Put a trial that neither runs nor is done where its encoders let it be."""
        encoders = [self._nodes[name] for name in node.upstream]
        if any(map(self._is_lost, encoders)):
            self._move(node, "blocked")
        elif node.is_held:
            self._move(node, "resting")
        elif all(encoder.state == "done" for encoder in encoders):
            self._move(node, "ready")
        else:
            self._move(node, "waiting")

    def _look_again(self, names: Iterable[str]) -> None:
        for name in names:
            if self._nodes[name].state in ("waiting", "ready", "resting", "blocked"):
                self._open(self._nodes[name])

    def _attempted(self, node: Node, attempts: Attempts) -> None:
        """Keep what is known of a trial's attempts, and with it what it may share a job with."""
        state = node.state
        self._ready[node.group].discard(node.place)
        self._waiting[node.group] -= state == "waiting"
        node.attempts = attempts
        node.group = group_of(node.trial, self._most_in_pack, attempts.halvings)
        self._waiting[node.group] += state == "waiting"
        if state == "ready":
            self._ready[node.group].add(node.place)

    def _settle(self, node: Node, now: float) -> None:
        """Put a trial whose attempt is over where its attempts let it be."""
        if node.attempts.verdict(self.study.spec.retries) == "never":
            self._move(node, "failed")
        else:
            self._rest(node, now)
        self._look_again(node.downstream)

    def _rest(self, node: Node, now: float) -> None:
        wait = node.attempts.wait()
        if wait:
            self._move(node, "resting")
            heappush(self._resting, (now + wait, node.digest))
        else:
            self._open(node)

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            _, name = heappop(self._resting)
            if self._nodes[name].state == "resting":
                self._open(self._nodes[name])

    def _move(self, node: Node, state: State) -> None:
        """Change a trial's state, and every index that goes by it."""
        before = node.state
        self._ready[node.group].discard(node.place)
        self._waiting[node.group] -= before == "waiting"
        self._counts[node.stage, before] -= 1
        self._counts[node.stage, state] += 1
        if node.stage == "first-order":
            settles = (state in SETTLED) - (before in SETTLED)
            self._unsettled[node.trial.target.id] -= settles
        if before in self._lost:
            del self._lost[before][bisect_left(self._lost[before], node.place)]
        if state in self._lost:
            insort(self._lost[state], node.place)
        node.state = state
        self._waiting[node.group] += state == "waiting"
        if state == "ready":
            self._ready[node.group].add(node.place)

    def _next_ranking(self, now: float) -> list[Job]:
        due, rests_until = self._due_targets(), self._ranking_rests_until
        if not due or self._is_ranking or rests_until is None or now < rests_until:
            return []
        return [Job(ranking_name(self.study.name), "ranking", targets=due)]

    def _due_targets(self) -> tuple[str, ...]:
        """Return the targets whose first-order transfers are all there, or never will be."""
        return tuple(target for target in self._unranked if not self._unsettled[target])

    def _precedence(self, group: Group) -> tuple[bool, int]:
        return (group.most > 1 and self._waiting[group] > 0, min(self._ready[group]))

    def _packs(self, group: Group, free: int, share: int) -> Iterator[list[int]]:
        """Yield the places of a group's ready trials, a pack at a time."""
        ready = self._ready[group]
        if group.most == 1:
            yield from ([place] for place in nsmallest(free, ready))
            return
        places = iter(sorted(ready))
        for size in pack_sizes(len(ready), group.most, share):
            yield [next(places) for _ in range(size)]

    @staticmethod
    def _is_lost(node: Node) -> bool:
        return node.state in ("failed", "blocked")
