"""`taskonomyctl infer`: the networks of a taxonomy, applied to images or a video."""

import importlib.util
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from taskonomy_catalogue.errors import NotFound, TaskonomyError
from taskonomy_catalogue.inference import ChosenNetwork, ChosenNetworks, InferLaunch
from taskonomy_warehouse.selection.networks import ServingNetwork, serving_networks
from taskonomy_warehouse.warehouse import reading
from taskonomyctl.options import (
    scenario_option,
    study_option,
    the_study,
    warehouse_option,
)
from taskonomyctl.output import number
from taskonomyctl.taxonomies import budget_option, order_option, read_one


class NotInferred(TaskonomyError):
    """The job that runs the networks ended without its summary."""


@click.command()
@budget_option
@order_option
@study_option
@scenario_option
@click.option(
    "--input",
    "given",
    required=True,
    metavar="VIDEO|FOLDER|IMAGE",
    type=click.Path(path_type=Path),
    help="What to look at: a video, an image, or a folder of images in the order of their names.",
)
@click.option(
    "--out",
    required=True,
    metavar="VIDEO|IMAGE|FOLDER",
    type=click.Path(path_type=Path),
    help="What to make: all tasks tiled in one video (.mp4, .mkv, .webm) or image (.png, .jpg), or "
    "a folder with a picture per task and frame.",
)
@click.option(
    "--artifacts",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the trials left their folders; where the results were loaded from unless given.",
)
@click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    default=10,
    show_default=True,
    help="Frames a second of a video made of images.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1, max=1024),
    default=8,
    show_default=True,
    help="Frames that go through the networks together.",
)
@click.option("--replace", is_flag=True, help="Replace what is at --out.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the summary.",
)
@warehouse_option
def infer(
    budget: float,
    order: str | None,
    study: str | None,
    scenario: str | None,
    given: Path,
    out: Path,
    artifacts: Path | None,
    fps: float,
    batch: int,
    replace: bool,
    output: str,
    warehouse: Path,
) -> int:
    """Predict every target of a solved taxonomy for images or a video.

    Each source's encoder runs once per frame and serves all targets that stand on it; how much
    faster that is than every network alone is measured on these frames, and printed. Tasks that
    compare views (poses, egomotion, point matching) take consecutive frames.

    \b
      taskonomyctl infer --study rooms --budget 4 --input walk.mp4 --out tiles.mp4
      taskonomyctl infer --study rooms --budget 4 --order 1 --input photos --out predictions
    """
    study = the_study(warehouse, study)
    taxonomy, _ = read_one(warehouse, study, scenario, budget, order)
    with reading(warehouse) as connection:
        networks = serving_networks(connection, study, taxonomy)
    chosen = ChosenNetworks(
        study=study,
        budget=budget,
        order=taxonomy.max_order,
        networks=tuple(ChosenNetwork(target=n.target, digest=n.digest) for n in networks),
    )
    with TemporaryDirectory() as folder:
        file = Path(folder, "networks.json")
        file.write_text(chosen.model_dump_json(), encoding="utf-8")
        launch = InferLaunch(
            networks=str(file),
            artifacts=str(artifacts or loaded_from(networks)),
            input=str(given),
            out=str(out),
            fps=fps,
            batch=batch,
            replace="yes" if replace else "",
        )
        return _run(launch, {"budget": number(budget), "order": taxonomy.max_order}, output)


def loaded_from(networks: tuple[ServingNetwork, ...]) -> str:
    """Return the artifact root that all networks were loaded from.

    Raises:
        NotFound: they were loaded from several, or from elsewhere than this machine.
    """
    roots = sorted({network.folder.rstrip("/").rpartition("/")[0] for network in networks})
    if len(roots) > 1:
        raise NotFound(f"the networks lie in {', '.join(roots)}; put them together: --artifacts")
    if "://" in roots[0] and not roots[0].startswith("file://"):
        raise NotFound(
            f"the networks lie in {roots[0]}; mount or download it, then name it with --artifacts"
        )
    return roots[0]


def _run(launch: InferLaunch, solved_for: dict[str, Any], output: str) -> int:
    """Run the job; its progress and complaints are ours, its last line is the summary."""
    if importlib.util.find_spec("torch") is None:
        raise NotFound("infer runs networks, and torch is not installed; install taskonomy[jobs]")
    done = subprocess.run(launch.command(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return _exit_code(done.returncode)
    try:
        summary = solved_for | json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise NotInferred("the job that runs the networks ended without its summary") from error
    if output == "json":
        click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        for line in _told(summary):
            click.echo(line)
    return 0


def _exit_code(code: int) -> int:
    """Return a child's exit code as a shell says it: a signal is 128 and its number."""
    return 128 - code if code < 0 else code


def _told(summary: dict[str, Any]) -> list[str]:
    speed = summary["frames_per_second"]
    lines = [
        f"taxonomy of budget {summary['budget']}, order {summary['order']}",
        f"{summary['frames']} frames, {len(summary['targets'])} tasks from "
        f"{summary['encoders']} encoders: {summary['out']}",
        f"{speed['shared']:.1f} frames/s with shared encoders, {speed['alone']:.1f} with every "
        f"network alone: {speed['ratio']:.2f} times",
    ]
    return lines + [f"{target}: left out, {why}" for target, why in summary["left_out"].items()]
