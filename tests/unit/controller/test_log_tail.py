"""A log read while it is written: nothing twice, nothing torn, noise let be."""

from pathlib import Path
from typing import Any

from taskonomy_catalogue.launch import Failed, Finished, Progressed, Saved, Started
from taskonomy_operator.log_tail import LogTail, Standing

BEFORE = b'{"event": "saved", "trial": "old", "step": 3}\n'


def line(event: Any) -> Any:
    return event.line().encode() + b"\n"


def test_what_is_said_is_taken_in_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(BEFORE)
    tail = LogTail(path, offset=len(BEFORE))
    said = b"".join(
        [
            line(Started(trial="a", steps=10)),
            b"Downloading nothing\n",
            line(Progressed(trial="a", step=4, steps=10, loss=0.5, images_per_second=3)),
            "Größe \xff".encode("latin-1") + b"\n",
            line(Finished(trial="a", mean_loss=1, seconds=2)),
            line(Failed(trial="b", reason="NaN", code=64)),
        ]
    )
    events = []
    for place in range(0, len(said), 7):
        with path.open("ab") as file:
            file.write(said[place : place + 7])
        events += tail.read()
    assert [event.event for event in events] == ["started", "progress", "finished", "failed"]
    assert tail.standings == {"a": Standing(4, 10, 0.5, 3.0)}
    assert tail.standings["a"].share == 0.4
    assert (tail.finished, set(tail.failures), tail.saved) == ({"a"}, {"b"}, False)
    assert tail.last_words.startswith("Gr")


def test_a_save_counts_only_as_the_last_thing_said(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    tail = LogTail(path, 0)
    path.write_bytes(line(Saved(trial="a", step=1)) + b"noise\n")
    tail.read()
    assert tail.saved
    path.write_bytes(path.read_bytes() + line(Started(trial="a")))
    tail.read()
    assert not tail.saved


def test_the_last_words_of_a_crash_need_no_line_end(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(b"Traceback\n  File\nMemoryError")
    tail = LogTail(path, 0)
    tail.read_all()
    assert tail.last_words == "MemoryError"


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "job.log", 0)
    tail.read_all()
    assert (tail.standings, tail.last_words) == ({}, "")
