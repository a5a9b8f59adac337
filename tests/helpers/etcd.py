"""What tests ask of etcd behind an API server's back, over its Unix socket."""

import base64
import http.client
import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def compact(etcd_socket: Path) -> int:
    """Have etcd forget its history, as an API server does every five minutes; return the revision.

    A watch or a page of a list that starts from before is answered 410 from then on.
    """
    key = base64.b64encode(b"any").decode()
    revision = int(_ask(etcd_socket, "range", {"key": key})["header"]["revision"])
    _ask(etcd_socket, "compaction", {"revision": str(revision), "physical": True})
    return revision


def _ask(etcd_socket: Path, what: str, asked: dict[str, object]) -> dict[str, Any]:
    with closing(_Connection(etcd_socket)) as connection:
        connection.request("POST", f"/v3/kv/{what}", json.dumps(asked))
        answer = connection.getresponse()
        content = json.loads(answer.read())
    if answer.status != 200 and "has been compacted" not in content.get("message", ""):
        raise RuntimeError(f"etcd: {content}")
    return dict(content)
