"""A pod's log over connections that break, from a server that answers as it is told."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from taskonomy_catalogue.errors import NotFound
from taskonomy_operator.cluster import connect
from taskonomy_operator.seen_on_cluster import Namespace
from taskonomyctl.cluster_logs import _pod_lines


class Told(BaseHTTPRequestHandler):
    """Gives the next of its answers, whole or broken off, and notes what it was asked."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[tuple[int, bytes, bool]]] = []
    asked: ClassVar[list[dict[str, list[str]]]] = []

    def do_GET(self) -> None:
        self.asked.append(parse_qs(urlsplit(self.path).query))
        code, content, is_whole = self.answers.pop(0)
        self.send_response(code)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        if is_whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Any]:
    Told.answers, Told.asked = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        named = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [
                {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
            ],
            "users": [{"name": "u", "user": {}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(named))
        space = Namespace(connect(kubeconfig=tmp_path / "config"), "vision")
        study = SimpleNamespace(spec=SimpleNamespace(tracking=""), name="rooms")
        yield SimpleNamespace(space=space, study=study)
        server.shutdown()


NODE: Any = SimpleNamespace(trial=SimpleNamespace(title="scratch x"), digest="d" * 64)


def test_what_a_broken_connection_had_said_is_not_said_again(asked: Any) -> None:
    first = b"2026-01-01T00:00:01.1Z one\n2026-01-01T00:00:02.2Z two\n2026-01-01T00:0"
    again = b"2026-01-01T00:00:02.2Z two\n2026-01-01T00:00:02.3Z three\n2026-01-01T00:00:03Z four"
    Told.answers = [(200, first, False), (200, again, True)]
    assert list(_pod_lines(asked, NODE, "pod-1", True)) == ["one", "two", "three", "four"]
    assert [query.get("sinceTime") for query in Told.asked] == [None, ["2026-01-01T00:00:02Z"]]
    assert Told.asked[0]["follow"] == ["true"]
    assert Told.asked[0]["container"] == ["train"]


def test_a_log_that_is_gone_says_where_the_record_is(asked: Any) -> None:
    gone = b'{"kind": "Status", "reason": "NotFound", "message": "pods \\"pod-1\\" not found"}'
    Told.answers = [(404, gone, True)]
    with pytest.raises(NotFound, match="experiment 'rooms', run 'scratch x'"):
        list(_pod_lines(asked, NODE, "pod-1", False))
