"""The images a target is judged on: settled by the first results together, then kept."""

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pytest
from trial_results import Artifacts, held_out, trials_of

from taskonomy_catalogue.records import BestGuess
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_warehouse.load.heldout import JURY
from taskonomy_warehouse.load.loading import Loaded

Load = Callable[..., Loaded]
Connection = duckdb.DuckDBPyConnection
Ids = np.ndarray[Any, np.dtype[np.uint64]]

FULL = held_out("normals", 50)
SHORT = FULL[:40]
OTHER = held_out("another split", 50)
TWINS = np.concatenate([FULL[:49], FULL[:1]])


def of_normals(study: Study) -> list[Trial | BestGuess]:
    """The results of one target, in the order that a load takes them."""
    return sorted((t for t in trials_of(study) if t.target.id == "normals"), key=digest)


def left(artifacts: Artifacts, trials: list[Trial | BestGuess], *sets: Ids) -> None:
    for trial, ids in zip(trials, sets, strict=False):
        artifacts.leave(trial, ids=ids)


def images(connection: Connection) -> list[int]:
    rows = connection.execute("SELECT image_id FROM heldout_image WHERE target = 'normals'")
    return [image for (image,) in rows.fetchall()]


SETTLED: dict[str, tuple[list[Ids], Ids, int]] = {
    "all agree": ([FULL] * 8, FULL, 0),
    "the first is short": ([SHORT] + [FULL] * 7, FULL, 1),
    "two of five are short": ([SHORT, FULL, SHORT, FULL, FULL, FULL], FULL, 2),
    "a tie goes to the larger set": ([SHORT, SHORT, FULL, FULL], FULL, 2),
    "each has its own: the larger": ([SHORT, FULL], FULL, 1),
    "twins have no vote": ([TWINS, TWINS, TWINS, FULL], FULL, 3),
    "however many there are": ([TWINS] * (JURY + 1) + [SHORT, FULL, FULL], FULL, JURY + 2),
    "later ones are too late": ([FULL] * JURY + [OTHER] * 3, FULL, 3),
    "most are short, and right": ([FULL] + [SHORT] * 4, SHORT, 1),
}


@pytest.mark.parametrize(("sets", "chosen", "refused"), SETTLED.values(), ids=SETTLED.keys())
def test_the_set_is_settled_by_the_first_results(
    sets: list[Ids],
    chosen: Ids,
    refused: int,
    connection: Connection,
    artifacts: Artifacts,
    study: Study,
    loaded: Load,
) -> None:
    left(artifacts, of_normals(study), *sets)
    done = loaded()
    assert images(connection) == sorted(chosen.tolist())
    assert (len(done.refusals), done.trials) == (refused, len(sets) - refused)
    assert {r.reason for r in done.refusals} <= {"other-images", "duplicate-image"}


def test_once_settled_it_stays(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trials = of_normals(study)
    artifacts.leave(trials[-1], ids=SHORT)
    loaded()
    left(artifacts, trials[:-1], *[FULL] * 7)
    done = loaded()
    assert {refusal.reason for refusal in done.refusals} == {"other-images"}
    assert "if the set itself is wrong, `taskonomyctl load --rebuild`" in done.refusals[0].detail
    assert images(connection) == sorted(SHORT.tolist())


def test_nothing_sound_settles_nothing(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    left(artifacts, of_normals(study), TWINS, TWINS)
    assert [refusal.reason for refusal in loaded().refusals] == ["duplicate-image"] * 2
    assert images(connection) == []


def test_targets_have_sets_of_their_own(
    connection: Connection, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    artifacts.leave_all(study)
    loaded()
    rows = connection.execute("SELECT target, image_id FROM heldout_image").fetchall()
    assert sorted(rows) == sorted(
        (target.id, image) for target in study.targets() for image in held_out(target.id, 50)
    )


SKIPPED: dict[str, tuple[Ids, int, bool]] = {
    "as many are missing as were skipped": (FULL[:47], 3, True),
    "more are missing": (FULL[:46], 3, False),
    "fewer are missing": (FULL[:48], 3, False),
    "one is of another split": (np.append(FULL[:47], OTHER[:1]), 3, False),
    "skipped, and yet all there": (FULL, 3, True),
}


@pytest.mark.parametrize(("ids", "skipped", "taken"), SKIPPED.values(), ids=SKIPPED.keys())
def test_images_that_could_not_be_read(
    ids: Ids, skipped: int, taken: bool, artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    *others, last = of_normals(study)
    left(artifacts, others, *[FULL] * len(others))
    artifacts.leave(last, ids=ids, skipped=skipped)
    assert [r.digest for r in loaded().refusals] == ([] if taken else [digest(last)])


def test_the_order_of_rows_does_not_matter(
    artifacts: Artifacts, study: Study, loaded: Load
) -> None:
    trials = of_normals(study)
    left(artifacts, trials, FULL, FULL[::-1], np.roll(FULL, 7))
    assert loaded().refusals == ()
