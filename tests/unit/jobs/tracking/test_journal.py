"""A journal keeps what is not delivered: in order, through kills, for one owner at a time."""

import multiprocessing
import os
from pathlib import Path

import pytest

from taskonomy_catalogue.launch import TRACKING_BUFFER
from taskonomy_jobs.tracking.journal import PICTURES, Busy, Journal, Line

HEADER = {"event": "run", "name": "transfer a → b"}


def points(*steps: int) -> list[Line]:
    return [{"event": "metrics", "step": step} for step in steps]


def test_lines_come_back_in_order_after_the_header(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "trial", HEADER)
    journal.append(points(1, 2))
    journal.append(points(3))
    assert journal.read(2) == [HEADER, *points(1)]
    assert journal.read(10) == [HEADER, *points(1, 2, 3)]  # nothing was acknowledged
    journal.read(2)
    journal.acknowledge()
    assert journal.read(10) == points(2, 3)
    journal.close()


def test_an_emptied_journal_begins_with_its_header_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, HEADER)
    journal.append([])
    assert journal.read(9) == [HEADER]
    journal.acknowledge()
    assert journal.is_empty
    assert (tmp_path / TRACKING_BUFFER).stat().st_size == 0
    journal.append(points(4))
    assert journal.read(9) == [HEADER, *points(4)]
    journal.close()
    assert (tmp_path / TRACKING_BUFFER).exists()


def test_what_is_appended_while_it_is_read_is_read_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path, HEADER)
    journal.append(points(1))
    journal.read(9)
    journal.append(points(2))
    journal.acknowledge()
    assert journal.read(9) == points(2)
    journal.acknowledge()
    journal.close()
    assert list(tmp_path.iterdir()) == []  # what is left behind is what is owed


@pytest.mark.parametrize("torn", [b'{"event": "metr', b'{"event": "metrics"}', b"\xff\xfe"])
def test_a_line_that_a_kill_tore_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    journal = Journal(tmp_path, HEADER)
    journal.append(points(1))
    journal.close()
    with (tmp_path / TRACKING_BUFFER).open("ab") as file:
        file.write(torn)
    again = Journal(tmp_path, HEADER)
    again.append(points(2))
    assert again.read(9) == [HEADER, *points(1), HEADER, *points(2)]
    again.close()


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / TRACKING_BUFFER).write_bytes(b'\x00\x00\n[1]\n{"x": 1}\n{"event": "metrics"}\n')
    journal = Journal(tmp_path)
    assert journal.read(9) == [{"event": "metrics"}]
    journal.acknowledge()
    journal.close()
    assert not (tmp_path / TRACKING_BUFFER).exists()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, HEADER)
    real = os.pwrite

    def half(file: int, data: bytes, at: int) -> int:
        if at > 0:
            raise OSError(28, "No space left on device")
        return real(file, data[: len(data) // 2], at)

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(OSError, match="No space"):
        journal.append(points(1, 2, 3))
    monkeypatch.undo()
    assert journal.is_empty
    journal.append(points(1))
    assert journal.read(9) == [HEADER, *points(1)]
    journal.close()


def _own(folder: Path, ready: "multiprocessing.synchronize.Event") -> None:
    journal = Journal(folder, HEADER)
    journal.append(points(1))
    ready.set()
    multiprocessing.Event().wait(60)


def test_one_process_owns_it_until_it_is_killed(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    owner = spawn.Process(target=_own, args=(tmp_path, ready))
    owner.start()
    try:
        assert ready.wait(60)
        with pytest.raises(Busy):
            Journal(tmp_path)
    finally:
        owner.kill()
        owner.join()
    journal = Journal(tmp_path)
    assert journal.read(9) == [HEADER, *points(1)]
    journal.close()
    owner.close()


def test_pictures_that_are_owed_stay(tmp_path: Path) -> None:
    (tmp_path / PICTURES).mkdir()
    (tmp_path / PICTURES / "x.png").touch()
    Journal(tmp_path, HEADER).close()
    assert (tmp_path / PICTURES / "x.png").exists()
