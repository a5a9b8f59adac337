"""Win rates against three independent truths: plain SQL, brute force and numpy's eigenvectors."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from trained import add_losses, declare_study, make_schema

from taskonomy_warehouse import loss_matrix, win_rates
from taskonomy_warehouse.bootstrap import bootstrap
from taskonomy_warehouse.kernels import count_wins
from taskonomy_warehouse.loss_matrix import place_losses
from taskonomy_warehouse.warehouse import audits, sql, writing
from taskonomy_warehouse.win_rates import update_win_rates

Floats = NDArray[np.float64]


def random_losses(transfers: int, images: int, seed: int, missing: float = 0.0) -> Any:
    """Losses of few distinct values, so that ties are common; some missing."""
    rng = np.random.default_rng(seed)
    losses = rng.integers(0, 6, (transfers, images)).astype(np.float32)
    losses[rng.random(losses.shape) < missing] = np.nan
    return losses


def counted(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.execute("FROM win_rate ORDER BY ALL").fetchall()


def oracle(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.execute(f"FROM ({sql('oracles', 'win_rate')}) ORDER BY ALL").fetchall()


# --- counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_kernel_agrees_with_the_plain_sql_self_join(
    connection: duckdb.DuckDBPyConnection, missing: float
) -> None:
    declare_study(connection)
    add_losses(connection, random_losses(7, 50, 1, missing))
    add_losses(connection, random_losses(4, 33, 2, missing), target="u")
    assert update_win_rates(connection, "s") == 11
    assert counted(connection) == oracle(connection)
    assert len(counted(connection)) == 7 * 6 + 4 * 3


@given(
    losses=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 11)),
        elements=st.sampled_from([0.0, -0.0, 0.5, 1.0, 3e38, 1e-45, float("nan")]),
    ),
    spans=st.integers(1, 4),
    few=st.sampled_from([0, win_rates.FEW]),
)
@settings(max_examples=60, deadline=None)
def test_every_comparison_is_counted_once(losses: Any, spans: int, few: int) -> None:
    counts = win_rates.zero_counts(len(losses), len(losses))
    with mock.patch.object(win_rates, "FEW", few):
        win_rates.count_wins_of(slice(None), losses, spans, counts)
    for i, mine in enumerate(losses):
        for j, theirs in enumerate(losses):
            assert counts.over[i, j] == sum(
                float(a) < float(b) for a, b in zip(mine, theirs, strict=True)
            )
            assert counts.under[i, j] == sum(
                float(a) > float(b) for a, b in zip(mine, theirs, strict=True)
            )
            both = sum(a == a and b == b for a, b in zip(mine, theirs, strict=True))
            assert counts.images[i, j] == both


def test_a_pair_without_a_common_image_is_kept_as_compared_on_none(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    declare_study(connection)
    nan = np.nan
    add_losses(connection, np.array([[1, nan], [nan, 1]], np.float32))
    update_win_rates(connection, "s")
    assert counted(connection) == [("s", "t", 0, 1, 0, 0, 0), ("s", "t", 1, 0, 0, 0, 0)]


def test_losses_on_images_that_are_not_held_out_do_not_count(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    declare_study(connection)
    add_losses(connection, random_losses(3, 20, 3))
    connection.execute("DELETE FROM heldout_image WHERE image_id % 3 = 0")
    update_win_rates(connection, "s")
    assert counted(connection) == oracle(connection)
    assert {row[-1] for row in counted(connection)} == {13}


def test_images_are_matched_by_id_in_whatever_order_they_were_stored(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    declare_study(connection)
    rng = np.random.default_rng(4)
    images = rng.integers(0, 2**63, 40, dtype=np.uint64) * np.uint64(2)
    losses = random_losses(3, 40, 4)
    for row in losses:
        shuffled = rng.permutation(40)
        add_losses(connection, row[None, shuffled], images=images[shuffled])
    update_win_rates(connection, "s")
    assert counted(connection) == oracle(connection)
    wins = connection.execute("SELECT wins FROM win_rate ORDER BY ALL").fetchall()
    assert sorted(w for (w,) in wins) == sorted(
        int((a < b).sum()) for i, a in enumerate(losses) for j, b in enumerate(losses) if i != j
    )


def test_two_studies_that_share_a_trial_both_compare_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    declare_study(connection, "a")
    declare_study(connection, "b")
    add_losses(connection, random_losses(3, 10, 5), study="a")
    connection.execute("INSERT INTO transfer SELECT * REPLACE ('b' AS study) FROM transfer")
    connection.execute("INSERT INTO heldout_image SELECT 'b', target, image_id FROM heldout_image")
    update_win_rates(connection, "a")
    update_win_rates(connection, "b")
    assert counted(connection) == oracle(connection)
    assert len(counted(connection)) == 12


# --- little by little --------------------------------------------------------------------------


@given(order=st.permutations(range(6)), cuts=st.sets(st.integers(1, 5), max_size=3))
@settings(max_examples=15, deadline=None)
def test_networks_that_come_in_any_order_give_the_same_as_all_at_once(
    order: list[int], cuts: set[int]
) -> None:
    losses = random_losses(6, 30, 6, missing=0.2)
    by_digest = (
        "SELECT a.sources AS one, b.sources AS other, w.wins, w.ties, w.images FROM win_rate AS w "
        "JOIN transfer AS a USING (study, transfer_id) "
        "JOIN transfer AS b ON (b.study, b.transfer_id) = (w.study, w.rival_id) ORDER BY ALL"
    )
    affinities = "SELECT sources, affinity FROM measured_transfer ORDER BY sources"

    def build(parts: list[list[int]]) -> tuple[Any, Any]:
        with duckdb.connect() as connection:
            make_schema(connection)
            declare_study(connection)
            for part in parts:
                names = {k: [f"task{number}"] for k, number in enumerate(part)}
                add_losses(connection, losses[part], sources=names)
                update_win_rates(connection, "s")
            ranked = connection.execute(affinities).fetchall()
            return connection.execute(by_digest).fetchall(), ranked

    ends = [0, *sorted(cuts), 6]
    parts = [list(order[a:b]) for a, b in pairwise(ends)]
    little_by_little, at_once = build(parts), build([list(range(6))])
    assert little_by_little[0] == at_once[0]
    assert [a for _, a in little_by_little[1]] == pytest.approx([a for _, a in at_once[1]])


def test_a_second_update_has_nothing_to_do(connection: duckdb.DuckDBPyConnection) -> None:
    declare_study(connection)
    add_losses(connection, random_losses(3, 10, 7))
    add_losses(connection, random_losses(1, 10, 8), target="alone")
    assert update_win_rates(connection, "s") == 4
    before = counted(connection)
    told: list[str] = []
    assert update_win_rates(connection, "s", on_target=told.append) == 0
    assert counted(connection) == before
    assert told == []


def test_one_target_is_done_on_one_thread_and_several_on_all(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    def threads() -> Any:
        return connection.execute("SELECT current_setting('threads')").fetchone()

    all_threads = threads()
    declare_study(connection)
    add_losses(connection, random_losses(3, 10, 22))
    update_win_rates(connection, "s")
    assert threads() == (1,)
    for target in ("u", "v"):
        add_losses(connection, random_losses(3, 10, 23), target=target)
    update_win_rates(connection, "s")
    assert threads() == all_threads


def test_a_block_of_images_at_a_time_gives_the_same(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_matrix, "BLOCK_BYTES", 5 * 4 * 7)
    monkeypatch.setattr(loss_matrix, "ROWS_READ", 14)
    declare_study(connection)
    add_losses(connection, random_losses(5, 52, 10, missing=0.1))
    update_win_rates(connection, "s", threads=3)
    assert counted(connection) == oracle(connection)


def leave_in_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Move every loss to the file that a trial leaves, as in a study whose losses stay there."""
    trials = connection.execute("SELECT trial_id, digest FROM trial").fetchall()
    for trial_id, digest in trials:
        (folder / digest).mkdir()
        connection.execute(
            f"COPY (SELECT image_id, loss FROM trial_loss WHERE trial_id = {trial_id} "
            f"ORDER BY image_id) TO '{folder / digest}/losses.parquet' (FORMAT parquet)"
        )
    connection.execute(
        "INSERT INTO trial_result SELECT study, transfer_id, digest, 0, 'complete', 1, images, "
        "0, 0, 0, "
        "TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', study, '', ? || '/' || digest, '{}' "
        "FROM transfer JOIN trial USING (digest)",
        [str(folder)],
    )
    connection.execute("DELETE FROM trial_loss")
    connection.execute("DELETE FROM trial")


def test_losses_that_stay_in_files_give_the_same(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_matrix, "ROWS_READ", 120)
    declare_study(connection)
    add_losses(connection, random_losses(7, 50, 18, missing=0.2))
    add_losses(connection, random_losses(3, 40, 19), target="u")
    expected = oracle(connection)
    leave_in_files(connection, tmp_path)
    assert update_win_rates(connection, "s") == 10
    assert counted(connection) == expected
    assert connection.execute("SELECT count(*) FROM affinity").fetchall() == [(10,)]
    bootstrap(connection, "s", replicates=2)
    assert connection.execute("SELECT count(*) FROM affinity_ci").fetchall() == [(10,)]


def test_what_goes_wrong_while_counting_ahead_is_raised_and_what_was_written_stays(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_study(connection)
    for target in ("a", "b", "c"):
        add_losses(connection, random_losses(3, 20, 20), target=target)
    read = loss_matrix.read_entrants

    def broken(connection: Any, study: str, target: str, **options: Any) -> Any:
        if target == "b":
            raise OSError("disk on fire")
        return read(connection, study, target, **options)

    monkeypatch.setattr(win_rates, "read_entrants", broken)
    with pytest.raises(OSError, match="disk on fire"):
        update_win_rates(connection, "s")
    assert connection.execute("SELECT DISTINCT target FROM win_rate").fetchall() == [("a",)]
    monkeypatch.undo()
    assert update_win_rates(connection, "s") == 6
    assert counted(connection) == oracle(connection)


def test_rows_in_utter_disorder_find_their_place() -> None:
    rng = np.random.default_rng(21)
    losses = rng.random((4, 60)).astype(np.float32)
    row, column = (m.ravel() for m in np.indices(losses.shape))
    order = rng.permutation(len(row))
    trials, images = np.arange(3, 7, dtype=np.int32), np.arange(100, 160, dtype=np.uint64)
    found = np.full(losses.shape, np.nan, np.float32)
    shuffled = (trials[row][order], images[column][order], losses.ravel()[order])
    place_losses(*shuffled, trials, images, found)
    np.testing.assert_array_equal(found, losses)


def test_every_audit_passes_and_finds_what_is_tampered_with(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    declare_study(connection)
    kinds = {0: "task-specific", 1: "scratch", 2: "best-guess"}
    add_losses(connection, random_losses(6, 40, 11, missing=0.1), kinds=kinds)
    update_win_rates(connection, "s")
    for audit in audits():
        assert connection.execute(sql("audits", audit)).fetchall() == [], audit
    tampering = {
        "win_rates_add_up": "UPDATE win_rate SET wins = wins + 1 WHERE transfer_id = 3",
        "win_rates_are_complete": "DELETE FROM win_rate WHERE transfer_id = 4 AND rival_id = 5",
        "affinities_are_current": "UPDATE computed_affinity SET affinity = affinity + 1e-6",
        "losses_are_unique": "INSERT INTO trial_loss SELECT * FROM trial_loss LIMIT 1",
    }
    for audit, statement in tampering.items():
        connection.execute(statement)
        assert connection.execute(sql("audits", audit)).fetchall(), audit


# --- affinities --------------------------------------------------------------------------------


def perron(ratios: Floats) -> Floats:
    values, vectors = np.linalg.eig(ratios)
    vector = vectors[:, np.argmax(values.real)].real
    return np.asarray(vector / vector.sum())


def store_wins(connection: duckdb.DuckDBPyConnection, wins: NDArray[np.int64], images: int) -> None:
    """Put given win counts into the warehouse as if they had been counted; ties are the rest."""
    declare_study(connection)
    n = len(wins)
    add_losses(connection, np.zeros((n, 1), np.float32))
    i, j = (m[~np.eye(n, dtype=bool)] for m in np.indices((n, n)))
    ties = images - wins - wins.T
    assert (ties >= 0).all()
    columns = {"i": i, "j": j, "wins": wins[i, j], "ties": ties[i, j]}
    connection.register("given_wins", columns)
    connection.execute(
        f"INSERT INTO win_rate SELECT 's', 't', i, j, wins, ties, {images} FROM given_wins"
    )


def ratios_of(wins: NDArray[np.int64], images: int) -> Floats:
    share = (wins + (images - wins - wins.T) / 2) / images
    np.fill_diagonal(share, 0.5)
    share = share.clip(0.001, 0.999)
    return np.asarray(share / share.T)


def drawn(n: int, images: int, seed: int, spread: float | None) -> NDArray[np.int64]:
    """Win counts: of networks of different skill, or of no order at all (spread None)."""
    rng = np.random.default_rng(seed)
    if spread is None:
        chance = rng.random((n, n))
    else:
        skill = rng.normal(size=n) * spread
        chance = 1 / (1 + np.exp(skill[None] - skill[:, None]))
    upper = np.triu(rng.binomial(images, chance), 1)
    return np.asarray(upper + np.tril(images - upper.T, -1))


def cycle(n: int) -> NDArray[np.int64]:
    """Each beats the next almost always, and the odd image makes the first a little better."""
    wins = np.full((n, n), 500)
    for i in range(n):
        wins[i, (i + 1) % n], wins[(i + 1) % n, i] = 999, 1
    wins[0, 1], wins[1, 0] = 990, 10
    np.fill_diagonal(wins, 0)
    return wins


def ring(n: int, odd: int, images: int = 1000) -> NDArray[np.int64]:
    """Each always beats the next, all others tie, but for one pair and some odd images.

    What power iteration is slow to forget has hardly a part in the sums of rows.
    """
    wins = np.full((n, n), images // 2)
    for i in range(n):
        wins[i, (i + 1) % n], wins[(i + 1) % n, i] = images, 0
    wins[0, 2], wins[2, 0] = images // 2 + odd, images // 2 - odd
    np.fill_diagonal(wins, 0)
    return wins


def always_losing(n: int) -> NDArray[np.int64]:
    wins = drawn(n, 1000, 5, 1.0)
    wins[0, :], wins[:, 0] = 0, 1000
    np.fill_diagonal(wins, 0)
    return wins


CASES = {
    "all ties": np.zeros((5, 5), np.int64),
    "one transfer only": np.zeros((1, 1), np.int64),
    "two transfers": np.array([[0, 900], [100, 0]]),
    "one always loses": always_losing(8),
    "each beats the next": cycle(3),
    "a longer cycle": cycle(21),
    "a ring of four": ring(4, 1),
    "a ring of six": ring(6, 1),
    "a ring of two hundred": ring(200, 1),
    "no order at all": drawn(60, 1000, 3, None),
    "the paper's size": drawn(136, 1000, 1, 1.5),
    "300 transfers": drawn(300, 1000, 2, 1.0),
    "300 without order": drawn(300, 1000, 4, None),
}


@pytest.mark.parametrize("name", CASES)
def test_affinities_equal_numpys_eigenvector(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    store_wins(connection, CASES[name], 1000)
    got = connection.execute("SELECT affinity FROM ahp('s', 't') ORDER BY transfer_id").fetchnumpy()
    expected = perron(ratios_of(CASES[name], 1000))
    assert np.abs(got["affinity"] - expected).max() < 1e-9
    assert got["affinity"].sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_the_consistency_index_is_numpys(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    store_wins(connection, CASES[name], 1000)
    win_rates.refresh_affinities(connection, "s", "t")
    n = len(CASES[name])
    largest = np.linalg.eigvals(ratios_of(CASES[name], 1000)).real.max()
    expected = None if n == 1 else pytest.approx((largest - n) / (n - 1), rel=1e-8, abs=1e-9)
    assert connection.execute(
        "SELECT transfers, consistency_index FROM consistency"
    ).fetchall() == [(n, expected)]


def test_baselines_are_measured_and_not_ranked(connection: duckdb.DuckDBPyConnection) -> None:
    declare_study(connection)
    losses = random_losses(5, 60, 12)
    add_losses(connection, losses, kinds={0: "task-specific", 1: "scratch", 2: "best-guess"})
    update_win_rates(connection, "s")
    rows = connection.execute("SELECT transfer_id FROM affinity ORDER BY ALL").fetchall()
    assert rows == [(0,), (3,), (4,)]

    def over(i: int, j: int) -> float:
        return float(((losses[i] < losses[j]) + (losses[i] == losses[j]) / 2).mean())

    rows = connection.execute(
        "SELECT transfer_id, gain, quality FROM measured_transfer ORDER BY ALL"
    ).fetchall()
    assert rows == [
        (k, pytest.approx(over(k, 1) if k != 1 else 0.5), pytest.approx(over(k, 0) if k else 0.5))
        for k in range(5)
    ]


def test_several_seeds_of_a_baseline_count_together(connection: duckdb.DuckDBPyConnection) -> None:
    declare_study(connection)
    losses = random_losses(3, 60, 13)
    add_losses(connection, losses, kinds={0: "scratch", 1: "scratch"})
    update_win_rates(connection, "s")
    over = [(losses[2] < losses[k]).mean() + (losses[2] == losses[k]).mean() / 2 for k in (0, 1)]
    assert connection.execute("SELECT transfer_id, gain FROM gain ORDER BY ALL").fetchall() == [
        (0, 0.5),
        (1, 0.5),
        (2, pytest.approx(float(np.mean(over)))),
    ]


# --- pairs that cannot be compared -------------------------------------------------------------


def test_a_missing_pair_is_filled_in_as_harker_does(connection: duckdb.DuckDBPyConnection) -> None:
    """Transfers 1 and 2 share no image, both are compared with 0 and 3."""
    rng = np.random.default_rng(14)
    losses = rng.random((4, 400)).astype(np.float32)
    losses[1, :200], losses[2, 200:] = np.nan, np.nan
    declare_study(connection)
    add_losses(connection, losses)
    update_win_rates(connection, "s")
    wins = np.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            both = ~np.isnan(losses[i]) & ~np.isnan(losses[j])
            wins[i, j] = (losses[i] < losses[j])[both].mean() if both.any() and i != j else 0.5
    ratios = wins / wins.T
    ratios[1, 2] = ratios[2, 1] = 0
    ratios[1, 1] = ratios[2, 2] = 2
    rows = connection.execute("SELECT affinity FROM affinity ORDER BY transfer_id").fetchall()
    assert [a for (a,) in rows] == pytest.approx(perron(ratios).tolist(), abs=1e-9)
    eigenvalue = float(np.linalg.eigvals(ratios).real.max())
    assert connection.execute("SELECT eigenvalue FROM consistency").fetchall() == [
        (pytest.approx(eigenvalue),)
    ]


def test_what_shares_no_image_with_the_best_covered_is_not_ranked(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    losses = random_losses(5, 300, 15)
    losses[:3, 200:], losses[3:, :200] = np.nan, np.nan
    declare_study(connection)
    add_losses(connection, losses)
    update_win_rates(connection, "s")
    rows = connection.execute("SELECT transfer_id FROM affinity ORDER BY ALL").fetchall()
    assert rows == [(0,), (1,), (2,)]
    assert connection.execute("SELECT sum(affinity) FROM affinity").fetchall() == [
        (pytest.approx(1),)
    ]


def test_a_handful_of_common_images_is_no_comparison(connection: duckdb.DuckDBPyConnection) -> None:
    losses = random_losses(3, 1000, 16)
    losses[2, 9:] = np.nan
    declare_study(connection)
    add_losses(connection, losses)
    update_win_rates(connection, "s")
    assert connection.execute("SELECT DISTINCT images FROM win_ratio").fetchall() == [(1000,)]
    assert connection.execute("SELECT count(*) FROM affinity").fetchall() == [(2,)]


# --- the compiled loops ------------------------------------------------------------------------


def test_rows_of_other_trials_and_images_are_left_out() -> None:
    losses = np.full((2, 2), np.nan, np.float32)
    place_losses(
        np.array([7, 5, 5, 9, 5, 3], np.int32),
        np.array([1, 4, 1, 1, 2, 1], np.uint64),
        np.array([0.7, 0.4, 0.1, 0.9, 0.2, 0.3], np.float32),
        np.array([5, 7], np.int32),
        np.array([1, 2], np.uint64),
        losses,
    )
    np.testing.assert_equal(losses, np.array([[0.1, 0.2], [0.7, np.nan]], np.float32))


def test_a_span_counts_its_own_images_alone() -> None:
    losses = random_losses(3, 23, 17)
    for start, stop in [(0, 23), (5, 5), (5, 6), (2, 9), (19, 23)]:
        wins = np.zeros((3, 3), np.int64)
        count_wins(losses, losses, start, stop, wins)
        part = losses[:, start:stop]
        np.testing.assert_array_equal(wins, (part[:, None] < part[None]).sum(axis=2))


@pytest.mark.slow
def test_it_works_where_nothing_can_be_kept_on_disk(tmp_path: Path) -> None:
    """A read-only image without a home: numba finds no folder for what it compiles."""
    script = tmp_path / "script.py"
    script.write_text(
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "import numpy as np\n"
        "from taskonomy_warehouse.kernels import count_wins\n"
        "x, wins = np.float32([[1, 2], [2, 1]]), np.zeros((2, 2), np.int64)\n"
        "count_wins(x, x, 0, 2, wins)\n"
        "print(wins.tolist())\n"
    )
    said = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert said.stdout == "[[0, 1], [1, 0]]\n"


def test_a_study_that_is_not_there_is_named(tmp_path: Path) -> None:
    from taskonomy_catalogue.errors import NotFound

    with writing(tmp_path / "w.duckdb") as connection, pytest.raises(NotFound, match="'nope'"):
        update_win_rates(connection, "nope")
