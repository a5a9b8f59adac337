"""The one place that talks to an API server: JSON in, JSON out.

The official client finds the server and proves who we are (kubeconfig, in-cluster token, exec
plugins); its models are left aside, as reading 3,000 Jobs through them costs seconds and megabytes.
Requests are held to a rate, and a server that says "later" is asked again when it said.

What goes wrong is told in `api_errors`, by what to do next.
"""

import copy
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client, config  # noqa: TID251 - here alone

from taskonomy_catalogue.errors import NotFound
from taskonomy_operator.api_errors import ApiError, Away, Conflict, NotOurTurn, Refused, error_of
from taskonomy_operator.constants import MANAGER
from taskonomy_operator.rate_limit import TokenBucket

Object = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
JSON = "application/json"
METADATA = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)
"""Asks for metadata alone: what the pods of 3,000 Jobs are told stays on the server."""

TRIES = 6
"""Times a request is sent to a server that says "later"."""
LONGEST_WAIT = 30.0
"""Seconds between two of them, whatever the server wishes."""


class Cluster:
    """An API server, its requests held to a rate.

    Threads may share one. `requests` counts what was sent by verb and code.
    """

    def __init__(
        self,
        settings: "client.Configuration",
        *,
        qps: float = 50.0,
        burst: int = 100,
        tries: int = TRIES,
        timeout: float = 60.0,
    ) -> None:
        settings.connection_pool_maxsize = 32
        settings.retries = False  # what to send again is ours to say
        self._api = client.ApiClient(settings)
        self._pool: urllib3.PoolManager = self._api.rest_client.pool_manager
        self._host = settings.host
        self._limit = TokenBucket(qps, burst)
        self._tries, self._timeout = tries, timeout
        self._counting = threading.Lock()
        self._may_ask: Callable[[], bool] = lambda: True
        self.requests: Counter[tuple[str, int]] = Counter()

    def only_while(self, may_ask: Callable[[], bool]) -> "Cluster":
        """Return the same server, asked nothing any more once something does not hold.

        It is looked at before every try: a request may wait for minutes to be sent again.
        """
        guarded = copy.copy(self)  # connections, rate and counts are shared
        guarded._may_ask = may_ask
        return guarded

    def get(self, path: str, **query: str | int) -> Object:
        """Return an object or a list."""
        return self.request("GET", path, query=query)

    def metadata(self, path: str, **query: str | int) -> Object:
        """Return an object or a list with its metadata alone."""
        return self.request("GET", path, query=query, accept=METADATA)

    def create(self, path: str, thing: Object) -> Object:
        """Create an object in the list at a path; fields nobody knows are refused."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        return self.request("POST", path, body=thing, query=query)

    def replace(self, path: str, thing: Object) -> Object:
        """Replace an object; its resourceVersion says which state of it was meant."""
        return self.request("PUT", path, body=thing, query={"fieldManager": MANAGER})

    def patch(self, path: str, change: Object, *, kind: str = MERGE_PATCH) -> Object:
        """Change an object."""
        query: dict[str, str | int] = {"fieldManager": MANAGER}
        if kind == APPLY_PATCH:
            query["force"] = "true"
        return self.request("PATCH", path, body=change, query=query, content_type=kind)

    def delete(self, path: str, *, uid: str = "", propagation: str = "Background") -> None:
        """Delete an object and what it owns; one that is gone is no error.

        Args:
            path: the object's.
            uid: which object is meant: one made since under the same name is spared.
            propagation: whether it goes first (`Background`) or what it owns (`Foreground`).
        """
        options: Object = {"propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self.request("DELETE", path, body=options)
        except Conflict:
            if not uid:
                raise
        except Refused as error:
            if error.code != http.client.NOT_FOUND:
                raise

    def delete_collection(self, path: str, *, labelSelector: str) -> None:  # noqa: N803 - theirs
        """Delete what a selector finds in a list and, in the background, what that owns."""
        query = {"labelSelector": labelSelector, "propagationPolicy": "Background"}
        self.request("DELETE", path, query=query)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Object | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        """Return what the server answers; one that says "later" is asked again.

        Raises:
            ApiError: of the kind that says what to do next.
        """
        for attempt in range(1, self._tries + 1):
            if not self._may_ask():
                raise NotOurTurn(409, "NotOurTurn", "the lease is not held any more")
            try:
                answer = self._send(method, path, query, body, content_type, accept=accept)
                return _parsed(answer.data, path)
            except Away as error:
                # Without an answer nobody knows whether it was done. Every write of ours may be
                # sent twice: names are fixed, so a second creation is a conflict.
                if attempt == self._tries:
                    raise
                time.sleep(_patience(error.retry_after, attempt))
        raise AssertionError("unreachable")

    def watch(
        self, path: str, *, query: Mapping[str, str | int], silence: float
    ) -> Iterator[Object]:
        """Yield the events of a watch until the server ends it.

        Args:
            path: of the list.
            query: its selector and the resourceVersion to start from.
            silence: seconds without a line after which the connection counts as dead. The server
                sends a bookmark about once a minute.

        Raises:
            Away: the connection broke or fell silent.
        """
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        answer = self._send("GET", path, asked, None, "application/json", silence, stream=True)
        try:
            for line in _lines(answer):
                yield _parsed(line, path)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Away(0, "Silence", f"the watch of {path} broke: {error}") from error
        finally:
            with suppress(Exception):  # the connection may be dead already
                answer.close()

    def stream(
        self, path: str, *, query: Mapping[str, str | int], silence: float
    ) -> Iterator[bytes]:
        """Yield the lines of an answer that is text, such as a log, as they come.

        Args:
            path: of the subresource.
            query: its options.
            silence: seconds without a byte after which the connection counts as dead.

        Raises:
            ApiError: of the kind that says what to do next; `Away` too when the stream breaks.
        """
        answer = self._send("GET", path, query, None, JSON, silence, stream=True, accept="*/*")
        try:
            yield from _lines(answer, last=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Away(0, "Silence", f"the stream of {path} broke: {error}") from error
        finally:
            with suppress(Exception):  # the connection may be dead already
                answer.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Object | None,
        content_type: str,
        timeout: float | None = None,
        *,
        stream: bool = False,
        accept: str = JSON,
    ) -> urllib3.BaseHTTPResponse:
        self._limit.take()
        headers = {"Accept": accept, "User-Agent": MANAGER}
        if body is not None:
            headers["Content-Type"] = content_type
        self._api.update_params_for_auth(
            headers, [], ["BearerToken"], resource_path=path, method=method, body=body
        )
        url = f"{self._host}{path}"
        if query:
            url += "?" + urlencode(query)
        try:
            answer = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(
                    connect=min(10.0, self._timeout), read=timeout or self._timeout
                ),
                preload_content=not stream,
                retries=False,
            )
            self._count(method, answer.status)
            if answer.status >= http.client.BAD_REQUEST:
                raise _error(answer)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._count(method, 0)
            raise Away(0, "NoAnswer", f"{self._host} does not answer: {error}") from error
        return answer

    def _count(self, method: str, code: int) -> None:
        with self._counting:
            self.requests[method, code] += 1


def connect(
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    qps: float = 50,
    burst: int = 100,
    tries: int = TRIES,
    timeout: float = 60.0,
) -> Cluster:
    """Return the cluster that a kubeconfig or, in a pod, the pod's token leads to.

    Args:
        kubeconfig: its path; None: KUBECONFIG or ~/.kube/config, and in a pod the pod's own.
        context: its context; None: the current one.
        qps: requests a second.
        burst: requests at once after a rest.
        tries: times a request is sent to a server that says "later" or nothing.
        timeout: seconds to wait for an answer.

    Raises:
        NotFound: there is no cluster to be found.
    """
    settings = client.Configuration()
    try:
        if kubeconfig is None and context is None:
            with suppress(config.ConfigException):
                config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
                return Cluster(settings, qps=qps, burst=burst, tries=tries, timeout=timeout)
        file = str(kubeconfig) if kubeconfig else None
        config.load_kube_config(  # type: ignore[no-untyped-call]
            file, context=context, client_configuration=settings
        )
    except (config.ConfigException, OSError) as error:
        raise NotFound(f"no cluster: {error}; set KUBECONFIG, or --context") from error
    return Cluster(settings, qps=qps, burst=burst, tries=tries, timeout=timeout)


def _patience(wished: float, attempt: int) -> float:
    """Return how long to wait: what the server wished, else longer each time; never in step."""
    wait = wished or 0.2 * 2**attempt
    return min(wait, LONGEST_WAIT) * random.uniform(1.0, 1.2)  # noqa: S311 - not a secret


def _parsed(content: bytes, path: str) -> Object:
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise Away(0, "NoJson", f"the answer of {path} is no JSON: {content[:80]!r}") from error
    return answer if isinstance(answer, dict) else {"value": answer}


def _error(answer: urllib3.BaseHTTPResponse) -> ApiError:
    content = answer.data
    try:
        status = json.loads(content)
    except ValueError:
        status = {}
    code = answer.status
    message = status.get("message") or content[:200].decode(errors="replace") or f"HTTP {code}"
    return error_of(code, status.get("reason", ""), message, _seconds(answer))


def _seconds(answer: urllib3.BaseHTTPResponse) -> float:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def _lines(answer: urllib3.BaseHTTPResponse, *, last: bool = False) -> Iterator[bytes]:
    """Yield the lines of an answer; `last`: what follows the last line's end too."""
    rest = b""
    for piece in answer.stream(65_536):
        *lines, rest = (rest + piece).split(b"\n")
        yield from filter(None, lines)
    if last and rest:
        yield rest
