"""What the recorder sends and what it does not, against a list of what a server was sent."""

from typing import Any, cast

import pytest

from taskonomy_operator.api_errors import ApiError, Away, Conflict, Refused
from taskonomy_operator.cluster import Cluster, Object
from taskonomy_operator.events import LONGEST, MOST, WAITING, EventRecorder


class Server:
    """Keeps events by name, and fails as it is told."""

    def __init__(self) -> None:
        self.events: dict[str, Object] = {}
        self.writes: list[str] = []
        self.fails: ApiError | None = None

    def create(self, path: str, thing: Object) -> Object:
        self.writes.append("create")
        self._fail()
        assert path == f"/api/v1/namespaces/{thing['metadata']['namespace']}/events"
        self.events[thing["metadata"]["name"]] = thing
        return thing

    def patch(self, path: str, change: Object) -> Object:
        self.writes.append("patch")
        self._fail()
        name = path.rpartition("/")[2]
        if name not in self.events:
            raise Refused(404, "NotFound", "gone")
        self.events[name] |= change
        return self.events[name]

    def _fail(self) -> None:
        failure, self.fails = self.fails, None
        if failure:
            raise failure


class Told:
    """A recorder, its server, and a clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.server = Server()
        self.recorder = EventRecorder(cast(Cluster, self.server), lambda: self.now)

    def record(self, message: str, *, study: str = "rooms", reason: str = "Started") -> None:
        self.recorder.record(a_study(study), "Normal", reason, message)
        assert self.recorder.flush()

    def counts(self) -> dict[str, int]:
        return {event["message"]: event["count"] for event in self.server.events.values()}


@pytest.fixture
def told() -> Told:
    return Told()


def a_study(name: str) -> Object:
    meta = {"name": name, "namespace": "team-a", "uid": f"uid-{name}", "resourceVersion": "7"}
    return {"metadata": meta}


def test_an_event_names_its_study(told: Told) -> None:
    told.recorder.record(a_study("rooms"), "Warning", "TrialFailed", "exit 64")
    assert told.recorder.flush()
    ((name, event),) = told.server.events.items()
    assert name.startswith("rooms.")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "team-a"},
        "involvedObject": {
            "apiVersion": "taskonomy.dev/v1alpha1",
            "kind": "Study",
            "name": "rooms",
            "namespace": "team-a",
            "uid": "uid-rooms",
            "resourceVersion": "7",
        },
        "type": "Warning",
        "reason": "TrialFailed",
        "message": "exit 64",
        "source": {"component": "taskonomy-operator"},
        "reportingComponent": "taskonomy-operator",
        "firstTimestamp": "1970-01-12T13:46:40Z",
        "lastTimestamp": "1970-01-12T13:46:40Z",
        "count": 1,
    }


def test_the_same_news_counts_up(told: Told) -> None:
    for _ in range(3):
        told.record("a")
        told.now += 60
    told.record("b")
    told.record("a", reason="Other")
    told.record("a", study="more")
    assert told.server.writes == ["create", "patch", "patch", "create", "create", "create"]
    first = next(iter(told.server.events.values()))
    assert (first["count"], first["firstTimestamp"], first["lastTimestamp"]) == (
        3,
        "1970-01-12T13:46:40Z",
        "1970-01-12T13:48:40Z",
    )


def test_after_ten_quiet_minutes_it_is_news_again(told: Told) -> None:
    told.record("a")
    told.now += 599
    told.record("a")
    told.now += 601
    told.record("a")
    assert told.server.writes == ["create", "patch", "create"]
    assert [event["count"] for event in told.server.events.values()] == [2, 1]


def test_a_study_with_much_to_say_is_cut_short_and_others_are_not(told: Told) -> None:
    told.record("first")
    for n in range(100):
        told.record(f"news {n}")
        told.record("first")
    assert len(told.server.writes) == MOST
    told.record("heard", study="more")
    assert len(told.server.writes) == MOST + 1
    told.now += 301
    told.record("first")
    assert told.counts()["first"] == 102  # what was not written then is told now
    told.record("news 99")
    assert told.counts()["news 99"] == 1


def test_what_is_over_is_forgotten(told: Told) -> None:
    for n in range(100):
        told.record("a", study=f"s-{n}")
        told.now += 10
    assert len(cast(Any, told.recorder)._studies) <= 61


def test_a_server_that_is_away_costs_the_event_alone(told: Told) -> None:
    told.server.fails = Away(0, "NoAnswer", "away")
    told.record("a")
    assert told.server.events == {}
    told.record("a")
    assert told.counts() == {"a": 2}
    told.server.fails = Refused(403, "Forbidden", "may not patch events")
    told.record("a")
    told.record("a")
    assert told.counts() == {"a": 4}


def test_one_sent_twice_is_one(told: Told) -> None:
    told.server.fails = Conflict(409, "AlreadyExists", "there already")
    told.record("a")
    told.record("a")
    # the first was kept there, so far as the recorder can know; here it was not, so it is made anew
    assert told.server.writes == ["create", "patch", "create"]
    assert told.counts() == {"a": 2}


def test_an_event_that_the_server_forgot_is_made_again(told: Told) -> None:
    told.record("a")
    told.server.events.clear()
    told.record("a")
    assert told.counts() == {"a": 2}


def test_messages_are_one_line_and_not_too_long(told: Told) -> None:
    told.record("  a\n\tb\x1b[31m\u2028c  ")
    told.record("x" * 5000)
    one, long = told.counts()
    assert one == "a b [31m c"
    assert (len(long), long[-1]) == (LONGEST, "…")
    assert len(long.encode()) <= 1024


def test_what_is_no_study_raises_nothing(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.recorder.record({}, "Normal", "NoStudy", "at all")
    assert told.recorder.flush()
    assert "could not be written" in caplog.text
    told.record("a")
    assert told.counts() == {"a": 1}


def test_recording_never_waits_and_a_backlog_is_cut(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told.recorder, "_start", lambda: None)  # nobody sends
    for n in range(WAITING + 50):
        told.recorder.record(a_study("rooms"), "Normal", "Started", str(n))
    assert not told.recorder.flush(patience=0)
    assert cast(Any, told.recorder)._news.qsize() == WAITING
