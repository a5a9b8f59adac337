"""A check's report for a reader: what each task has in each part, then what is wrong."""

from collections.abc import Iterator, Sequence

from taskonomy_jobs.data.check import UNSPLIT, Building, Report

MOST_BUILDINGS = 30
"""Buildings listed one by one, those that lack something first."""
MOST_DAMAGED = 20
"""Damaged files named; JSON names all."""


def table(report: Report) -> str:
    """Return the report as text, ending in a line feed."""
    return (
        "\n".join(
            [*_heading(report), "", *_tasks(report), "", *_buildings(report), *_damage(report)]
        )
        + "\n"
    )


def _heading(report: Report) -> Iterator[str]:
    yield (
        f"{report.root}: {report.layout} layout, {report.image_size}×{report.image_size} pixels"
        + (f", split {report.split}" if report.split else "")
    )
    what = "decoded" if report.deep else "looked at by size, header and end"
    share = "all" if report.examined == report.files else f"{report.examined:,}"
    strangers = f"; {report.strangers:,} other files in their folders" if report.strangers else ""
    yield f"{report.files:,} files, {share} {what}{strangers}"


def _tasks(report: Report) -> Iterator[str]:
    """Yield a line a task: views with its labels, by part."""
    parts = [
        p for p in ("train", "val", "test", UNSPLIT) if any(b.part == p for b in report.buildings)
    ]
    totals = {part: sum(b.views for b in report.buildings if b.part == part) for part in parts}
    rows = [["task", *(f"{part} ({totals[part]:,})" for part in parts)]]
    tasks = report.buildings[0].labels if report.buildings else {}
    for task in tasks:
        counts = [sum(b.labels[task] for b in report.buildings if b.part == part) for part in parts]
        rows.append([task, *(_count(c, totals[p]) for c, p in zip(counts, parts, strict=True))])
    yield from _aligned(rows)
    if report.by_file_alone:
        few = ", ".join(report.by_file_alone)
        yield f"{few}: cameras counted, whatever they hold; --deep reads what each has"


def _count(count: int, total: int) -> str:
    if count == total:
        return f"{count:,}"
    return f"{count:,} {100 * count / max(total, 1):.1f}%"


def _buildings(report: Report) -> Iterator[str]:
    """Yield a line a building: what it lacks."""
    order = sorted(report.buildings, key=lambda b: -_lack(b))
    rows = [["building", "part", "views", "lacks"]]
    rows += [[b.building, b.part, f"{b.views:,}", _lacks(b)] for b in order[:MOST_BUILDINGS]]
    yield from _aligned(rows, left=(0, 1, 3))
    if len(order) > MOST_BUILDINGS:
        yield f"… and {len(order) - MOST_BUILDINGS} more; --output json lists them all"


def _lack(building: Building) -> float:
    if not building.views:
        return float("inf")
    return sum(building.views - count for count in building.labels.values()) / building.views


def _lacks(building: Building) -> str:
    if not building.views:
        return "everything: no RGB image is there"
    short = {task: building.views - n for task, n in building.labels.items() if n < building.views}
    words = [f"{task} {count:,}" for task, count in short.items()]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def _damage(report: Report) -> Iterator[str]:
    if not report.damaged:
        yield ""
        yield "no damaged file" + (
            "" if report.deep else " by size, header and end; --deep decodes each"
        )
        return
    yield ""
    yield f"{len(report.damaged):,} damaged files:"
    for one in report.damaged[:MOST_DAMAGED]:
        yield f"  {one.path}: {one.why}"
    if len(report.damaged) > MOST_DAMAGED:
        yield f"  … and {len(report.damaged) - MOST_DAMAGED} more; --output json lists them all"


def _aligned(rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> Iterator[str]:
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if c in left else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
