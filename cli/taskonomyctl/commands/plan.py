"""`taskonomyctl plan`: what a study would train, by stage, and what it costs."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import yaml

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.study import Study
from taskonomy_operator.asked import higher_order_of, needs_ranking
from taskonomy_operator.costs import StageCost, best_guesses_of, stage_costs
from taskonomy_operator.installation import Installation, read_installation
from taskonomy_operator.manifests import Owner
from taskonomy_operator.observe import observe_as
from taskonomy_operator.packing import DEFAULT_PACK
from taskonomy_operator.preview import UNKNOWN_UID, preview
from taskonomy_operator.study_folder import Run
from taskonomy_operator.words import counted
from taskonomy_warehouse.queries import as_json
from taskonomyctl.output import print_rows, say
from taskonomyctl.runs import (
    artifacts_option,
    file_option,
    folder_of,
    parse_estimates,
    submission,
)

COLUMNS = ("stage", "trials", "gpu_hours", "done", "gpu_hours_left")


@click.command()
@file_option
@artifacts_option
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    metavar="PRICE",
    help="Price of a GPU hour, in whatever you pay with: what is left is priced.",
)
@click.option(
    "--estimate",
    "estimates",
    multiple=True,
    metavar="STAGE=HOURS",
    help="GPU hours of one trial of a stage, where none has been measured yet.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the plan.",
)
@click.option(
    "--manifests",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the Kubernetes objects that the study would be made of into a folder.",
)
@click.option(
    "--installation",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings of the installation that --manifests are made under (installation.yaml).",
)
@click.option(
    "-n", "--namespace", default="default", metavar="NAME", help="Namespace of --manifests."
)
def plan(
    file: Path | None,
    artifacts: str | None,
    price: float | None,
    estimates: tuple[str, ...],
    output: str,
    manifests: Path | None,
    installation: Path | None,
    namespace: str,
) -> None:
    """Show how many networks a study trains, stage by stage, and what they cost.

    GPU hours are measured on trials that have their result, in the artifact root; before there is
    any they are not known, unless --estimate says. A trial that has its result, from whichever
    study, is not trained again.

    \b
      taskonomyctl plan -f study.yaml
      taskonomyctl plan --estimate task-specific=20 --estimate first-order=2 --price 2.5
      taskonomyctl plan --manifests objects --installation installation.yaml
    """
    given = submission(file)
    if manifests is not None:
        if installation is None:
            raise SettingRefused(
                "--manifests needs --installation FILE: images and volumes are the installation's "
                "(its ConfigMap on the cluster, key installation.yaml)"
            )
        _write_manifests(given.study, manifests, read_installation(installation), namespace)
    folder = folder_of(artifacts, given)
    asked = Run(folder=str(given.folder), dataset=given.study.spec.data.dataset)
    known = observe_as(folder, given.study, asked, most_in_pack=DEFAULT_PACK)
    costs = stage_costs(known, parse_estimates(estimates))
    total = _total(costs)
    cost = None if price is None or total is None else round(total * price, 2)
    if output == "json":
        click.echo(as_json(_document(known.study.name, costs, best_guesses_of(given.study), cost)))
        return
    print_rows([asdict(each) for each in costs], COLUMNS, "table")
    click.echo(f"{sum(each.trials for each in costs):,} trials, {_done(costs)}", err=True)
    if total is None:
        unknown = [each.stage for each in costs if each.gpu_hours_left is None]
        say(
            f"GPU hours of {', '.join(unknown)} are not known before one such trial has run; "
            f"--estimate {unknown[0]}=HOURS gives them"
        )
    elif cost is not None:
        click.echo(f"{total:,.1f} GPU hours left, {cost:,.2f} at {price:g} an hour", err=True)


def _write_manifests(
    study: Study, folder: Path, installation: Installation, namespace: str
) -> None:
    """Write the Study and a file for each Job, in the order they would be made."""
    namespace = study.metadata.namespace or namespace
    owner = Owner(name=study.name, namespace=namespace, uid=UNKNOWN_UID)
    made = list(preview(study, owner, installation))  # all of it, or nothing is written
    if folder.exists() and any(folder.iterdir()):
        raise SettingRefused(f"--manifests {folder}: the folder is not empty; name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    document = study.model_dump(mode="json", by_alias=True, exclude_unset=True)
    document["metadata"]["namespace"] = namespace
    _write(folder / "0000-study.yaml", [document])
    for number, each in enumerate(made, 1):
        _write(folder / f"{number:04}-{each.name}.yaml", each.objects)
    say(
        f"{counted(len(made), 'Job')} in {folder}, to be read, not applied: the controller makes "
        f"them, with the Study's own uid where {UNKNOWN_UID} stands"
    )
    ranked = sum(higher_order_of(study).values()) if needs_ranking(study, study.spec.stage) else 0
    if ranked:
        say(f"{counted(ranked, 'transfer')} of higher orders follow once targets are ranked")


def _write(path: Path, objects: Sequence[dict[str, Any]]) -> None:
    text = yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(text, encoding="utf-8")


def _document(
    study: str, costs: list[StageCost], best_guesses: int, cost: float | None
) -> dict[str, object]:
    document: dict[str, object] = {
        "study": study,
        "stages": [asdict(each) for each in costs],
        "best_guesses": best_guesses,
    }
    return document if cost is None else document | {"cost": cost}


def _total(costs: list[StageCost]) -> float | None:
    """Return the GPU hours left; None: those of a stage with something left are not known."""
    hours = [each.gpu_hours_left for each in costs]
    return None if None in hours else sum(filter(None, hours))


def _done(costs: list[StageCost]) -> str:
    done = sum(each.done for each in costs)
    return f"{done:,} of them have their result" if done else "none has its result yet"
