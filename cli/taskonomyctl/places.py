"""Where a command acts: on this machine, or on a cluster and in which namespace of it.

`--local` means this machine; `--context`, `--namespace` and `--kubeconfig` a cluster. With none of
them it is the cluster that is configured, as for kubectl; where none is, it is this machine, and
that is said aloud. `on_cluster` turns what a server answers into one sentence and an exit code.
"""

import functools
import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError
from taskonomy_operator.kubeconfig import Reach, contexts, reach
from taskonomyctl.output import say

if TYPE_CHECKING:  # the Kubernetes client is loaded by commands that need it, not by all
    from taskonomy_operator.api_errors import ApiError
    from taskonomy_operator.seen_on_cluster import Namespace

Command = Callable[..., Any]

INSTALL = "`taskonomyctl crd | kubectl apply --server-side -f -` or the Helm chart teaches it"
ANSWER_WITHIN = 15.0
"""Seconds a person waits for a server's answer."""
COMPLETE_WITHIN = 1.0
"""Seconds a shell waits for names to complete."""


class Refused(TaskonomyError):
    """The server will not do it, and says why."""


class SpecRefused(TaskonomyError):
    """The server was given a study that it does not take."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command acts."""

    reach: Reach | None
    """The way to the cluster; None: this machine."""
    namespace: str = ""
    """The namespace there."""
    is_named: bool = False
    """Whether the namespace was named, not taken from the configuration."""

    @property
    def is_local(self) -> bool:
        """Whether it is this machine."""
        return self.reach is None

    def open(self, *, tries: int = 2, timeout: float = ANSWER_WITHIN) -> "Namespace":
        """Return the namespace, ready to be asked.

        Raises:
            NotFound: the configuration leads to no cluster.
        """
        from taskonomy_operator.cluster import connect
        from taskonomy_operator.seen_on_cluster import Namespace

        assert self.reach is not None  # noqa: S101 - commands ask is_local first
        files = Path(self.reach.files) if self.reach.files else None
        cluster = connect(
            kubeconfig=files,
            context=self.reach.context or None,
            qps=100,
            burst=300,
            tries=tries,
            timeout=timeout,
        )
        return Namespace(cluster, self.namespace)


# --- options -----------------------------------------------------------------------------------


def _complete_context(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    try:
        found = contexts(ctx.params.get("kubeconfig"))
    except TaskonomyError:
        return []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


_local = click.option("--local", is_flag=True, help="Act on this machine, not on a cluster.")
_not_local = click.option(
    "--local", is_flag=True, hidden=True, help="Refused: it says what does the same here."
)
"""Of commands about clusters: other commands have it, so it is answered and not unknown."""
_context = click.option(
    "--context",
    metavar="NAME",
    shell_complete=_complete_context,
    help="Context of the kubeconfig; the current one unless given.",
)
_namespace = click.option(
    "-n", "--namespace", metavar="NAME", help="Namespace; the context's own unless given."
)
_kubeconfig = click.option(
    "--kubeconfig",
    metavar="FILE",
    help="Kubeconfig; KUBECONFIG or ~/.kube/config unless given, in a pod its service account.",
)


def place_options(command: Command) -> Command:
    """Give a command the options that say where it acts, and itself `place: Place`."""

    @functools.wraps(command)
    def placed(
        *args: Any,
        local: bool,
        context: str | None,
        namespace: str | None,
        kubeconfig: str | None,
        **rest: Any,
    ) -> Any:
        place = place_of(local, context, namespace, kubeconfig)
        if place.is_local:
            return command(*args, place=place, **rest)
        with on_cluster(place):
            return command(*args, place=place, **rest)

    for option in (_kubeconfig, _namespace, _context, _local):
        placed = option(placed)
    return placed


def cluster_options(command: Command) -> Command:
    """Give a command that only acts on a cluster its options, and itself `place: Place`."""

    @functools.wraps(command)
    def placed(
        *args: Any,
        local: bool,
        context: str | None,
        namespace: str | None,
        kubeconfig: str | None,
        **rest: Any,
    ) -> Any:
        if local:
            name = click.get_current_context().info_name
            raise SettingRefused(f"{name} is about studies on a cluster{_instead()}")
        place = _configured(context, namespace, kubeconfig)
        if place is None:
            raise NotFound(f"no cluster is configured: set KUBECONFIG, or --kubeconfig{_instead()}")
        with on_cluster(place):
            return command(*args, place=place, **rest)

    for option in (_kubeconfig, _namespace, _context, _not_local):
        placed = option(placed)
    return placed


def _instead() -> str:
    command = click.get_current_context().info_name
    said = {
        "suspend": "; on this machine `taskonomyctl cancel` stops a study",
        "resume": "; on this machine `taskonomyctl submit` goes on with a study",
        "retry": "; on this machine `taskonomyctl submit --retry-failed` does",
        "delete": "; on this machine a study is a folder of the artifact root",
    }
    return said.get(command or "", "")


def place_of(
    local: bool, context: str | None, namespace: str | None, kubeconfig: str | None
) -> Place:
    """Return where a command acts.

    Raises:
        SettingRefused: this machine and a cluster are both named.
        NotFound: what is named is not there.
    """
    if local and (context or namespace or kubeconfig):
        raise SettingRefused("--local means this machine; leave out what names a cluster")
    if local:
        return Place(None)
    place = _configured(context, namespace, kubeconfig)
    if place is None and namespace:
        raise NotFound("no cluster is configured: set KUBECONFIG, or --kubeconfig")
    if place is None:
        say("no cluster is configured: this machine; --local says so")
    return place or Place(None)


def _configured(context: str | None, namespace: str | None, kubeconfig: str | None) -> Place | None:
    found = reach(kubeconfig, context)
    if found is None:
        return None
    return Place(found, namespace or found.namespace, is_named=bool(namespace))


def only_here(place: Place, *names: str) -> None:
    """Refuse options that mean something on this machine alone.

    Raises:
        SettingRefused: one was given on the command line and a cluster is meant.
    """
    ctx = click.get_current_context()
    for name in names:
        source = ctx.get_parameter_source(name)
        if not place.is_local and source is click.core.ParameterSource.COMMANDLINE:
            raise SettingRefused(
                f"--{name.replace('_', '-')} is of runs on this machine, and {place.reach} is "
                "meant; say --local, or leave it out"
            )


# --- completion --------------------------------------------------------------------------------


def place_to_complete(ctx: click.Context) -> Place:
    """Return where the command that is being typed would act; errors as `place_of`."""
    given = ctx.params
    if given.get("local"):
        return Place(None)
    found = _configured(given.get("context"), given.get("namespace"), given.get("kubeconfig"))
    return found or Place(None)


# --- what a server's refusal means -------------------------------------------------------------


@contextmanager
def on_cluster(place: Place) -> Iterator[None]:
    """Turn what a server answers into one sentence for people, with an exit code."""
    from taskonomy_operator.api_errors import ApiError

    try:
        yield
    except ApiError as error:
        raise plain(error, place) from error


def plain(error: "ApiError", place: Place) -> TaskonomyError:
    """Return a server's refusal as a person is told it."""
    code, said = error.code, str(error).strip()
    if code == http.client.NOT_FOUND and not error.reason:
        return NotFound(f"the cluster of {place.reach} does not know what a Study is; {INSTALL}")
    if code == http.client.UNAUTHORIZED:
        return Refused(f"the cluster of {place.reach} does not know who you are: {said}; log in")
    if code == http.client.FORBIDDEN:
        return Refused(f"not allowed: {said}; ask whoever runs the cluster for this right")
    if code == http.client.NOT_FOUND:
        return NotFound(said)
    if code in (http.client.UNPROCESSABLE_ENTITY, http.client.BAD_REQUEST):
        return SpecRefused(f"the server refused it: {said}")
    if code == http.client.CONFLICT:
        return Refused(f"somebody else changed it just now: {said}; do it again")
    return NotFound(f"the cluster of {place.reach} is away: {_brief(said)}; try again later")


def _brief(said: str) -> str:
    """Return what matters of a connection's failure: libraries nest four causes in one line."""
    for words, meaning in _MEANINGS.items():
        if words in said:
            return f"{said.partition(' does not answer')[0]} {meaning}"
    return said[:300]


_MEANINGS = {
    "Connection refused": "refuses connections",
    "Name or service not known": "has no address",
    "Temporary failure in name resolution": "has no address",
    "timed out": "does not answer in time",
    "CERTIFICATE_VERIFY_FAILED": "shows a certificate that is not trusted",
    "No route to host": "cannot be reached",
    "Network is unreachable": "cannot be reached",
}
