"""What a running job says: its log read as it grows, turned into where each trial stands."""

from dataclasses import dataclass, field
from pathlib import Path

from taskonomy_catalogue.launch import (
    Event,
    Failed,
    Finished,
    Progressed,
    Saved,
    Started,
    parse_event,
)

MOST_AT_ONCE = 4_000_000
"""Bytes read in one go: a job that floods its log does not hold the runner up."""


@dataclass(slots=True)
class Standing:
    """Where a trial stands in its training."""

    step: int = 0
    steps: int = 0
    loss: float | None = None
    images_per_second: float | None = None

    @property
    def share(self) -> float:
        """Share of its steps that is done, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0


@dataclass(slots=True)
class LogTail:
    """A log from one attempt's first byte on."""

    path: Path
    offset: int
    standings: dict[str, Standing] = field(default_factory=dict)
    """By digest of the trials that have begun."""
    finished: set[str] = field(default_factory=set)
    """Digests the job says are finished; their `result.json` is what counts."""
    failures: dict[str, Failed] = field(default_factory=dict)
    """By digest; under "" one about the whole job."""
    saved: bool = False
    """Whether the last thing it said was that it saved and stops."""
    last_words: str = ""
    """The last line that is no event: of a crash, what happened."""
    _torn: bytes = b""

    def read(self) -> list[Event]:
        """Read what was written since, keep what it says, and return the new events."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                new = file.read(MOST_AT_ONCE)
        except FileNotFoundError:
            return []
        self.offset += len(new)
        *lines, self._torn = (self._torn + new).split(b"\n")
        events = []
        for line in lines:
            text = line.decode("utf-8", "replace")
            event = parse_event(text)
            if event is not None:
                self._keep(event)
                events.append(event)
            elif text.strip():
                self.last_words = text.strip()
        return events

    def read_all(self) -> None:
        """Read to the end, a line that was never ended too."""
        while True:
            before = self.offset
            self.read()
            if self.offset == before:
                break
        if self._torn.strip():
            self.last_words = self._torn.decode("utf-8", "replace").strip()

    def _keep(self, event: Event) -> None:
        self.saved = isinstance(event, Saved)
        if isinstance(event, Failed):
            self.failures[event.trial] = event
        elif isinstance(event, Finished):
            self.finished.add(event.trial)
        note_standing(self.standings, event)


def note_standing(standings: dict[str, Standing], event: Event) -> None:
    """Take in what an event says of where its trial stands, if it says anything."""
    if not isinstance(event, Started | Progressed):
        return
    standing = standings.setdefault(event.trial, Standing())
    standing.step, standing.steps = event.step, event.steps
    if isinstance(event, Progressed):
        standing.loss = event.loss
        standing.images_per_second = event.images_per_second
