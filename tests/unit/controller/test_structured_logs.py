"""Lines of the log, read as a collector reads them: one JSON object each."""

import io
import json
import logging
import math
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator.structured_logs import JsonLines, about, set_up

NASTY = "a\nb\r\nc\u2028d\x85e\x00f\x1b[31m \"q\" 'r' \\ {} 名前"

Read = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the process its logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    # logging takes handlers that it replaces for its own and closes them
    root.handlers = []
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    logging.getLogger("taskonomy_operator").setLevel(logging.NOTSET)


@pytest.fixture
def said() -> Read:
    """Log as JSON, and return what reads it: each line must be one object."""
    stream = io.StringIO()
    set_up("info", "json", stream)

    def read() -> list[dict[str, Any]]:
        text = stream.getvalue()
        assert text.isascii()
        assert text == "" or text.endswith("\n")
        return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]

    return read


def test_a_line_has_time_level_logger_message_and_fields(said: Read) -> None:
    logging.getLogger("a.b").info("made %d Jobs", 3, extra={"study": "rooms", "trial": "0a"})
    logging.getLogger("a.b").debug("not said")
    (line,) = said()
    assert datetime.fromisoformat(line.pop("time")).utcoffset() is not None
    assert line == {
        "level": "info",
        "logger": "a.b",
        "message": "made 3 Jobs",
        "study": "rooms",
        "trial": "0a",
    }


def test_fields_stay_with_a_logger_and_add_up(said: Read) -> None:
    of_study = about(logging.getLogger("a"), study="rooms", namespace="team-a")
    of_job = about(of_study, job="rooms-1")
    of_job.warning("slow", extra={"trial": "0a", "namespace": "team-b"})
    of_study.info("fine")
    first, second = said()
    assert [first[key] for key in ("study", "namespace", "job", "trial")] == [
        "rooms",
        "team-b",
        "rooms-1",
        "0a",
    ]
    assert (second["study"], "job" in second) == ("rooms", False)


def test_whatever_a_user_wrote_stays_in_one_line(said: Read) -> None:
    about(logging.getLogger("a"), study=NASTY).info("study %s", NASTY, extra={NASTY: 1})
    (line,) = said()
    assert line["study"] == NASTY
    assert line["message"] == f"study {NASTY}"
    assert line[NASTY] == 1


def test_half_a_character_is_no_harm() -> None:
    """Formatted, not logged: what pytest captures is sent between its processes as UTF-8."""
    record = logging.LogRecord("a", logging.INFO, __file__, 1, "study %s", ("\ud800",), None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert json.loads(line)["message"] == "study \ud800"


def test_a_traceback_is_one_field(said: Read) -> None:
    try:
        raise ValueError(NASTY)
    except ValueError:
        logging.getLogger("a").exception("failed", stack_info=True)
    (line,) = said()
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert "ValueError: a\nb" in line["exception"]
    assert "Stack (most recent call last):\n" in line["stack"]


def test_what_json_does_not_know_is_written_as_text(said: Read) -> None:
    ring: dict[str, object] = {}
    ring["self"] = ring
    logging.getLogger("a").info(
        "odd",
        extra={
            "age": math.inf,
            "nested": {"deep": math.nan},
            "listed": [math.inf],
            "when": datetime(2026, 3, 1),
            "keys": {(1, 2): 3},
            "ring": ring,
        },
    )
    (line,) = said()
    assert (line["age"], line["listed"], line["keys"]) == ("inf", "[inf]", "{(1, 2): 3}")
    assert (line["message"], line["when"]) == ("odd", "2026-03-01 00:00:00")


def test_a_field_cannot_pass_for_one_of_ours(said: Read) -> None:
    logging.getLogger("a").info("true", extra={"level": "critical", "time": "never", "logger": "x"})
    (line,) = said()
    assert (line["level"], line["logger"], line["message"]) == ("info", "a", "true")
    assert line["time"] != "never"


def test_words_that_do_not_fit_are_said_all_the_same() -> None:
    record = logging.makeLogRecord({"msg": "%d and %d", "args": ("one",)})
    assert json.loads(JsonLines().format(record))["message"] == "%d and %d ('one',)"


def test_warnings_and_what_nobody_caught_are_lines_too(said: Read) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("mind this", stacklevel=1)
    try:
        raise RuntimeError("out of luck\nreally")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)

    def fail() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail, name="jobs of team-a")
    thread.start()
    thread.join()
    warned, ended, in_thread = said()
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert "mind this" in warned["message"]
    assert ended["level"] == "critical"
    assert "out of luck\nreally" in ended["exception"]
    assert in_thread["message"] == "jobs of team-a ended"
    assert "in a thread" in in_thread["exception"]


def test_text_is_for_people() -> None:
    stream = io.StringIO()
    set_up("debug", "text", stream)
    about(logging.getLogger("a"), study=NASTY).debug("study %s\nis new", "rooms")
    (line,) = stream.getvalue().splitlines()
    assert " DEBUG   a: study rooms\\nis new study=" in line
    assert "\x1b" not in line
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("a").exception("failed")
    assert stream.getvalue().splitlines()[-1] == "ValueError: why"


@pytest.mark.parametrize("level", ["loud", "", "10", "NOTSET"])
def test_an_unknown_level_is_refused(level: str) -> None:
    with pytest.raises(SettingRefused, match="choose one of debug, info, warning, error"):
        set_up(level, "json")


def test_levels_may_be_written_large() -> None:
    set_up("WARNING", "json", io.StringIO())
    assert logging.getLogger().level == logging.WARNING
