"""What commands about studies share: which is meant, where this machine keeps it, who tracks it."""

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from taskonomy_catalogue.errors import NotFound, SettingRefused, TaskonomyError
from taskonomy_catalogue.launch import local_path
from taskonomy_catalogue.study import API_VERSION, KIND, Study, parse_study
from taskonomy_operator.costs import TRAINING
from taskonomy_operator.lookup import short_name
from taskonomy_operator.observe import observe
from taskonomy_operator.plan_parts import Node
from taskonomy_operator.study_folder import StudyFolder, submitted
from taskonomyctl.options import Command
from taskonomyctl.output import say
from taskonomyctl.places import COMPLETE_WITHIN, Place, place_to_complete
from taskonomyctl.study_files import read_study

Thing = TypeVar("Thing")

STUDY_FILE = Path("study.yaml")
"""What is taken where no file is named."""
ARTIFACTS = Path("artifacts")
"""Artifact root where none is named."""

BUILT_IN: Mapping[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "metadata": {"name": "paper26"},
    "spec": {"data": {"dataset": "taskonomy"}},
}
"""The paper's 26 tasks with the paper's settings, its data set in ./taskonomy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A study as it was given: its content, and where it came from."""

    study: Study
    origin: str
    """File it was read from, or what it is, for people."""
    folder: Path
    """Absolute; paths in the study start from it."""


# --- options -----------------------------------------------------------------------------------


def _complete_study(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    names = suggestions(lambda place: _studies(place, ctx.params.get("artifacts")), ctx)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _studies(place: Place, artifacts: str | None) -> list[str]:
    if place.is_local:
        return [each.name for each in submitted(artifacts_of(artifacts))]
    return place.open(tries=1, timeout=COMPLETE_WITHIN).names()


def _complete_trial(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names such as curvature/normals+reshading, and digests once one is begun."""
    nodes = suggestions(lambda place: _nodes(place, ctx.params), ctx)
    names = {short_name(node.trial): node.trial.title for node in nodes}
    items = [CompletionItem(n, help=t) for n, t in names.items() if n.startswith(incomplete)]
    if len(incomplete) >= 2:
        begun = (node for node in nodes if node.digest.startswith(incomplete))
        items += [CompletionItem(node.digest[:12], help=node.trial.title) for node in begun]
    return items


def _nodes(place: Place, given: Mapping[str, Any]) -> Sequence[Node]:
    if place.is_local:
        return observe(the_folder(given.get("artifacts"), given.get("study"))).plan.nodes()
    from taskonomy_operator.why import Asked
    from taskonomyctl.cluster_runs import the_study

    space = place.open(tries=1, timeout=COMPLETE_WITHIN)
    return Asked(space, the_study(space, given.get("study"))).plan.nodes()


def suggestions(found: Callable[[Place], Sequence[Thing]], ctx: click.Context) -> Sequence[Thing]:
    """Return what completes a word; a mistake elsewhere or a server that is away suggests none."""
    try:
        return found(place_to_complete(ctx))
    except (TaskonomyError, OSError):
        return []


def complete_trial_or_study(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of studies and of the trials of the study that is meant."""
    return _complete_study(ctx, param, incomplete) + _complete_trial(ctx, param, incomplete)


file_option = click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    help="The study's file (YAML or JSON); ./study.yaml unless given, else the paper's 26 tasks.",
)

artifacts_option = click.option(
    "--artifacts",
    metavar="DIR",
    envvar="TASKONOMY_ARTIFACTS",
    show_envvar=True,
    help="Artifact root; the study's own unless given, else ./artifacts.",
)

study_argument = click.argument(
    "study", metavar="[STUDY]", required=False, shell_complete=_complete_study
)

named_study_argument = click.argument("study", metavar="STUDY", shell_complete=_complete_study)

of_study_option = click.option(
    "--study",
    metavar="NAME",
    shell_complete=_complete_study,
    help="The study; may be left out when there is one.",
)

trial_argument: "Command" = click.argument("trial", metavar="TRIAL", shell_complete=_complete_trial)

what_argument: "Command" = click.argument(
    "what", metavar="[TRIAL|STUDY]", required=False, shell_complete=complete_trial_or_study
)

# --- what they mean ----------------------------------------------------------------------------


def submission(file: Path | None) -> Submission:
    """Return the study a command is about: the file's, the folder's, or the built-in one.

    What is taken without being named is said aloud, on standard error.

    Raises:
        InputRefused: the file is no study.
    """
    if file is None and STUDY_FILE.exists():
        say(f"no -f: taking ./{STUDY_FILE}")
        file = STUDY_FILE
    if file is not None:
        return Submission(study=read_study(file), origin=file.name, folder=file.absolute().parent)
    say(
        f"no -f and no ./{STUDY_FILE}: taking the built-in study of the paper's 26 tasks, orders 1 "
        "to 4, whose data set is ./taskonomy"
    )
    study = parse_study(BUILT_IN, origin="the built-in study")
    return Submission(study=study, origin="built-in", folder=Path.cwd())


def artifacts_of(option: str | None, given: Submission | None = None) -> Path:
    """Return the artifact root: as the option says, else the study, else ./artifacts.

    Raises:
        InputRefused: it is no folder of this machine.
    """
    if option:
        return local_path(option).absolute()
    if given is not None and given.study.spec.artifacts:
        return given.folder / local_path(given.study.spec.artifacts)
    return ARTIFACTS.absolute()


def folder_of(option: str | None, given: Submission) -> StudyFolder:
    """Return the folder in which a study is kept while it is run here."""
    return StudyFolder(artifacts_of(option, given), given.study.name)


def the_folder(option: str | None, name: str | None) -> StudyFolder:
    """Return the folder of the study that is meant: the one named, or the only one there is.

    Raises:
        NotFound: none is named and several studies, or none, were run here.
        InputRefused: the artifact root is no folder of this machine.
    """
    given = study_here() if option is None else None
    artifacts = artifacts_of(option, given)
    if name is not None:
        return StudyFolder(artifacts, name)
    found = submitted(artifacts)
    if len(found) == 1:
        return found[0]
    if given is not None and given.study.name in {each.name for each in found}:
        return StudyFolder(artifacts, given.study.name)
    if not found:
        raise NotFound(
            f"no study was run in {artifacts}; `taskonomyctl submit` runs one, --artifacts DIR or "
            "TASKONOMY_ARTIFACTS names another place"
        )
    names = ", ".join(each.name for each in found)
    raise NotFound(f"{artifacts} holds {len(found)} studies; name one of {names}")


def submitted_here(artifacts: str | None, name: str | None) -> StudyFolder | None:
    """Return the study meant if it was submitted on this machine; None: it was not.

    Args:
        artifacts: artifact root; None: ./artifacts.
        name: the study; None: the only one there is.
    """
    try:
        found = submitted(artifacts_of(artifacts))
    except TaskonomyError:  # a bucket: studies that ran elsewhere
        return None
    meant = [each for each in found if name in (None, each.name)]
    return meant[0] if len(meant) == 1 else None


def study_here() -> Submission | None:
    """Return the study of ./study.yaml if there is a sound one, without a word about it."""
    try:
        study = read_study(STUDY_FILE)
    except TaskonomyError:
        return None
    return Submission(study=study, origin=STUDY_FILE.name, folder=Path.cwd())


def dataset_of(given: Submission) -> Path:
    """Return the folder of a study's data set.

    Raises:
        NotFound: it is not there.
        InputRefused: it is no folder of this machine.
    """
    dataset = given.study.spec.data.dataset
    path = given.folder / local_path(dataset)
    if not path.is_dir():
        raise NotFound(
            f"{given.origin}: spec.data.dataset {dataset!r} is no folder ({path}); "
            f"`taskonomyctl data make-rooms {path}` makes a small one, "
            "or name where yours lies"
        )
    return path


def tracking_of(option: str | None, given: Submission, artifacts: Path) -> str:
    """Return the tracking URI: the option's, the study's, the environment's, else a SQLite file.

    Args:
        option: as given; ``none`` switches tracking off.
        given: the study.
        artifacts: the artifact root, absolute; the file is made in it.
    """
    if option == "none":
        return ""
    named = option or given.study.spec.tracking or os.environ.get("MLFLOW_TRACKING_URI")
    if named:
        return named
    if importlib.util.find_spec("mlflow") is None:
        say("MLflow is not installed (pip install 'taskonomy[tracking]'): runs are not tracked")
        return ""
    return f"sqlite:///{artifacts / 'mlflow.db'}"


def parse_estimates(texts: tuple[str, ...]) -> dict[str, float]:
    """Read ``STAGE=HOURS`` pairs.

    Raises:
        SettingRefused: a stage or a number is wrong.
    """
    estimates = {}
    for text in texts:
        stage, _, hours = text.partition("=")
        try:
            estimates[stage] = float(hours)
        except ValueError:
            estimates[stage] = -1.0
        if stage not in TRAINING or not 0 <= estimates[stage] < float("inf"):
            allowed = ", ".join(TRAINING)
            raise SettingRefused(
                f"--estimate {text!r}: write STAGE=HOURS, hours of one trial from 0 up and a stage "
                f"of {allowed}"
            )
    return estimates
