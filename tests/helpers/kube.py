"""A small client of a Kubernetes API server, in plain JSON: what tests ask it without our code."""

import base64
import http.client
import json
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import yaml

Object = dict[str, Any]

_PLURALS = {"Study": "studies", "Lease": "leases", "PriorityClass": "priorityclasses"}
_CLUSTER_WIDE = {
    "Namespace",
    "Node",
    "PriorityClass",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "PersistentVolume",
}


class ApiError(Exception):
    """The server's refusal, as a Status object."""

    def __init__(self, code: int, status: Object) -> None:
        self.code, self.status = code, status
        super().__init__(f"{code}: {status.get('message', status)}")

    @property
    def message(self) -> str:
        """The sentence a person would read."""
        return str(self.status.get("message", ""))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Each field that is blamed, and why."""
        causes = self.status.get("details", {}).get("causes", [])
        return [(cause.get("field", ""), cause.get("message", "")) for cause in causes]


class Kube:
    """Requests to the server that a kubeconfig names, one connection each thread of a test."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        url = urlsplit(cluster["server"])
        self._host, self._port = url.hostname or "", url.port or 443
        self._tls = _tls(cluster, user)
        self.headers: dict[str, str] = {}
        """Say who asks."""
        if "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"

    def connection(self, timeout: float) -> http.client.HTTPSConnection:
        """Return a connection of its own, not opened yet."""
        return http.client.HTTPSConnection(
            self._host, self._port, context=self._tls, timeout=timeout
        )

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 30.0,
        **query: Any,
    ) -> Object:
        """Return what the server answers.

        Raises:
            ApiError: it answered with an error.
        """
        if query:
            path = f"{path}?{urlencode(query)}"
        headers = self.headers | {"Accept": accept, "Content-Type": content_type}
        payload = None if body is None else json.dumps(body)
        with closing(self.connection(timeout)) as connection:
            connection.request(method, path, payload, headers)
            answer = connection.getresponse()
            content = answer.read()
        return _parsed(answer.status, content)

    def table(self, path: str) -> Object:
        """Return a list as `kubectl get` asks for it: columns and rows."""
        wanted = "application/json;as=Table;g=meta.k8s.io;v=v1"
        return self.request("GET", path, accept=wanted)

    def get(self, path: str, **query: Any) -> Object:
        """Return an object or a list by its path."""
        return self.request("GET", path, **query)

    def create(self, thing: Object, **query: Any) -> Object:
        """Create an object in the namespace it names; unknown fields are refused."""
        query.setdefault("fieldValidation", "Strict")
        return self.request("POST", path_of(thing, named=False), thing, **query)

    def update(self, thing: Object, *, subresource: str = "", **query: Any) -> Object:
        """Replace an object, or one of its subresources."""
        path = path_of(thing) + (f"/{subresource}" if subresource else "")
        return self.request("PUT", path, thing, **query)

    def patch(self, thing: Object, change: Object, *, subresource: str = "") -> Object:
        """Merge a change into an object, or into one of its subresources."""
        path = path_of(thing) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, change, content_type="application/merge-patch+json")

    def delete(self, thing: Object, **query: Any) -> Object:
        """Delete an object and, in the background, what it owns."""
        query.setdefault("propagationPolicy", "Background")
        return self.request("DELETE", path_of(thing), **query)

    def items(self, path: str, **query: Any) -> list[Object]:
        """Return every object of a list, page by page."""
        found: list[Object] = []
        token = ""
        while True:
            more = {"continue": token} if token else {}
            page = self.get(path, limit=500, **more, **query)
            found += page.get("items") or []
            token = page["metadata"].get("continue", "")
            if not token:
                return found


def path_of(thing: Object, *, named: bool = True) -> str:
    """Return the path of an object, or of the list it is in."""
    version, kind = thing["apiVersion"], thing["kind"]
    parts = ["/api/v1" if version == "v1" else f"/apis/{version}"]
    if kind not in _CLUSTER_WIDE:
        parts.append(f"namespaces/{thing['metadata'].get('namespace', 'default')}")
    parts.append(_PLURALS.get(kind, f"{kind.lower()}s"))
    if named:
        parts.append(quote(thing["metadata"]["name"], safe=""))
    return "/".join(parts)


def eventually(
    holds: Callable[[], Any], *, within: float = 60.0, what: Callable[[], object] | str = ""
) -> Any:
    """Return the first true value of a question that is asked until it is answered so.

    Raises:
        AssertionError: it was not, in time; `what` says what was seen instead.
    """
    deadline = time.monotonic() + within
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > deadline:
            seen = what() if callable(what) else what
            raise AssertionError(f"not so within {within:g} s: {seen}")
        time.sleep(0.1)


def _named(entries: list[Object], name: str) -> Object:
    return next(entry for entry in entries if entry["name"] == name)


def _tls(cluster: Mapping[str, str], user: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if "certificate-authority" in cluster:
        context.load_verify_locations(cluster["certificate-authority"])
    elif "certificate-authority-data" in cluster:
        decoded = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context.load_verify_locations(cadata=decoded)
    if "client-certificate-data" in user:
        with (
            _written(user, "client-certificate-data") as certificate,
            _written(user, "client-key-data") as key,
        ):
            context.load_cert_chain(certificate, key)
    elif "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context


class _written:  # noqa: N801 - reads as a verb
    """A file of a decoded value, as long as the block lasts: ssl reads keys from files alone."""

    def __init__(self, user: Mapping[str, str], key: str) -> None:
        self._content = base64.b64decode(user[key])

    def __enter__(self) -> str:
        handle, self._path = tempfile.mkstemp()
        with os.fdopen(handle, "wb") as file:
            file.write(self._content)
        return self._path

    def __exit__(self, *_: object) -> None:
        Path(self._path).unlink()


def _parsed(code: int, content: bytes) -> Object:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = {"message": content.decode(errors="replace")}
    if code >= 400:
        raise ApiError(code, answer)
    return answer if isinstance(answer, dict) else {"message": answer}
