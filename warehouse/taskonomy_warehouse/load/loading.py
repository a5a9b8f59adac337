"""`load`: what a study's trials left behind, into the warehouse, whatever happened before.

Trials that are in already are passed over, so a load ends what another began. Each batch is one
transaction: a load that is killed leaves whole batches, and the next one does the rest. Nothing
depends on the order in which trials finish.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import duckdb

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.study import Study
from taskonomy_catalogue.study_trials import count_trials
from taskonomy_warehouse.load.candidates import Candidate, sift
from taskonomy_warehouse.load.find import Findings
from taskonomy_warehouse.load.heldout import check_images, settle, settled
from taskonomy_warehouse.load.insert import (
    insert_losses,
    insert_trials,
    keep_losses,
    loaded_digests,
    replace_quarantine,
)
from taskonomy_warehouse.load.losses import Figures, check_alone, check_rows, figures_of_trials
from taskonomy_warehouse.load.reading import ReadBatch, read_batch
from taskonomy_warehouse.load.refusals import Refusal
from taskonomy_warehouse.load.study import declare_study
from taskonomy_warehouse.loss_matrix import keep_for_comparing
from taskonomy_warehouse.s3 import is_s3
from taskonomy_warehouse.warehouse import share_out, transaction
from taskonomy_warehouse.win_rates import FEW, made_ahead, update_win_rates

BATCH = 8_000_000
"""Most losses in one transaction: what a kill can undo, and 130 MB of memory. At the paper's 54,514
images that is all that is known of a target."""

MOST_COPIED = 50_000_000
"""Losses of a study, all its trials done, up to which they are copied into the warehouse unless
asked otherwise. Copying this many takes about 4 s and 0.6 GB, and no computation needs the copy."""

Progress = Callable[[int, int], None]
"""Is told how many trials are done and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a load did."""

    study: str
    trials: int
    """Trials loaded now."""
    rows: int
    """Their losses."""
    known: int
    """Trials that were in already."""
    others: int
    """Finished trials passed over: trained for other studies and not asked for by this one."""
    refusals: tuple[Refusal, ...]
    """Finished trials that are not loaded, with the reason, by target and digest."""
    notes: tuple[str, ...]
    """What the user should know besides."""

    @property
    def exit_code(self) -> int:
        """0, or 3 when something is in quarantine."""
        return 3 if self.refusals else 0


def load(
    connection: duckdb.DuckDBPyConnection,
    study: Study,
    findings: Findings,
    *,
    origin: str,
    losses_stay: bool | None = None,
    compute: bool = True,
    progress: Progress = lambda _done, _total: None,
) -> Loaded:
    """Load every finished trial that is not in yet, and bring the win rates up to date.

    Args:
        connection: the warehouse, open to write.
        study: what was asked; its trials and no others are loaded.
        findings: the finished trials (`find_in_artifacts`, `find_in_tracking`).
        origin: where the study was read from, for people.
        losses_stay: whether losses are checked and left in their files; None: as at the study's
            first load, and at this if the study will come to more than `MOST_COPIED`.
        compute: whether win rates are brought up to date; if not, `win_rate_job` makes them.
        progress: is told after every batch.

    Raises:
        SettingRefused: the study is not the one that was loaded under this name before, or its
            losses were loaded the other way.
        InputRefused: losses that stayed in their files are gone or other than they were.
        Unreachable: the artifacts' server went away; what was committed stays.
    """
    _forget_files(connection, findings)
    with transaction(connection):
        declare_study(connection, study, origin)
    before = stayed_before(connection, study.name, losses_stay)
    done = loaded_digests(connection, study.name)
    new = [each for each in findings.finished if each.digest not in done]
    sifted = sift(connection, study, new)
    share_out(connection, much=len(sifted.candidates) > FEW)
    choices = (before, losses_stay, _is_large(study, sifted.candidates))
    stay = next(choice for choice in choices if choice is not None)
    trials, rows = 0, 0
    refusals = list(sifted.refusals)
    batches = list(_batches(sifted.candidates))

    def read(batch: Sequence[Candidate]) -> ReadBatch:
        return read_batch(connection.cursor(), batch, rows=stay)

    for batch, content in made_ahead(read, batches):
        inserted, refused = _load_batch(connection, study.name, content, stay)
        if stay and compute and len(content.losses) > FEW:  # a few are as soon read again
            keep_for_comparing(connection, study.name, batch[0].target, content.losses)
        trials += len(batch) - len(refused)
        rows += inserted
        refusals += refused
        progress(trials + len(refusals), len(sifted.candidates) + len(sifted.refusals))
    with transaction(connection):
        replace_quarantine(connection, study.name, refusals, findings.covers)
    if compute:
        update_win_rates(connection, study.name)
    return Loaded(
        study=study.name,
        trials=trials,
        rows=rows,
        known=len(findings.finished) - len(new),
        others=sifted.others,
        refusals=tuple(refusals),
        notes=findings.notes + (_SAID if stay and (before, losses_stay) == (None, None) else ()),
    )


def stayed_before(
    connection: duckdb.DuckDBPyConnection, study: str, asked: bool | None
) -> bool | None:
    """Return whether losses stayed in their files, as they always do then; None: there are none.

    Raises:
        SettingRefused: something else is asked for.
    """
    rows = connection.execute(
        "SELECT DISTINCT digest NOT IN (SELECT digest FROM trial) FROM trial_result "
        "WHERE study = ?",
        [study],
    ).fetchall()
    before = {bool(stayed) for (stayed,) in rows}
    if asked and before == {False}:
        raise SettingRefused(
            f"the losses of study {study!r} are in this warehouse; load it into another to leave "
            "them where they are"
        )
    if asked is False and True in before:
        raise SettingRefused(
            f"the losses of study {study!r} stay in their files: they are not copied, nor in a "
            "snapshot (--no-losses-stay, --publish-losses); load it into another warehouse for that"
        )
    return True in before if before else None


def _is_large(study: Study, candidates: Sequence[Candidate]) -> bool:
    """Return whether a study comes to many losses: by all it asks for, not by what is done so far.

    So the answer does not depend on how much was trained before the first load.
    """
    images = max((candidate.result.images for candidate in candidates), default=0)
    return sum(count_trials(study).values()) * images > MOST_COPIED


_SAID = (
    "its losses stay in their files: leave these where they are (--no-losses-stay, given to the "
    "first load, copies them into the warehouse)",
)


def _forget_files(connection: duckdb.DuckDBPyConnection, findings: Findings) -> None:
    """Make DuckDB read files anew, be they put right within a second of an earlier look.

    From now on it remembers what it reads from S3: footers and rows are asked for one after the
    other. Of local files the system remembers enough, and copies of its own take a quarter longer.
    """
    far = any(is_s3(each.folder) for each in findings.finished)
    connection.execute("SET enable_external_file_cache = false")
    connection.execute(f"SET enable_external_file_cache = {far}")


def _load_batch(
    connection: duckdb.DuckDBPyConnection, study: str, batch: ReadBatch, losses_stay: bool
) -> tuple[int, list[Refusal]]:
    """Load what is sound of a batch of one target; return the rows and what is not sound."""
    readable, refusals = list(batch.readable), list(batch.refusals)
    figures = batch.figures if losses_stay else None
    try:
        rows, unsound = _load_readable(connection, study, readable, figures)
    except duckdb.Error:
        readable, broken = check_alone(connection, readable)
        if not broken:
            raise
        refusals += broken
        rows, unsound = _load_readable(connection, study, readable, figures)
    return rows, refusals + unsound


def _load_readable(
    connection: duckdb.DuckDBPyConnection,
    study: str,
    batch: Sequence[Candidate],
    in_files: Mapping[int, Figures] | None,
) -> tuple[int, list[Refusal]]:
    """Load readable files; ``in_files``: their figures, for losses that stay where they are."""
    if not batch:
        return 0, []
    target = batch[0].target
    with transaction(connection):
        if in_files is None:
            numbered, rows = insert_losses(connection, batch)
            figures: Mapping[int, Figures] = figures_of_trials(connection, numbered)
        else:
            numbered, rows, figures = dict(enumerate(batch)), 0, in_files
        measured, unsound = check_rows(connection, numbered, figures)
        images = settled(connection, study, target)
        if images is None:
            images = settle(connection, study, target, measured)
        sound, judged_otherwise = check_images(connection, study, images, measured)
        insert_trials(connection, study, sound)
        if in_files is None:
            rows -= keep_losses(connection, numbered, sound)
    return rows, unsound + judged_otherwise


def _batches(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Yield the candidates of each target in parts of at most `BATCH` losses, or one trial."""
    for _, group in groupby(candidates, key=attrgetter("target")):
        batch: list[Candidate] = []
        losses = 0
        for candidate in group:
            losses += candidate.result.images
            if batch and losses > BATCH:
                yield batch
                batch, losses = [], candidate.result.images
            batch.append(candidate)
        yield batch
