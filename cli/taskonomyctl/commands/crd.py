"""`taskonomyctl crd`: what teaches a cluster what a Study is."""

import json

import click
import yaml

from taskonomy_operator.crd import study_crd


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="As which of the two it is written.",
)
def crd(output: str) -> None:
    """Print the definition of the Study resource, made from the spec this version reads.

    \b
      taskonomyctl crd | kubectl apply --server-side -f -

    From then on the cluster itself refuses a bad Study, and says which field and what to write.
    """
    definition = study_crd()
    if output == "json":
        click.echo(json.dumps(definition, indent=2, ensure_ascii=False))
    else:
        click.echo(
            yaml.safe_dump(definition, sort_keys=False, allow_unicode=True, width=100), nl=False
        )
