"""Win rates of one target in a process of its own, from losses that stay where trials left them.

    python -m taskonomy_warehouse.win_rate_job --snapshot URI --study NAME --target TASK --out URI

For studies whose losses are too many for one machine: targets have nothing to do with one another,
so each is a process, or a pod of an Indexed Job (``--index``). It reads from a published snapshot
which trials the target has and on which images they are compared, reads their `losses.parquet`
where they lie, and leaves ``target=<task>.parquet``, which `taskonomyctl load --win-rates` merges.
All of it happens in a small warehouse that holds one target, by the same code as in a large one.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from taskonomy_catalogue.errors import InputRefused, NotFound, TaskonomyError, did_you_mean
from taskonomy_catalogue.records import LOSSES_FILE
from taskonomy_warehouse.files import as_list, get_ready, place_of
from taskonomy_warehouse.s3 import as_unreachable, is_about_server, is_s3
from taskonomy_warehouse.snapshot import attach_snapshot
from taskonomy_warehouse.warehouse import writing
from taskonomy_warehouse.win_rates import update_win_rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The part of a study that a job works on."""

    snapshot: str
    """Folder or s3:// of the published snapshot."""
    study: str
    """The study."""
    target: str | None
    """The target; None: by `index`."""
    index: int | None
    """Number of the target among those with several networks, in alphabetical order from 0."""
    out: str
    """Folder or s3:// prefix for the win rates."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job as a command; return its exit code."""
    try:
        file = compute(parsed(arguments))
    except TaskonomyError as error:
        print(f"win_rate_job: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return error.exit_code
    print(file)  # noqa: T201
    return 0


def compute(partition: Partition) -> str:
    """Compute the win rates of one target; return the file that holds them.

    Raises:
        NotFound: there is no such snapshot, study or target.
        InputRefused: a file of losses is gone, broken, or has other rows than when it was checked.
        Unreachable: a server does not answer; the job can be run again.
        TaskonomyError: the win rates cannot be written.
    """
    out = place_of(partition.out, "--out")
    _check_out(out)
    with (
        tempfile.TemporaryDirectory(prefix="win-rates-") as folder,
        writing(Path(folder) / "one-target.duckdb") as connection,
    ):
        get_ready(connection, out)
        target = _copy_target(connection, partition)
        _read_losses(connection)
        update_win_rates(connection, partition.study)
        return _write(connection, out, partition.study, target)


def _copy_target(connection: duckdb.DuckDBPyConnection, partition: Partition) -> str:
    """Copy what the snapshot knows of a target into the job's own warehouse; return the target."""
    attach_snapshot(connection, partition.snapshot)
    target = _target(connection, partition)
    of_target = {
        "study": "study = $study",
        "heldout_image": "study = $study AND target = $target",
        "transfer": "study = $study AND target = $target",
        "trial_result": "study = $study AND transfer_id IN (SELECT transfer_id FROM transfer)",
    }
    for table, condition in of_target.items():
        values = {"study": partition.study} | ({"target": target} if "$target" in condition else {})
        connection.execute(f"INSERT INTO {table} FROM snapshot.{table} WHERE {condition}", values)
    connection.execute(
        "INSERT INTO trial SELECT transfer_id, digest, images, finished_at FROM trial_result"
    )
    connection.execute("DETACH snapshot")
    return target


def _target(connection: duckdb.DuckDBPyConnection, partition: Partition) -> str:
    rows = connection.execute(
        "SELECT target, count(*) > 1 FROM snapshot.transfer SEMI JOIN snapshot.trial_result "
        "USING (study, transfer_id) WHERE study = ? GROUP BY target ORDER BY target",
        [partition.study],
    ).fetchall()
    targets = [str(target) for target, _ in rows]
    if not targets:
        raise NotFound(f"{partition.snapshot} holds no results of a study {partition.study!r}")
    if partition.index is not None:
        # A task that is only a source has its own network, and nothing to compare that with.
        compared = [str(target) for target, is_compared in rows if is_compared]
        if not 0 <= partition.index < len(compared):
            raise NotFound(f"--index {partition.index}: the study has {len(compared)} targets")
        return compared[partition.index]
    if partition.target not in targets:
        hint = did_you_mean(str(partition.target), targets)
        raise NotFound(f"study {partition.study!r} has no results of {partition.target!r}{hint}")
    return str(partition.target)


def _read_losses(connection: duckdb.DuckDBPyConnection) -> None:
    """Read the losses of every trial of the target; they were checked when it was loaded."""
    trials = connection.execute(
        "SELECT trial_id, trial.images, folder FROM trial JOIN trial_result USING (digest) "
        "ORDER BY trial_id"
    ).fetchall()
    files = [f"{folder}/{LOSSES_FILE}" for _, _, folder in trials]
    get_ready(connection, *files)
    numbers = ", ".join(f"({index}, {trial[0]})" for index, trial in enumerate(trials))
    try:
        connection.execute(
            "INSERT INTO trial_loss SELECT trial_id, image_id, loss "
            f"FROM read_parquet({as_list(files)}) "
            f"JOIN (VALUES {numbers}) AS numbered (file_index, trial_id) USING (file_index)"
        )
    except duckdb.Error as error:
        if is_s3(files[0]) and is_about_server(error):
            raise as_unreachable(files[0], error) from None
        raise InputRefused("losses", f"{error}; load the study again, then run this job") from error
    counted = dict(
        connection.execute("SELECT trial_id, count(*) FROM trial_loss GROUP BY ALL").fetchall()
    )
    for (trial_id, images, _), file in zip(trials, files, strict=True):
        if counted.get(trial_id, 0) != images:
            reason = f"has {counted.get(trial_id, 0)} rows, and had {images} when it was loaded"
            raise InputRefused(file, f"{reason}; load the study again, then run this job")


def _write(connection: duckdb.DuckDBPyConnection, out: str, study: str, target: str) -> str:
    """Write the win rates, transfers named by digest, and return the file."""
    file = f"{out}/target={target}.parquet"
    # S3 shows an object when it is whole; a folder needs the rename.
    written = file if is_s3(out) else f"{out}/.target={target}.parquet"
    if not is_s3(out):
        _make_folder(Path(out))
    quoted = written.replace("'", "''")
    try:
        connection.execute(
            f"""
            COPY (
                SELECT
                    ?::VARCHAR AS study, ?::VARCHAR AS target, mine.digest, theirs.digest AS rival,
                    wins, ties, images
                FROM win_rate
                JOIN transfer AS mine USING (study, transfer_id)
                JOIN transfer AS theirs
                    ON (theirs.study, theirs.transfer_id) = (win_rate.study, win_rate.rival_id)
                ORDER BY mine.digest, rival
            ) TO '{quoted}' (FORMAT parquet)
            """,
            [study, target],
        )
    except duckdb.Error as error:
        if is_s3(out):
            raise as_unreachable(file, error) from None
        raise _not_written(out, str(error).splitlines()[0]) from error
    if not is_s3(out):
        Path(written).replace(file)
    return file


def _check_out(out: str) -> None:
    """Refuse a file before anything is computed for it."""
    if not is_s3(out) and Path(out).exists() and not Path(out).is_dir():
        raise _not_written(out, "it is a file")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(str(out), str(error.strerror)) from error


def _not_written(out: str, reason: str) -> TaskonomyError:
    return TaskonomyError(f"--out {out}: no win rates can be written there: {reason}; name another")


def parsed(arguments: Sequence[str] | None) -> Partition:
    """Return the partition that a command line names; None: this process's own."""
    parser = argparse.ArgumentParser(
        prog="python -m taskonomy_warehouse.win_rate_job",
        description="Compute the win rates of one target of a study whose losses stay in files.",
    )
    parser.add_argument("--snapshot", required=True, metavar="URI", help="published snapshot")
    parser.add_argument("--study", required=True, metavar="NAME")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--target", metavar="TASK")
    which.add_argument("--index", type=int, help="number of the target, for an Indexed Job")
    parser.add_argument("--out", required=True, metavar="URI", help="folder for the win rates")
    return Partition(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
