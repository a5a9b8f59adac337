"""Rank the sources of each target by first-order affinity: what higher orders are chosen from.

    python -m taskonomy_warehouse.ranking --study FILE --artifacts URI --out FILE [--targets A,B]

Started between first and higher orders (Zamir et al. 2018, section 3.2), by the laptop's runner or
as a Job. It loads the first-order transfers of the targets that are to be ranked into a warehouse
of its own, and nothing else: what a target's affinities are compared with never depends on what
else happens to be finished, so the same results always give the same ranking. Targets that the
file ranks already keep their place in it.
"""

import json
import os
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import InputRefused, SettingRefused, TaskonomyError, did_you_mean
from taskonomy_catalogue.launch import Exit, RankingLaunch
from taskonomy_catalogue.rankings import FirstOrder, RankedTarget, RankingFile, parse_ranking
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.trials import digest
from taskonomy_warehouse.files import get_ready, place_of
from taskonomy_warehouse.load.find import Findings, find_in_artifacts
from taskonomy_warehouse.load.loading import load
from taskonomy_warehouse.warehouse import writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """What a ranking came to."""

    targets: Mapping[str, tuple[str, ...]]
    """Sources by target, best first: the targets ranked now."""
    left_out: tuple[str, ...]
    """Transfers with a result that could not be used, each with the reason."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the job as a command; return its exit code."""
    launch = RankingLaunch.parse(words)
    try:
        ranked = update_ranking(
            _study(Path(launch.study)),
            launch.artifacts,
            Path(launch.out),
            tuple(filter(None, launch.targets.split(","))),
        )
    except (InputRefused, SettingRefused) as error:
        print(f"ranking: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return Exit.BAD_TRIAL
    except TaskonomyError as error:
        print(f"ranking: {error}", file=sys.stderr)  # noqa: T201
        return Exit.TRY_AGAIN
    for reason in ranked.left_out:
        print(f"ranking: left out {reason}", file=sys.stderr)  # noqa: T201
    for target, sources in ranked.targets.items():
        print(f"{target}: {', '.join(sources) or 'no source was measured'}")  # noqa: T201
    return Exit.DONE


def update_ranking(
    study: Study, artifacts: str, out: Path, targets: Collection[str] = ()
) -> Ranked:
    """Rank targets that are not ranked yet, and add them to a ranking file.

    Args:
        study: what is asked.
        artifacts: path or URI that trials leave their folders under.
        out: the ranking file; made if it is not there, replaced in one step.
        targets: ids of the targets to rank, with the transfers that are there; none: every target
            whose first-order transfers are all there.

    Raises:
        SettingRefused: a target is none of the study's.
        InputRefused: `out` holds something else.
        NotFound: there is no such folder of results.
        Unreachable: its server does not answer.
    """
    first = FirstOrder(study)
    _check_targets(study, first, targets)
    before = _read(out)
    known = before.ranking_for(first)
    with (
        tempfile.TemporaryDirectory(prefix="ranking-") as folder,
        writing(Path(folder) / "first-order.duckdb") as connection,
    ):
        found = _found(connection, artifacts)
        due = [target for target in targets or _complete(first, found) if target not in known]
        ranked = _ranked(connection, study, _of(first, due, found), due)
    new = {t: RankedTarget(sources=s, of=first.key(t)) for t, s in ranked.targets.items()}
    _write(out, RankingFile(targets={**before.targets, **new}))
    return ranked


def _ranked(
    connection: duckdb.DuckDBPyConnection, study: Study, findings: Findings, due: Sequence[str]
) -> Ranked:
    """Load first-order results and order each target's sources by affinity."""
    loaded = load(connection, study, findings, origin="ranking")
    rows = connection.execute(
        "SELECT target, list(source ORDER BY affinity DESC, source) FROM affinity_matrix "
        "WHERE study = ? GROUP BY target",
        [study.name],
    ).fetchall()
    by_target = {str(target): tuple(map(str, sources)) for target, sources in rows}
    return Ranked(
        targets={target: by_target.get(target, ()) for target in due},
        left_out=tuple(f"{each.folder}: {each.detail}" for each in loaded.refusals),
    )


def _found(connection: duckdb.DuckDBPyConnection, artifacts: str) -> Findings:
    place = place_of(artifacts, "--artifacts")
    get_ready(connection, place)
    return find_in_artifacts(connection, place)


def _complete(first: FirstOrder, found: Findings) -> list[str]:
    there = {each.digest for each in found.finished}
    return [
        target for target, trials in first.targets.items() if there.issuperset(map(digest, trials))
    ]


def _of(first: FirstOrder, due: Sequence[str], found: Findings) -> Findings:
    """Return the findings that are first-order transfers to the targets that are due."""
    wanted = {digest(trial) for target in due for trial in first.targets[target]}
    return Findings(
        finished=tuple(each for each in found.finished if each.digest in wanted),
        covers=lambda _folder: False,
    )


def _check_targets(study: Study, first: FirstOrder, targets: Collection[str]) -> None:
    for target in targets:
        if target not in first.targets:
            hint = did_you_mean(target, first.targets)
            raise SettingRefused(f"study {study.name!r} has no target {target!r} to rank{hint}")


def _study(path: Path) -> Study:
    try:
        return parse_study(json.loads(path.read_bytes()), origin=str(path))
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputRefused(path, f"not valid JSON: {error}") from error


def _read(path: Path) -> RankingFile:
    try:
        return parse_ranking(path.read_bytes(), str(path))
    except FileNotFoundError:
        return RankingFile()


def _write(path: Path, ranking: RankingFile) -> None:
    """Write the file so that a reader sees what was before or all of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(ranking.model_dump_json(indent=1), encoding="utf-8")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
