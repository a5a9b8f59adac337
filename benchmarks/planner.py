"""What planning costs: from a study to its trials, and per event as the finished ones grow.

    python benchmarks/planner.py > planner.json

Baseline, in the same run: enumerating and digesting the same trials, which no planner can do
without. An event is a result that comes in and the question what to start next; its cost is shown
over the first, the middle and the last tenth of a study's events.
"""

import json
import platform
import statistics
import sys
import time
import tracemalloc

from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import digest
from taskonomy_operator.plan import Plan

SLOTS = 8
"""Jobs at once."""


def main() -> None:
    """Measure studies of 26 and of 100 tasks and print the figures."""
    figures = {
        "python": platform.python_version(),
        "slots": SLOTS,
        "paper26": measure(study_of(26)),
        "custom100": measure(study_of(100)),
    }
    json.dump(figures, sys.stdout, indent=1)
    print()


def study_of(tasks: int) -> Study:
    """Return a study of the paper's tasks, and of copies of them up to a number."""
    own = [task.model_dump(mode="json", exclude_unset=True) for task in paper_dictionary()]
    copies = [
        task | {"id": f"{task['id']}-{number}", "published": None, "title": f"{number}"}
        for number in range(1, 5)
        for task in own
        if task["loss"] != "none"
    ]
    custom = {"dictionary": "inline", "custom": (own + copies)[:tasks]}
    return parse_study(
        {
            "apiVersion": "taskonomy.dev/v1alpha1",
            "kind": "Study",
            "metadata": {"name": f"tasks{tasks}"},
            "spec": {"data": {"dataset": "d"}} | ({"tasks": custom} if tasks != 26 else {}),
        },
        origin="benchmark",
    )


def measure(study: Study) -> dict[str, object]:
    """Return the figures of one study, planned and driven to its end."""
    ranking = {t.id: [s.id for s in study.sources()] for t in study.targets()}
    begun = time.perf_counter()
    trials = sum(1 for trial in enumerate_trials(study, ranking) if digest(trial))
    baseline = time.perf_counter() - begun
    begun = time.perf_counter()
    plan = Plan(study)
    planned = time.perf_counter() - begun
    events = drive(plan, ranking)
    tenth = len(events) // 10
    middle = events[len(events) // 2 :][:tenth]
    first, last = statistics.mean(events[:tenth]), statistics.mean(events[-tenth:])
    return {
        "trials": trials,
        "baseline_enumerate_seconds": round(baseline, 3),
        "plan_seconds": round(planned, 3),
        "whole_run_seconds": round(sum(events), 3),
        "whole_run_over_baseline": round((planned + sum(events)) / baseline, 2),
        "event_ms_first_tenth": round(first * 1e3, 3),
        "event_ms_middle_tenth": round(statistics.mean(middle) * 1e3, 3),
        "event_ms_last_tenth": round(last * 1e3, 3),
        "last_over_first": round(last / first, 2),
        "megabytes": round(megabytes(study), 1),
    }


def drive(plan: Plan, ranking: dict[str, list[str]]) -> list[float]:
    """Finish a plan one trial after another; return the seconds each event took."""
    events: list[float] = []
    running: list[str] = []
    jobs = 0
    while not plan.is_over():
        begun = time.perf_counter()
        for job in plan.next_jobs(SLOTS - jobs, 0.0):
            plan.saw_start(job)
            if job.kind == "ranking":
                plan.saw_ranking({target: ranking[target] for target in job.targets})
                plan.saw_ranking_end(None, 0.0)
            running += job.digests
        for name in running[:1]:
            plan.saw_result(name)
        running = running[1:]
        jobs = SLOTS - 1 if running else 0
        events.append(time.perf_counter() - begun)
    return events


def megabytes(study: Study) -> float:
    """Return what a plan of the study holds in memory before any target is ranked."""
    tracemalloc.start()
    plan = Plan(study)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 1e6 if plan.nodes() else 0.0


if __name__ == "__main__":
    main()
