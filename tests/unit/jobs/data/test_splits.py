from pathlib import Path

import pytest

from taskonomy_catalogue.errors import InputRefused, NotFound
from taskonomy_jobs.data.splits import read_split, split_names

ROWS = ["id,train,val,test", "b,1,0,0", "a,1,0,0", "c,0,1,0", "d,0,0,1", "e,0,0,0"]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\n\r\n"], ids=["CR", "LF", "CRLF", "blank"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_any_line_end_and_a_byte_order_mark_are_read(tmp_path: Path, end: str, mark: bytes) -> None:
    (tmp_path / "splits_taskonomy").mkdir()
    path = tmp_path / "splits_taskonomy" / "train_val_test_tiny.csv"
    path.write_bytes(mark + end.join(ROWS).encode())

    split = read_split(tmp_path, "tiny")

    assert (split.train, split.val, split.test) == (("a", "b"), ("c",), ("d",))
    assert split.path == path
    assert split.part_of("c") == "val"
    assert split.part_of("e") is None


def test_a_name_is_looked_up_in_order_and_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    own, published, elsewhere = (
        tmp_path / "splits" / "tiny.csv",
        tmp_path / "train_val_test_tiny.csv",
        tmp_path / "else" / "mine.csv",
    )
    for path, building in ((published, "p"), (own, "o"), (elsewhere, "m")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"id,train,val,test\n{building},1,0,0\n")
        if path == published:
            assert read_split(tmp_path, "tiny").train == ("p",)

    assert read_split(tmp_path, "tiny").train == ("o",)
    assert read_split(tmp_path, str(elsewhere)).train == ("m",)
    assert read_split(tmp_path, "else/mine.csv").train == ("m",)
    assert split_names(tmp_path) == ["tiny"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: its header is ''"),
        ("building,train,val,test\n", "line 1: its header is 'building,train,val,test'"),
        ("id,train,val,test\na,1,0\n", "line 2: 3 cells; there are 4"),
        ("id,train,val,test\ra,1,0,0\rb,yes,0,0\r", "line 3, column train: 'yes' is not 0 or 1"),
        ("id,train,val,test\na,1,0,1\n", "line 2: building 'a' is in several parts"),
        ("id,train,val,test\na,1,0,0\na,0,1,0\n", "line 3: building 'a' is already on line 2"),
        ("id,train,val,test\n../a,1,0,0\n", "line 2, column id: '../a' names no building"),
    ],
)
def test_a_wrong_split_is_refused_by_line_and_column(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content.encode())
    with pytest.raises(InputRefused, match=r"wrong\.csv") as refused:
        read_split(tmp_path, "wrong")
    assert said in str(refused.value)


def test_an_unknown_name_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "rooms.csv").write_text("id,train,val,test\n")
    with pytest.raises(NotFound, match="did you mean 'rooms'"):
        read_split(tmp_path, "room")
    with pytest.raises(NotFound, match="there are rooms"):
        read_split(tmp_path, "medium")
