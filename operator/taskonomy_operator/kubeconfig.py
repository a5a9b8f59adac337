"""Which cluster is meant, read from the configuration without asking anybody.

As kubectl does: what is named goes first, then ``KUBECONFIG``, then ``~/.kube/config``, then the
service account of the pod we run in. Whether the server answers is another matter (`cluster`).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from taskonomy_catalogue.errors import InputRefused, NotFound, did_you_mean

HOME_FILE = "~/.kube/config"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token and namespace."""
DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Reach:
    """The way to a cluster, as configured."""

    files: str
    """Kubeconfig files, joined as in KUBECONFIG; empty: the pod's service account."""
    context: str
    """Context of them; empty: the pod's service account."""
    namespace: str
    """Namespace where none is named."""

    def __str__(self) -> str:
        return f"context {self.context!r}" if self.context else "this pod's cluster"


def reach(
    kubeconfig: str | None = None,
    context: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Reach | None:
    """Return the cluster that is meant; None: nothing is configured.

    Args:
        kubeconfig: a file that was named.
        context: a context that was named.
        environment: of the process.
        service_account: where a pod's token lies.

    Raises:
        NotFound: what was named, or the current context, is not there.
        InputRefused: a file is no kubeconfig.
    """
    named = kubeconfig or environment.get("KUBECONFIG", "")
    files = named or str(Path(environment.get("HOME", "~"), HOME_FILE[2:]))
    documents = _documents(files, must_exist=bool(named))
    chosen = context or next(filter(None, (_text(d, "current-context") for d in documents)), "")
    if chosen:
        return Reach(files, chosen, _namespace(documents, chosen, files))
    if named:
        raise NotFound(f"{named} has no current context; name one with --context, or say --local")
    if (service_account / "token").exists() and "KUBERNETES_SERVICE_HOST" in environment:
        return Reach("", "", _own_namespace(service_account))
    return None


def contexts(kubeconfig: str | None, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the names of the contexts that may be chosen; none where nothing is configured."""
    named = kubeconfig or environment.get("KUBECONFIG", "")
    files = named or str(Path(environment.get("HOME", "~"), HOME_FILE[2:]))
    return list(_by_name(_documents(files, must_exist=False)))


def _documents(files: str, *, must_exist: bool) -> list[dict[str, Any]]:
    paths = [Path(each).expanduser() for each in files.split(os.pathsep) if each]
    found = [_read(path) for path in paths if path.is_file()]
    if must_exist and not found:
        raise NotFound(f"no cluster: there is no kubeconfig {files}")
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputRefused(path, "is no kubeconfig: not valid YAML") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputRefused(path, "is no kubeconfig: it is not a mapping")
    return document


def _namespace(documents: Sequence[Mapping[str, Any]], context: str, files: str) -> str:
    known = _by_name(documents)
    if context not in known:
        hint = did_you_mean(context, known) or f"; there are {', '.join(known) or 'none'}"
        raise NotFound(f"{files} has no context {context!r}{hint}")
    return _text(known[context], "namespace") or DEFAULT_NAMESPACE


def _by_name(documents: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for document in documents:
        for entry in document.get("contexts") or []:
            if isinstance(entry, dict) and isinstance(entry.get("context"), dict):
                found.setdefault(_text(entry, "name"), entry["context"])  # the first file counts
    return found


def _text(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value if isinstance(value, str) else ""


def _own_namespace(service_account: Path) -> str:
    try:
        return (service_account / "namespace").read_text().strip() or DEFAULT_NAMESPACE
    except OSError:
        return DEFAULT_NAMESPACE
