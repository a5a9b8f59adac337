"""Studies by what they say, for tests of the trials that they ask for."""

import random

from taskonomy_catalogue.study import Study, parse_study

THREE = ["normals", "reshading", "curvature"]


def study(**spec: object) -> Study:
    document = {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": "small"},
        "spec": {"data": {"dataset": "s3://rooms/v1"}} | spec,
    }
    return parse_study(document, origin="study.yaml")


def three(**spec: object) -> Study:
    return study(
        **{"tasks": {"subset": [*THREE, "random"]}, "transfers": {"orders": [1, 2]}} | spec
    )


def shuffled_ranking(of: Study, seed: int = 0) -> dict[str, list[str]]:
    draw = random.Random(seed)
    sources = [task.id for task in of.sources()]
    return {target.id: draw.sample(sources, len(sources)) for target in of.targets()}
