"""Trials trained in the small world, and what they left."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file
from small_world import World

from taskonomy_catalogue.launch import trials_text
from taskonomy_catalogue.records import BestGuess, Result, parse_result
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs import packing, stacking
from taskonomy_jobs.job import Stopped
from taskonomy_jobs.settings import Settings
from taskonomy_jobs.train import train

Left = tuple[dict[str, np.ndarray[Any, Any]], list[Any], list[Any], Result]


def of_kind(
    study: Study, kind: str, target: str | None = None, order: int | None = None
) -> list[Trial]:
    return [
        trial
        for trial in enumerate_trials(study)
        if trial.kind == kind
        and (target is None or trial.target.id == target)
        and (order is None or trial.order == order)
    ]


def run(
    world: World,
    tmp_path: Path,
    trials: Sequence[Trial | BestGuess],
    settings: Settings | None = None,
    stop_after: int | None = None,
) -> int | str:
    """Train; return the exit code, or "stopped" if it was told to after so many steps."""
    path = tmp_path / "trials.jsonl"
    path.write_text(trials_text(trials))
    job = world.job(path, settings)
    if stop_after is None:
        return train(job)
    taken = 0
    way = stacking.Stacked if settings and settings.stacked == "yes" else packing.OneByOne
    step: Any = way.step

    def counting(*arguments: Any) -> None:
        nonlocal taken
        step(*arguments)
        taken += 1
        job.stop.is_given = taken >= stop_after

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(way, "step", counting)
        with pytest.raises(Stopped):
            train(job)
    return "stopped"


def left(world: World, trial: Trial) -> Left:
    """What a trial left: its weights, curve and losses, and its result."""
    folder = world.root / digest(trial)
    return (
        load_file(folder / "weights.safetensors"),
        pq.read_table(folder / "curve.parquet").to_pylist(),
        pq.read_table(folder / "losses.parquet").to_pylist(),
        parse_result((folder / "result.json").read_bytes(), "result.json"),
    )


def assert_same(first: Left, second: Left) -> None:
    """Bit for bit, but for times and the seconds used."""
    assert first[0].keys() == second[0].keys()
    for name in first[0]:
        assert np.array_equal(first[0][name], second[0][name]), name
    assert first[1:3] == second[1:3]
    assert first[3].mean_loss == second[3].mean_loss


def events(text: str, name: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [event for event in found if event["event"] == name]


def anew(world: World, name: str) -> World:
    """The same world with another artifact root."""
    return replace(world, root=world.root.parent / name)
