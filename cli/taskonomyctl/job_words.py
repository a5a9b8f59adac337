"""What a job wrote, as lines for people: its events in words, other lines as they are."""

from collections.abc import Iterable, Iterator

from taskonomy_catalogue.launch import (
    Event,
    Failed,
    Finished,
    Progressed,
    Saved,
    SkippedImages,
    Started,
    Validated,
    parse_event,
)


def told_of(digest: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a job's log that are about a trial, or about the whole job."""
    for line in lines:
        event = parse_event(line)
        if event is None:
            yield line
        elif event.trial in (digest, ""):
            yield words(event)


def words(event: Event) -> str:
    """Return an event as a line for people."""
    return f"{event.time.astimezone():%H:%M:%S}  {_said(event)}"


def _said(event: Event) -> str:
    match event:
        case Started():
            begun = f"goes on at step {event.step}" if event.step else "started"
            return f"{begun}, {event.steps} steps" if event.steps else begun
        case Progressed():
            rate = event.images_per_second
            speed = "" if rate is None else f", {rate:.0f} images/s"
            return f"step {event.step}/{event.steps}, loss {_figure(event.loss)}{speed}"
        case Validated():
            return f"step {event.step}, validation loss {_figure(event.loss)}"
        case SkippedImages():
            return f"{event.count} images could not be read, the first: {event.first}"
        case Finished():
            return f"finished, mean loss {_figure(event.mean_loss)}, {event.seconds:.1f} s"
        case Failed():
            return f"failed ({event.code}): {event.reason}"
        case Saved():
            return f"saved at step {event.step} and stopped"


def _figure(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"
