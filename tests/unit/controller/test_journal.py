"""The journal: what was written is read back, whatever a kill tore."""

from pathlib import Path

from taskonomy_operator.journal import Ended, Forgiven, Record, Running, Starting, append, read
from taskonomy_operator.retries import End

RECORDS: list[Record] = [
    Starting(job="s-1", kind="train", digests=("a", "b"), log_offset=7, boot="x"),
    Running(job="s-1", pid=12, started=345),
    Ended(job="s-1", seconds=1.5, finished=("a",), ends={"b": End(code=-9, alone=False)}),
    Forgiven(),
]


def test_records_are_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert list(read(path)) == []
    for record in RECORDS:
        append(path, record)
    assert list(read(path)) == RECORDS


def test_a_torn_line_costs_itself_and_nothing_after_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    append(path, RECORDS[0])
    whole = path.read_bytes()
    append(path, RECORDS[2])
    for kept in range(len(whole) + 1, path.stat().st_size):
        torn = tmp_path / f"{kept}.jsonl"
        torn.write_bytes(path.read_bytes()[:kept])
        append(torn, RECORDS[1])
        assert [r for r in read(torn) if r != RECORDS[2]] == [RECORDS[0], RECORDS[1]]


def test_bytes_of_something_else_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\xff\xfe\n{}\n[1]\nnull\n")
    append(path, RECORDS[3])
    assert list(read(path)) == [RECORDS[3]]
