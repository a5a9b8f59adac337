"""The client of the API server against a server that answers as it is told; and its pace."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from taskonomy_catalogue.errors import NotFound
from taskonomy_operator import cluster as module
from taskonomy_operator.api_errors import ApiError, Away, Conflict, Expired, Refused
from taskonomy_operator.cluster import Cluster, connect
from taskonomy_operator.rate_limit import TokenBucket


class Told(BaseHTTPRequestHandler):
    """Gives the next of its answers, and notes what it was asked."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    asked: ClassVar[list[tuple[str, str, Any]]] = []

    def handle_one(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.asked.append((self.command, self.path, json.loads(body) if body else None))
        code, headers, content = self.answers.pop(0)
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    noted: list[float] = []
    monkeypatch.setattr("taskonomy_operator.cluster.time.sleep", noted.append)
    return noted


@contextmanager
def serving(tmp_path: Path, *answers: tuple[int, dict[str, str], bytes]) -> Iterator[Cluster]:
    Told.answers, Told.asked = list(answers), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        named = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [
                {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
            ],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        (tmp_path / "config").write_text(json.dumps(named))
        yield connect(kubeconfig=tmp_path / "config")
        server.shutdown()


def status(code: int, message: str = "no", reason: str = "", **headers: str) -> Any:
    content = {"kind": "Status", "code": code, "message": message, "reason": reason}
    return code, {k.replace("_", "-"): v for k, v in headers.items()}, json.dumps(content).encode()


FINE: tuple[int, dict[str, str], bytes] = (200, {}, b'{"kind": "Thing"}')


def test_a_server_that_says_later_is_asked_again_when_it_said(
    tmp_path: Path, waits: list[float]
) -> None:
    busy = status(429, Retry_After="3")
    with serving(tmp_path, busy, busy, status(503), FINE) as cluster:
        assert cluster.get("/x") == {"kind": "Thing"}
    assert len(waits) == 3
    assert all(3.0 <= wait <= 3.6 for wait in waits[:2])
    assert cluster.requests == {("GET", 429): 2, ("GET", 503): 1, ("GET", 200): 1}


def test_patience_ends(tmp_path: Path, waits: list[float]) -> None:
    with (
        serving(tmp_path, *[status(500, "etcd is slow")] * module.TRIES) as cluster,
        pytest.raises(Away, match="etcd is slow"),
    ):
        cluster.get("/x")
    assert len(waits) == module.TRIES - 1
    assert waits == sorted(waits)


def test_a_server_may_not_send_us_to_sleep(tmp_path: Path, waits: list[float]) -> None:
    with serving(tmp_path, status(429, Retry_After="86400"), FINE) as cluster:
        cluster.get("/x")
    assert waits[0] <= 1.2 * module.LONGEST_WAIT


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, Refused) for code in (400, 401, 403, 404, 422)),
        (409, Conflict),
        (410, Expired),
    ],
)
def test_what_asking_again_cannot_change_is_asked_once(
    tmp_path: Path, waits: list[float], code: int, kind: type[ApiError]
) -> None:
    with (
        serving(tmp_path, status(code, 'jobs.batch is forbidden: cannot "create"')) as cluster,
        pytest.raises(kind, match='cannot "create"') as raised,
    ):
        cluster.create("/x", {})
    assert (raised.value.code, waits) == (code, [])


def test_nobody_there_is_away(tmp_path: Path, waits: list[float]) -> None:
    with serving(tmp_path) as cluster:
        pass
    with pytest.raises(Away, match="does not answer"):
        cluster.get("/x")
    assert len(waits) == module.TRIES - 1


def test_writes_say_who_writes_and_are_strict(tmp_path: Path) -> None:
    with serving(tmp_path, FINE, FINE, FINE) as cluster:
        cluster.create("/x", {"a": 1})
        cluster.patch("/x/y", {"b": 2}, kind=module.APPLY_PATCH)
        cluster.replace("/x/y", {"c": 3})
    paths = [path for _, path, _ in Told.asked]
    assert paths == [
        "/x?fieldManager=taskonomy-operator&fieldValidation=Strict",
        "/x/y?fieldManager=taskonomy-operator&force=true",
        "/x/y?fieldManager=taskonomy-operator",
    ]


@pytest.mark.parametrize("gone", [status(404), status(409)])
def test_deleting_what_is_gone_or_was_made_anew_is_no_error(tmp_path: Path, gone: Any) -> None:
    with serving(tmp_path, gone) as cluster:
        cluster.delete("/x/y", uid="1")
    assert Told.asked[0][2] == {"propagationPolicy": "Background", "preconditions": {"uid": "1"}}


def test_a_watch_is_read_line_by_line_wherever_the_network_cuts_it(tmp_path: Path) -> None:
    events = [{"type": "ADDED", "object": {"n": n, "text": "é" * 50_000}} for n in range(5)]
    content = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    with serving(tmp_path, (200, {}, content)) as cluster:
        assert list(cluster.watch("/x", query={"resourceVersion": "5"}, silence=5)) == events
    assert Told.asked[0][1] == "/x?resourceVersion=5&watch=true&allowWatchBookmarks=true"


def test_no_cluster_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="set KUBECONFIG"):
        connect(kubeconfig=tmp_path / "absent")


# --- pace --------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(10, 5, clock=clock, sleep=clock.sleep)
    waits = [bucket.take() for _ in range(25)]
    assert waits[:5] == [0.0] * 5
    assert clock.now - 100.0 == pytest.approx(2.0)  # 20 more at 10 a second
    clock.now += 60
    assert [bucket.take() for _ in range(6)][:5] == [0.0] * 5  # rest is saved up to the burst


def test_threads_wait_their_turn() -> None:
    clock = Clock()
    noted: list[float] = []
    bucket = TokenBucket(10, 1, clock=clock, sleep=noted.append)
    threads = [threading.Thread(target=bucket.take) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(noted) == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(("qps", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_that_lets_none_through_is_refused(qps: float, burst: int) -> None:
    with pytest.raises(ValueError, match="let none through"):
        TokenBucket(qps, burst)
