"""Losses kept beside the warehouse: used where they are right, else read again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from trained import add_losses, declare_study

from taskonomy_warehouse import kept_losses, loss_matrix
from taskonomy_warehouse.kept_losses import matrices_beside
from taskonomy_warehouse.loss_matrix import loss_blocks, read_entrants
from taskonomy_warehouse.win_rates import update_win_rates

Connection = duckdb.DuckDBPyConnection
DRAW = np.random.default_rng(5)
LOSSES = DRAW.normal(size=(6, 40)).astype(np.float32)
LOSSES[2, ::3] = np.nan
LOSSES[4, 7] = np.nan


@pytest.fixture
def read_again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many networks each reading from the table brought."""
    counts: list[int] = []
    real = loss_matrix._read

    def read(connection: Any, entrants: Any, rows: Any, images: Any) -> Any:
        counts.append(len(rows))
        return real(connection, entrants, rows, images)

    monkeypatch.setattr(loss_matrix, "_read", read)
    return counts


def losses_of(connection: Connection, target: str = "t") -> Any:
    ((_, losses),) = loss_blocks(connection, read_entrants(connection, "s", target))
    return losses


def the_file(tmp_path: Path) -> Path:
    (file,) = matrices_beside(tmp_path / "warehouse.duckdb").iterdir()
    return file


def test_only_what_is_new_is_read(connection: Connection, read_again: list[int]) -> None:
    declare_study(connection)
    add_losses(connection, LOSSES[:4])
    assert update_win_rates(connection, "s") == 4
    add_losses(connection, LOSSES[4:])
    assert update_win_rates(connection, "s") == 2
    assert read_again == [4, 2]
    np.testing.assert_array_equal(losses_of(connection), LOSSES)
    assert read_again == [4, 2]


def cut(content: bytes) -> bytes:
    return content[:-5]


def flipped(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


def of_another(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]  # a hash may begin with any byte


@pytest.mark.parametrize(
    ("change", "again"),
    [(cut, 1), (flipped, 1), (of_another, 6), (lambda _: b"", 6), (lambda c: c[:40], 6)],
    ids=["cut off", "a bit flipped", "of another warehouse", "empty", "no whole record"],
)
def test_what_is_not_as_it_was_written_is_read_again(
    change: Callable[[bytes], bytes],
    again: int,
    connection: Connection,
    read_again: list[int],
    tmp_path: Path,
) -> None:
    declare_study(connection)
    add_losses(connection, LOSSES)
    losses_of(connection)
    file = the_file(tmp_path)
    file.write_bytes(change(file.read_bytes()))
    np.testing.assert_array_equal(losses_of(connection), LOSSES)
    np.testing.assert_array_equal(losses_of(connection), LOSSES)
    assert read_again == [6, again]


def test_losses_of_a_trial_that_was_loaded_again_are_others(
    connection: Connection, read_again: list[int]
) -> None:
    declare_study(connection)
    add_losses(connection, LOSSES)
    losses_of(connection)
    connection.execute("UPDATE trial SET loaded_at = TIMESTAMP '2026-02-02' WHERE trial_id = 3")
    connection.execute("UPDATE trial_loss SET loss = 9 WHERE trial_id = 3")
    assert (losses_of(connection)[3] == 9).all()
    assert read_again == [6, 1]


def test_more_held_out_images_make_another_matrix(
    connection: Connection, read_again: list[int]
) -> None:
    declare_study(connection)
    add_losses(connection, LOSSES[:, :30])
    losses_of(connection)
    add_losses(connection, LOSSES)
    assert losses_of(connection).shape == (12, 40)
    assert read_again == [6, 12]


def test_targets_beyond_the_bound_are_read_each_time(
    connection: Connection, read_again: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_losses, "MOST_BYTES", 2 * 4 * 6 * 40 + 300)
    declare_study(connection)
    for target in ("a", "b", "c"):
        add_losses(connection, LOSSES, target=target)
    for target in ("a", "b", "c", "a", "b", "c"):
        np.testing.assert_array_equal(losses_of(connection, target), LOSSES)
    assert read_again == [6, 6, 6, 6]
    assert len(list(matrices_beside(tmp_path / "warehouse.duckdb").iterdir())) == 2


def test_no_right_to_write_is_no_fault(
    connection: Connection, read_again: list[int], tmp_path: Path
) -> None:
    matrices_beside(tmp_path / "warehouse.duckdb").write_text("a file in the folder's place")
    declare_study(connection)
    add_losses(connection, LOSSES)
    np.testing.assert_array_equal(losses_of(connection), LOSSES)
    np.testing.assert_array_equal(losses_of(connection), LOSSES)
    assert read_again == [6, 6]
