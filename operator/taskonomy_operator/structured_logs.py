"""What the operator says, one line each: JSON for machines, or text for people.

A line is an object with `time`, `level`, `logger` and `message`, then the fields that whoever logs
gives by ``extra``: ``study``, ``namespace``, ``trial``, ``job``. Whatever a user called a study,
and whatever a traceback looks like, a line stays one line.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

from taskonomy_catalogue.errors import SettingRefused

Form = Literal["json", "text"]
Logger = logging.Logger | logging.LoggerAdapter[Any]

LEVELS = ("debug", "info", "warning", "error")

_OF_EVERY_RECORD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROL |= {ord(c): ascii(c)[1:-1] for c in "\t\n\r\u2028\u2029"}


def set_up(level: str, form: Form, stream: TextIO | None = None) -> None:
    """Have everything that is logged, warned of or raised by nobody's fault go out as lines.

    Args:
        level: least level that is said: debug, info, warning or error.
        form: JSON for a collector, text for a person.
        stream: where to; None: standard error, as it is now.

    Raises:
        SettingRefused: the level is none of those.
    """
    if level.lower() not in LEVELS:
        raise SettingRefused(f"no log level {level!r}; choose one of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def about(logger: Logger, **fields: object) -> "logging.LoggerAdapter[Any]":
    """Return a logger that gives these fields with every line, beside those of each call."""
    return _About(logger, fields)


class _About(logging.LoggerAdapter[Any]):
    def process(
        self, msg: object, kwargs: MutableMapping[str, Any]
    ) -> tuple[object, MutableMapping[str, Any]]:
        given: Mapping[str, object] = kwargs.get("extra") or {}
        return msg, {**kwargs, "extra": {**(self.extra or {}), **given}}


class JsonLines(logging.Formatter):
    """A record as one JSON object, without a line end in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        for name, value in _fields(record).items():
            line.setdefault(name, value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return _json(line)


class TextLines(logging.Formatter):
    """A record as a sentence with its fields behind; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = "".join(f" {name}={_json(value)}" for name, value in _fields(record).items())
        said = _message(record).translate(_CONTROL)
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {said}{fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # words that do not fit: our slip, and no reason to be silent
        return f"{record.msg} {record.args!r}"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}


def _json(value: object) -> str:
    """Return JSON in ASCII, whatever is given: lines end in many ways, and JSON has no infinity."""
    try:
        return json.dumps(value, default=str, allow_nan=False)
    except (TypeError, ValueError):  # not finite, keys that are no text, a thing inside itself
        if isinstance(value, dict):
            return json.dumps({str(name): _plain(inner) for name, inner in value.items()})
        return json.dumps(str(value))


def _plain(value: object) -> object:
    """Return what JSON can say as it is, anything else as text."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("taskonomy_operator").critical("ended", exc_info=(kind, error, trace))


def _uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is None or caught.exc_type is SystemExit:
        return
    name = caught.thread.name if caught.thread else "a thread"
    logging.getLogger("taskonomy_operator").critical(
        "%s ended", name, exc_info=(caught.exc_type, caught.exc_value, caught.exc_traceback)
    )
