"""Objects judged by a real API server: sent as a dry run, with what it warns of."""

import http.client
import json
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from typing import Any

from kube import ApiError, Kube

Object = dict[str, Any]


class Judge:
    """An API server that is asked what it would make of objects, and keeps none of them."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._kinds = cache(self._read_kinds)

    def knows(self, thing: Object) -> bool:
        """Return whether the server knows an object's kind."""
        return thing["kind"] in self._kinds(thing["apiVersion"])

    def path(self, thing: Object) -> str:
        """Return an object's path, as the server's discovery tells it."""
        version = thing["apiVersion"]
        plural, is_namespaced = self._kinds(version)[thing["kind"]]
        base = "/api/v1" if version == "v1" else f"/apis/{version}"
        namespace = thing["metadata"].get("namespace", "default")
        inside = f"/namespaces/{namespace}" if is_namespaced else ""
        return f"{base}{inside}/{plural}/{thing['metadata']['name']}"

    def judge(self, thing: Object) -> tuple[Object, list[str]]:
        """Return an object as it would be kept by a server-side apply, and the warnings.

        Raises:
            ApiError: the server would refuse it.
        """
        query = "dryRun=All&fieldManager=chart-test&force=true&fieldValidation=Strict"
        headers = self._kube.headers | {"Content-Type": "application/apply-patch+yaml"}
        with closing(self._kube.connection(30)) as connection:
            path = f"{self.path(thing)}?{query}"
            connection.request("PATCH", path, json.dumps(thing), headers)
            answer = connection.getresponse()
            kept = json.loads(answer.read())
            warnings = _warnings(answer)
        if answer.status >= 400:
            raise ApiError(answer.status, kept)
        return kept, warnings

    def _read_kinds(self, version: str) -> dict[str, tuple[str, bool]]:
        base = "/api/v1" if version == "v1" else f"/apis/{version}"
        try:
            resources = self._kube.get(base)["resources"]
        except ApiError as error:
            if error.code == http.client.NOT_FOUND:
                return {}
            raise
        return {
            each["kind"]: (each["name"], each["namespaced"])
            for each in resources
            if "/" not in each["name"]
        }


def _warnings(answer: http.client.HTTPResponse) -> list[str]:
    return [value for name, value in answer.getheaders() if name.lower() == "warning"]


def pods_of(templates: Sequence[tuple[str, Object]], namespace: str) -> list[Object]:
    """Return a Pod of each template, as its controller would make it, under accounts that exist."""
    made = []
    for number, (_, template) in enumerate(templates):
        spec = json.loads(json.dumps(template["spec"]))
        spec["serviceAccountName"] = "default"
        spec.pop("priorityClassName", None)  # there is no such class here
        spec.pop("runtimeClassName", None)
        spec.setdefault("restartPolicy", "Always")
        metadata = template["metadata"] | {"name": f"pod-{number}", "namespace": namespace}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return made
