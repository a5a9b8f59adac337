"""A proxy before an API server that is in trouble when a test says so.

It answers 429 to a share of the requests, holds some back, makes pages of lists small, and lets
watches fall silent without ending them: what overloaded servers, priority and fairness, and load
balancers do. What it passes on is passed on as it is.
"""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import yaml
from kube import Kube

TOO_MANY = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "too many requests, please try again later",
    "reason": "TooManyRequests",
    "code": 429,
}


class KubeProxy:
    """The proxy; it serves for as long as the block it is used in lasts."""

    def __init__(self, kube: Kube, *, seed: int = 0) -> None:
        self.kube = kube
        self.refused_share = 0.0
        """Of the requests, watches among them, how many are answered 429."""
        self.lost_share = 0.0
        """Of the requests but watches, how many are done and then not answered."""
        self.retry_after = 1
        """Seconds such an answer asks to wait."""
        self.page: int | None = None
        """Most objects in a page of a list; None: as many as are asked for."""
        self.before: Callable[[str, dict[str, str]], None] = lambda _path, _query: None
        """Called with path and query before a request is passed on."""
        self.asked: Counter[str] = Counter()
        """Requests by what became of them: passed, refused, lost or watch."""
        self._silent = threading.Event()
        self._random = random.Random(seed)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self

    def __enter__(self) -> "KubeProxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def silence(self) -> None:
        """Let every watch there is now fall silent for ever; those begun later are fine."""
        silent, self._silent = self._silent, threading.Event()
        silent.set()

    def kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig of somebody whose way leads through here."""
        config = yaml.safe_load(self.kube.kubeconfig.read_text(encoding="utf-8"))
        port = self._server.server_address[1]
        for entry in config["clusters"]:
            entry["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def _happens(self, share: float) -> bool:
        return self._random.random() < share


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: KubeProxy

    def handle_error(self, *_: object) -> None:
        pass  # somebody was killed, or the API server restarted: that is what it is for


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if proxy._happens(proxy.refused_share):
            proxy.asked["refused"] += 1
            self._refuse()
            return
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        proxy.before(parts.path, query)
        if proxy.page is not None and "limit" in query:
            query["limit"] = str(proxy.page)
        url = f"{parts.path}?{urlencode(query)}" if query else parts.path
        is_watch = "watch" in query
        proxy.asked["watch" if is_watch else "passed"] += 1
        with closing(proxy.kube.connection(timeout=400)) as link:
            link.request(self.command, url, body or None, self._headers())
            answer = link.getresponse()
            if is_watch and answer.status == 200:
                self._pass_on_lines(answer, proxy._silent)
            elif not is_watch and proxy._happens(proxy.lost_share):
                proxy.asked["lost"] += 1
                answer.read()
                self.close_connection = True  # it was done, and nobody hears of it
            else:
                self._pass_on(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the library's names

    def _headers(self) -> dict[str, str]:
        kept = ("accept", "content-type", "user-agent", "authorization")
        return {name: value for name, value in self.headers.items() if name.lower() in kept}

    def _refuse(self) -> None:
        content = json.dumps(TOO_MANY).encode()
        self.send_response(429)
        self.send_header("Retry-After", str(self.server.proxy.retry_after))
        self._send(content, "application/json")

    def _pass_on(self, answer: http.client.HTTPResponse) -> None:
        content = answer.read()
        self.send_response(answer.status)
        if "Retry-After" in answer.headers:
            self.send_header("Retry-After", answer.headers["Retry-After"])
        self._send(content, answer.headers.get("Content-Type", "application/json"))

    def _send(self, content: bytes, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _pass_on_lines(self, answer: http.client.HTTPResponse, silent: threading.Event) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in answer:
            if silent.is_set():
                self._hang()
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def _hang(self) -> None:
        """Say nothing any more, and keep the connection, until the other side gives it up."""
        with suppress(OSError):
            self.rfile.read(1)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
