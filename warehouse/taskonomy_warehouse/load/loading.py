"""`load`: what a study's trials left behind, into the warehouse, whatever happened before.

Trials that are in already are passed over, so a load ends what another began. Each batch is one
transaction: a load that is killed leaves whole batches, and the next one does the rest. Nothing
depends on the order in which trials finish.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import duckdb

from taskonomy_catalogue.study import Study
from taskonomy_warehouse.load.candidates import Candidate, sift
from taskonomy_warehouse.load.find import Findings
from taskonomy_warehouse.load.heldout import JURY, check_images, settle, settled
from taskonomy_warehouse.load.insert import insert_trials, loaded_digests, replace_quarantine
from taskonomy_warehouse.load.losses import measure
from taskonomy_warehouse.load.refusals import Refusal
from taskonomy_warehouse.load.study import declare_study
from taskonomy_warehouse.warehouse import transaction
from taskonomy_warehouse.win_rates import update_win_rates

BATCH = 64
"""Trials in one transaction: what a kill can undo, and 3.5 million rows at the paper's 54,514
images, which fit in memory many times over."""

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
    progress: Progress = lambda _done, _total: None,
) -> Loaded:
    """Load every finished trial that is not in yet, and bring the win rates up to date.

    Args:
        connection: the warehouse, open to write.
        study: what was asked; its trials and no others are loaded.
        findings: the finished trials (`find_in_artifacts`, `find_in_tracking`).
        origin: where the study was read from, for people.
        progress: is told after every batch.

    Raises:
        SettingRefused: the study is not the one that was loaded under this name before.
        Unreachable: the artifacts' server went away; what was committed stays.
    """
    _forget_files(connection)
    with transaction(connection):
        declare_study(connection, study, origin)
    done = loaded_digests(connection, study.name)
    new = [each for each in findings.finished if each.digest not in done]
    sifted = sift(connection, study, new)
    trials, rows = 0, 0
    refusals = list(sifted.refusals)
    for batch in _batches(sifted.candidates):
        inserted, refused = _load_batch(connection, study.name, batch)
        trials += len(batch) - len(refused)
        rows += inserted
        refusals += refused
        progress(trials + len(refusals), len(sifted.candidates) + len(sifted.refusals))
    with transaction(connection):
        replace_quarantine(connection, study.name, refusals, findings.covers)
    update_win_rates(connection, study.name)
    return Loaded(
        study=study.name,
        trials=trials,
        rows=rows,
        known=len(findings.finished) - len(new),
        others=sifted.others,
        refusals=tuple(refusals),
        notes=findings.notes,
    )


def _forget_files(connection: duckdb.DuckDBPyConnection) -> None:
    """Make DuckDB read files anew: one put right within a second of an earlier look is not stale."""
    connection.execute("SET enable_external_file_cache = false")
    connection.execute("SET enable_external_file_cache = true")


def _load_batch(
    connection: duckdb.DuckDBPyConnection, study: str, batch: Sequence[Candidate]
) -> tuple[int, list[Refusal]]:
    """Load what is sound of a batch of one target; return the rows and what is not sound."""
    target = batch[0].target
    measured, refusals = measure(connection, batch)
    with transaction(connection):
        images = settled(connection, study, target)
        if images is None:
            images = settle(connection, study, target, measured[:JURY])
        sound, judged_otherwise = check_images(connection, study, images, measured)
        rows = insert_trials(connection, study, sound)
    return rows, refusals + judged_otherwise


def _batches(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Yield the candidates of each target in parts of at most `BATCH`."""
    for _, group in groupby(candidates, key=attrgetter("target")):
        of_target = list(group)
        for start in range(0, len(of_target), BATCH):
            yield of_target[start : start + BATCH]
