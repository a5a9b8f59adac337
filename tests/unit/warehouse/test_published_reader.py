"""What a published file may hold, and how each fault is named."""

from pathlib import Path

import pytest

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.tasks import published_dictionary
from taskonomy_warehouse.published.importer import shipped_measurements
from taskonomy_warehouse.published.reader import COLUMNS, PublishedTransfer, read_published

HEADER = ",".join(COLUMNS)


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "measured.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_rows_become_transfers_in_our_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "rgb2depth,2,rgb2sfnorm+reshading,0.25,0.9,0.4",
        "depth,1,self,0.5,0.89,0.5",
        "Z-buffer depth,1,rgb2depth,0.25,,",
        "depth_zbuffer,1,pixels,,0.5,0.1",
    )
    read = read_published(path, published_dictionary()).transfers
    assert read == (
        PublishedTransfer(
            target="depth",
            kind="transfer",
            order=2,
            sources=("normals", "reshading"),
            affinity=0.25,
            gain=0.9,
            quality=0.4,
        ),
        PublishedTransfer(
            target="depth",
            kind="task-specific",
            order=1,
            sources=("depth",),
            affinity=0.5,
            gain=0.89,
            quality=0.5,
        ),
        PublishedTransfer(
            target="depth",
            kind="transfer",
            order=1,
            sources=("depth",),
            affinity=0.25,
            gain=None,
            quality=None,
        ),
        PublishedTransfer(
            target="depth",
            kind="scratch",
            order=1,
            sources=(),
            affinity=None,
            gain=0.5,
            quality=0.1,
        ),
    )


GOOD = "depth,1,normals,0.5,0.5,0.5"
REFUSED = {
    "duplicate": ([GOOD, GOOD], 3, "sources", "duplicate of line 2"),
    "duplicate in other words": ([GOOD, "rgb2depth,1,normal,0.1,0.1,0.1"], 3, "sources", "line 2"),
    "duplicate in another order": (
        ["depth,2,normals+edge3d,0.5,0.5,0.5", "depth,2,edge3d+normals,0.5,0.5,0.5"],
        3,
        "sources",
        "duplicate of line 2",
    ),
    "order below its sources": (["depth,1,normals+edge3d,.5,.5,.5"], 2, "order", "make it 2"),
    "order above its sources": ([GOOD, "depth,3,edge3d,.5,.5,.5"], 3, "order", "make it 1"),
    "order is no number": (["depth,one,normals,.5,.5,.5"], 2, "order", "'one'"),
    "order is blank": (["depth,,normals,.5,.5,.5"], 2, "order", "make it 1"),
    "NaN affinity": (["depth,1,normals,nan,.5,.5"], 2, "affinity", "NaN"),
    "NaN gain": (["depth,1,normals,.5,NaN,.5"], 2, "win_rate_vs_scratch", "NaN"),
    "affinity above 1": (["depth,1,normals,1.01,.5,.5"], 2, "affinity", "0 to 1"),
    "affinity below 0": (["depth,1,normals,-0.1,.5,.5"], 2, "affinity", "0 to 1"),
    "infinite affinity": (["depth,1,normals,inf,.5,.5"], 2, "affinity", "0 to 1"),
    "gain above 1": (["depth,1,normals,.5,2,.5"], 2, "win_rate_vs_scratch", "0 to 1"),
    "quality below 0": (
        ["depth,1,normals,.5,.5,-1"],
        2,
        "win_rate_vs_task_specific",
        "0 to 1",
    ),
    "word for a number": (["depth,1,normals,high,.5,.5"], 2, "affinity", "'high' is not a number"),
    "a number with an underscore": (["depth,1,normals,0_1,.5,.5"], 2, "affinity", "not a number"),
    "a cell without end": (["depth,1," + "n" * 131_073 + ",.5,.5,.5"], 2, None, "not valid CSV"),
    "unknown target": (["dept,1,normals,.5,.5,.5"], 2, "target", "did you mean 'depth'"),
    "unknown source": (["depth,1,normls,.5,.5,.5"], 2, "sources", "did you mean 'normals'"),
    "ambiguous source": (["depth,1,rgb,.5,.5,.5"], 2, "sources", "several tasks"),
    "blank target": ([",1,normals,.5,.5,.5"], 2, "target", "blank"),
    "blank source": (["depth,2,normals+,.5,.5,.5"], 2, "sources", "blank"),
    "self in company": (["depth,2,self+normals,.5,.5,.5"], 2, "sources", "stands alone"),
    "pixels in company": (["depth,2,normals+pixels,.5,.5,.5"], 2, "sources", "stands alone"),
    "a source twice": (["depth,2,normals+normal,.5,.5,.5"], 2, "sources", "twice"),
    "a cell too few": ([GOOD, "depth,1,edge3d,.5,.5"], 3, None, "5 cells"),
    "a cell too many": (["depth,1,edge3d,.5,.5,.5,.5"], 2, None, "7 cells"),
    "an open quote": (['depth,1,"edge3d,.5,.5,.5'], 2, None, "not valid CSV"),
}


@pytest.mark.parametrize(("lines", "line", "column", "words"), REFUSED.values(), ids=REFUSED)
def test_a_bad_line_is_refused_by_place_and_reason(
    tmp_path: Path, lines: list[str], line: int, column: str | None, words: str
) -> None:
    with pytest.raises(InputRefused) as refused:
        read_published(write(tmp_path, *lines), published_dictionary())
    assert (refused.value.line, refused.value.column) == (line, column)
    assert words in refused.value.reason
    assert "measured.csv" in str(refused.value)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = tmp_path / "measured.csv"
    path.write_text(",".join(c for c in COLUMNS if c != column) + "\n1,2,3,4,5\n")
    with pytest.raises(InputRefused, match="missing column") as refused:
        read_published(path, published_dictionary())
    assert (refused.value.line, refused.value.column) == (1, column)


WHOLE_FILES = {
    "empty": (b"", "empty file"),
    "blank lines": (b"\n\n  \n", "empty file"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "empty file"),
    "a byte order mark and a blank line": (b"\xef\xbb\xbf\n", "empty file"),
    "a header without end": (b"a" * 131_073, "not valid CSV"),
    "header alone": (HEADER.encode(), "no rows"),
    "a column twice": (f"{HEADER},affinity\n".encode(), "stands twice"),
    "not UTF-8": (f"{HEADER}\nd\xe9pth,1,normals,.5,.5,.5".encode("latin-1"), "not UTF-8"),
    "a spreadsheet": (b"PK\x03\x04\xff\xfe binary", "not UTF-8"),
}


@pytest.mark.parametrize(("content", "words"), WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_a_whole_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "measured.csv"
    path.write_bytes(content)
    with pytest.raises(InputRefused, match=words):
        read_published(path, published_dictionary())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="cannot be read"):
        read_published(tmp_path / "nowhere.csv", published_dictionary())


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "measured.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\n".encode())
    assert len(read_published(path, published_dictionary()).transfers) == 1


def test_the_shipped_set_is_the_published_one() -> None:
    read = read_published(shipped_measurements(), published_dictionary()).transfers
    assert len(read) == 1762
    assert sum(t.affinity is None for t in read) == 4
    assert len({t.target for t in read}) == 22
    assert max(t.order for t in read) == 24
    assert sum(t.kind == "task-specific" for t in read) == 22
