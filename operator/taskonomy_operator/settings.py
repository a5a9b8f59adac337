"""How the operator is started: its flags, each with its environment variable."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_operator.constants import MANAGER
from taskonomy_operator.copies import EVERYWHERE
from taskonomy_operator.lease import Timing
from taskonomy_operator.structured_logs import Form
from taskonomy_operator.surroundings import Rhythm

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod reads which namespace it is in."""

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the operator may be told."""

    installation: Path
    namespaces: tuple[str, ...]
    lease_name: str
    lease_namespace: str
    identity: str
    qps: float
    burst: int
    port: int
    log_format: Form
    log_level: Level
    workers: int
    rhythm: Rhythm
    timing: Timing
    watch_silence: float
    kubeconfig: Path | None
    context: str | None


@dataclass(frozen=True, slots=True)
class _Flag:
    name: str
    default: str
    read: Callable[[str], Any]
    help: str


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 65_536:
        raise ValueError(text)
    return number


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return read


_FLAGS = (
    _Flag("namespace", "", str, "namespaces with Studies, by commas; empty: its own; *: all"),
    _Flag("installation", "/etc/taskonomy/installation.yaml", Path, "file of the installation"),
    _Flag("lease-name", MANAGER, str, "Lease that says which replica acts"),
    _Flag("lease-namespace", "", str, "where it is; empty: its own namespace"),
    _Flag("lease-duration", "15", _positive, "seconds without renewal after which it is free"),
    _Flag("lease-deadline", "10", _positive, "seconds without renewal after which its holder ends"),
    _Flag("lease-retry", "2", _positive, "seconds between two tries to take or renew it"),
    _Flag("qps", "50", _positive, "requests a second to the API server"),
    _Flag("burst", "100", _count, "requests at once after a rest"),
    _Flag("workers", "2", _count, "studies worked on at once"),
    _Flag("port", "8080", _port, "of /metrics, /healthz and /readyz"),
    _Flag("log-format", "json", _one_of(get_args(Form)), "json or text"),
    _Flag("log-level", "info", _one_of(get_args(Level)), "debug, info, warning or error"),
    _Flag("keep-finished", "3600", _seconds, "seconds an ended Job stays to be looked at"),
    _Flag("status-interval", "1", _seconds, "seconds between two writes of a Study's status"),
    _Flag("watch-silence", "90", _positive, "seconds without a word after which a watch is dead"),
    _Flag("kubeconfig", "", str, "outside a cluster: its kubeconfig"),
    _Flag("context", "", str, "context of the kubeconfig"),
)


def read_settings(
    words: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings that flags, else environment variables, else defaults say.

    Raises:
        SettingRefused: a value is none; the message names flag and variable.
    """
    parser = argparse.ArgumentParser(
        prog="python -m taskonomy_operator", description="Runs Studies as Jobs of a cluster."
    )
    for flag in _FLAGS:
        said = f"{flag.help} [{_variable(flag.name)}; {flag.default or 'empty'}]"
        parser.add_argument(f"--{flag.name}", help=said.replace("%", "%%"))
    given = vars(parser.parse_args(words))
    told = {flag.name: _value(flag, given, environment) for flag in _FLAGS}
    own = environment.get("POD_NAMESPACE") or _own_namespace()
    named = tuple(filter(None, (part.strip() for part in told["namespace"].split(",")))) or (own,)
    return Settings(
        installation=told["installation"],
        namespaces=(EVERYWHERE,) if EVERYWHERE in named else named,
        lease_name=told["lease-name"],
        lease_namespace=told["lease-namespace"] or own,
        identity=environment.get("POD_NAME") or f"{os.uname().nodename}-{os.getpid()}",
        qps=told["qps"],
        burst=told["burst"],
        port=told["port"],
        log_format=told["log-format"],
        log_level=told["log-level"],
        workers=told["workers"],
        rhythm=Rhythm(status_interval=told["status-interval"], keep_ended=told["keep-finished"]),
        timing=_timing(told),
        watch_silence=told["watch-silence"],
        kubeconfig=Path(told["kubeconfig"]) if told["kubeconfig"] else None,
        context=told["context"] or None,
    )


def _timing(told: Mapping[str, float]) -> Timing:
    lasts, ends, retry = (told[f"lease-{part}"] for part in ("duration", "deadline", "retry"))
    try:
        return Timing(duration=lasts, deadline=ends, retry=retry)
    except ValueError as error:
        raise SettingRefused(f"--lease-…: {error}") from error


def _value(flag: _Flag, given: Mapping[str, str | None], environment: Mapping[str, str]) -> Any:
    text = given[flag.name.replace("-", "_")]
    if text is None:
        text = environment.get(_variable(flag.name), flag.default)
    try:
        return flag.read(text)
    except ValueError as error:
        name = f"--{flag.name} ({_variable(flag.name)})"
        raise SettingRefused(f"{name}: {text!r} is none; it is: {flag.help}") from error


def _variable(flag: str) -> str:
    return f"TASKONOMY_{flag.upper().replace('-', '_')}"


def _own_namespace() -> str:
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"
