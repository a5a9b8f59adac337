"""Whether the operator lives, whether it is ready, and its metrics, over HTTP.

`/healthz` is for the kubelet, which restarts what answers 503; so it asks whether the watches are
alive and never how much there is to do: a long queue is no reason to begin again.
"""

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator.metrics import Metrics

logger = logging.getLogger(__name__)

Check = Callable[[], str]
"""Says what is wrong; empty: nothing."""

TEXT = "text/plain; charset=utf-8"
PATIENCE = 10.0
"""Seconds a client may take to say what it wants."""


class HealthServer:
    """Answers `/healthz`, `/readyz` and `/metrics` while the operator does something else."""

    def __init__(self, port: int, metrics: Metrics, is_alive: Check, is_ready: Check) -> None:
        """Listen to nobody yet; `start` does.

        Args:
            port: to listen on, at every address of the pod; 0: any that is free.
            metrics: what `/metrics` shows.
            is_alive: what is so wrong that only a restart helps; empty: nothing.
            is_ready: why the operator cannot do its part now; empty: it can.
        """
        self.port = port
        self._metrics = metrics
        self._checks = {"/healthz": is_alive, "/readyz": is_ready}
        self._server: _Server | None = None

    def start(self) -> None:
        """Begin to answer.

        Raises:
            SettingRefused: the port is taken or not ours to listen on.
        """
        try:
            self._server = _Server(self.port, self._answer)
        except OSError as error:
            reason = error.strerror or error
            raise SettingRefused(
                f"port {self.port}: {reason}; choose another with --port"
            ) from error
        self.port = self._server.server_address[1]
        serve = partial(self._server.serve_forever, poll_interval=0.1)
        threading.Thread(target=serve, name="health", daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, path: str, accepts: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, type and content of what is at a path."""
        if path == "/metrics":
            encode, kind = choose_encoder(accepts)
            return HTTPStatus.OK, kind, encode(self._metrics.registry)
        if path not in self._checks:
            return HTTPStatus.NOT_FOUND, TEXT, b"there are /healthz, /readyz and /metrics\n"
        wrong = self._checks[path]()
        status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
        return status, TEXT, f"{wrong or 'ok'}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server_version, sys_version = "taskonomy-operator", ""
    server: "_Server"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status, kind, content = self.server.answer(path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        logger.debug(format, *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, port: int, answer: Callable[[str, str], tuple[int, str, bytes]]) -> None:
        self.answer = answer
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:  # pods have addresses of either kind, or both
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # not HTTPServer's: it asks the DNS for our own name, which may take many seconds
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]

    def handle_error(self, _: object, client_address: object) -> None:
        if isinstance(sys.exception(), OSError):
            logger.debug("%s went away before it was answered", client_address)
        else:
            logger.exception("a request of %s was not answered", client_address)
