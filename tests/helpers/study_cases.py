"""Studies, good and bad, by name: what the typed spec and the API server both have to judge."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from taskonomy_catalogue.study_parts import MAX_NAME

THREE = ["normals", "reshading", "curvature"]
OWN_TASK = {
    "id": "night-light",
    "title": "Night light",
    "folder": "night",
    "output": {"kind": "image", "channels": 1},
    "loss": "l1",
}


def document(changes: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the smallest study there is, with values written at dotted paths."""
    content: dict[str, Any] = {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": "small"},
        "spec": {"data": {"dataset": "s3://rooms/v1"}},
    }
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        part = content
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = copy.deepcopy(value)
    return content


class Bad(NamedTuple):
    """A study with one thing wrong: what is changed, the field blamed, a word of the message."""

    changes: dict[str, object]
    field: str
    word: str


OF_ONE_FIELD = {
    "wrong apiVersion": Bad({"apiVersion": "taskonomy.dev/v1"}, "apiVersion", "v1alpha1"),
    "wrong kind": Bad({"kind": "study"}, "kind", "did you mean 'Study'"),
    "metadata is text": Bad({"metadata": "small"}, "metadata", "mapping"),
    "no name": Bad({"metadata": {}}, "metadata.name", "required"),
    "name in capitals": Bad({"metadata.name": "Small"}, "metadata.name", "RFC 1123"),
    "name ends in a hyphen": Bad({"metadata.name": "small-"}, "metadata.name", "RFC 1123"),
    "name with a dot": Bad({"metadata.name": "a.b"}, "metadata.name", "RFC 1123"),
    "name with a line end": Bad({"metadata.name": "small\n"}, "metadata.name", "RFC 1123"),
    "label is a number": Bad({"metadata.labels": {"a": 1}}, "metadata.labels.a", "quotes"),
    "label named by a number": Bad({"metadata.labels": {1: "a"}}, "metadata.labels[1]", "quotes"),
    "no data": Bad({"spec": {}}, "spec.data", "required"),
    "no dataset": Bad({"spec.data": {}}, "spec.data.dataset", "required"),
    "dataset with a blank": Bad({"spec.data.dataset": "my data"}, "spec.data.dataset", "blanks"),
    "dataset empty": Bad({"spec.data.dataset": ""}, "spec.data.dataset", "at least 1"),
    "unknown layout": Bad({"spec.data.layout": "omni"}, "spec.data.layout", "omnidata"),
    "splits not a CSV": Bad({"spec.data.splits": "a/b.txt"}, "spec.data.splits", ".csv"),
    "fraction zero": Bad(
        {"spec.data.transferFraction": 0}, "spec.data.transferFraction", "greater than 0"
    ),
    "fraction above one": Bad(
        {"spec.data.transferFraction": 2}, "spec.data.transferFraction", "less than or equal to 1"
    ),
    "fraction not a number": Bad(
        {"spec.data.transferFraction": float("nan")}, "spec.data.transferFraction", "finite"
    ),
    "field in snake case": Bad(
        {"spec.data.transfer_fraction": 0.1}, "spec.data.transfer_fraction", "'transferFraction'"
    ),
    "unknown field of the spec": Bad({"spec.gpuhours": 1}, "spec.gpuhours", "'gpuHours'"),
    "unknown field nobody knows": Bad({"spec.model.zzz": 1}, "spec.model.zzz", "imageSize"),
    "unknown field of a stage": Bad(
        {"spec.training.transfer.epoch": 3}, "spec.training.transfer.epoch", "'epochs'"
    ),
    "unknown field at the top": Bad({"specs": {}}, "specs", "'spec'"),
    "encoder": Bad({"spec.model.encoder": "resnet-50"}, "spec.model.encoder", "'resnet50'"),
    "decoder": Bad({"spec.model.decoder": "unet"}, "spec.model.decoder", "paper, tiny"),
    "odd image size": Bad({"spec.model.imageSize": 250}, "spec.model.imageSize", "multiple of 16"),
    "image size as text": Bad({"spec.model.imageSize": "256"}, "spec.model.imageSize", "quotes"),
    "epochs with a fraction": Bad(
        {"spec.training.scratch.epochs": 2.5}, "spec.training.scratch.epochs", "whole number"
    ),
    "batch of true": Bad(
        {"spec.training.scratch.batchSize": True}, "spec.training.scratch.batchSize", "whole number"
    ),
    "no epochs at all": Bad(
        {"spec.training.scratch.epochs": 0}, "spec.training.scratch.epochs", "greater"
    ),
    "YAML reads 1e-4 as text": Bad(
        {"spec.training.transfer.learningRate": "1e-4"},
        "spec.training.transfer.learningRate",
        "1.0e-4",
    ),
    "negative weight decay": Bad(
        {"spec.training.transfer.higherOrderWeightDecay": -1.0},
        "spec.training.transfer.higherOrderWeightDecay",
        "greater than or equal to 0",
    ),
    "no seed": Bad(
        {"spec.training.taskSpecific.seeds": []}, "spec.training.taskSpecific.seeds", "at least one"
    ),
    "seeds not a list": Bad(
        {"spec.training.taskSpecific.seeds": 3}, "spec.training.taskSpecific.seeds", "a list"
    ),
    "seventeen seeds": Bad(
        {"spec.training.scratch.seeds": list(range(17))}, "spec.training.scratch.seeds", "most 16"
    ),
    "negative patience": Bad(
        {"spec.training.scratch.earlyStopping.patience": -1},
        "spec.training.scratch.earlyStopping.patience",
        "greater than or equal to 0",
    ),
    "an adversary that weighs nothing": Bad(
        {"spec.training.taskSpecific.adversarial.weight": 0},
        "spec.training.taskSpecific.adversarial.weight",
        "greater than 0",
    ),
    "an adversary of the scratch baseline": Bad(
        {"spec.training.scratch.adversarial": {}},
        "spec.training.scratch.adversarial",
        "unknown field",
    ),
    "flips of transfers": Bad(
        {"spec.training.transfer.augment": {"flip": True}},
        "spec.training.transfer.augment",
        "unknown field",
    ),
    "flip as text": Bad(
        {"spec.training.taskSpecific.augment.flip": "yes"},
        "spec.training.taskSpecific.augment.flip",
        "true or false",
    ),
    "training is null": Bad({"spec.training": None}, "spec.training", "leave the line out"),
    "order zero": Bad({"spec.transfers.orders": [0, 1]}, "spec.transfers.orders[0]", "greater"),
    "order as text": Bad({"spec.transfers.orders": ["1"]}, "spec.transfers.orders[0]", "quotes"),
    "no order": Bad({"spec.transfers.orders": []}, "spec.transfers.orders", "at least one"),
    "policy": Bad({"spec.transfers.candidates": "all"}, "spec.transfers.candidates", "exhaustive"),
    "memory in GB": Bad(
        {"spec.resources.scratch.memory": "16GB"}, "spec.resources.scratch.memory", "16Gi"
    ),
    "shm of nothing": Bad(
        {"spec.resources.scratch.shm": "0Gi"}, "spec.resources.scratch.shm", "positive"
    ),
    "cpu of nothing": Bad(
        {"spec.resources.affinity.cpu": "0.0"}, "spec.resources.affinity.cpu", "positive"
    ),
    "cpu without quotes": Bad(
        {"spec.resources.firstOrder.cpu": 4}, "spec.resources.firstOrder.cpu", 'quotes: "4"'
    ),
    "negative gpus": Bad(
        {"spec.resources.higherOrder.gpus": -1}, "spec.resources.higherOrder.gpus", "greater"
    ),
    "GPUs for a taxonomy": Bad(
        {"spec.resources.taxonomy.gpus": 1}, "spec.resources.taxonomy.gpus", "unknown field"
    ),
    "profile": Bad(
        {"spec.resources.scratch.profile": "A100!"}, "spec.resources.scratch.profile", "lower-case"
    ),
    "queue": Bad({"spec.queue": "Team A"}, "spec.queue", "lower-case"),
    "priority class": Bad({"spec.priorityClassName": "-"}, "spec.priorityClassName", "object"),
    "no parallelism": Bad({"spec.parallelism": 0}, "spec.parallelism", "greater"),
    "many retries": Bad({"spec.retries": 100}, "spec.retries", "less than or equal to 20"),
    "no GPU hours": Bad({"spec.gpuHours": 0}, "spec.gpuHours", "greater than 0"),
    "artifacts": Bad({"spec.artifacts": "s3://a b"}, "spec.artifacts", "URI"),
    "tracking": Bad({"spec.tracking": "host:5000"}, "spec.tracking", "URI"),
    "budget of nothing": Bad(
        {"spec.taxonomy.budgets": [2, 0]}, "spec.taxonomy.budgets[1]", "greater than 0"
    ),
    "budget without bound": Bad(
        {"spec.taxonomy.budgets": [float("inf")]}, "spec.taxonomy.budgets[0]", "finite"
    ),
    "flag as text": Bad(
        {"spec.taxonomy.allowOwnTransfer": "yes"}, "spec.taxonomy.allowOwnTransfer", "true or false"
    ),
    "dictionary": Bad({"spec.tasks.dictionary": "papr"}, "spec.tasks.dictionary", ".toml"),
    "blank in a task's name": Bad(
        {"spec.tasks.subset": [" normals"]}, "spec.tasks.subset[0]", "blanks"
    ),
    "negative importance": Bad(
        {"spec.tasks.importance": {"normals": -1}}, "spec.tasks.importance.normals", "greater"
    ),
    "custom task's id": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": "Night"}]}, "spec.tasks.custom[0].id", "task id"
    ),
    "custom task without output": Bad(
        {"spec.tasks.custom": [{k: v for k, v in OWN_TASK.items() if k != "output"}]},
        "spec.tasks.custom[0].output",
        "required",
    ),
    "custom task's unknown field": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"foldr": "night"}]},
        "spec.tasks.custom[0].foldr",
        "'folder'",
    ),
}

BETWEEN_FIELDS = {
    "name too long for its Jobs": Bad(
        {"metadata.name": "a" * (MAX_NAME + 1)}, "metadata.name", "digest"
    ),
    "steps and epochs": Bad(
        {"spec.training.scratch.steps": 10, "spec.training.scratch.epochs": 1},
        "spec.training.scratch.steps",
        "not both",
    ),
    "steps and epochs of a subclass": Bad(
        {"spec.training.transfer.steps": 10, "spec.training.transfer.epochs": 1},
        "spec.training.transfer.steps",
        "not both",
    ),
    "a seed twice": Bad(
        {"spec.training.scratch.seeds": [1, 2, 1]}, "spec.training.scratch.seeds", "twice"
    ),
    "an adversary after the end": Bad(
        {
            "spec.training.taskSpecific.steps": 500,
            "spec.training.taskSpecific.adversarial": {"weight": 0.01},
        },
        "spec.training.taskSpecific.adversarial.fromStep",
        "ends after 500; lower it",
    ),
    "fewest nodes above most": Bad(
        {"spec.resources.firstOrder.nodes": {"min": 3, "max": 2}},
        "spec.resources.firstOrder.nodes.min",
        "above max 2",
    ),
    "only the fewest nodes": Bad(
        {"spec.resources.firstOrder.nodes.min": 2},
        "spec.resources.firstOrder.nodes.min",
        "raise max",
    ),
    "orders descend": Bad(
        {"spec.transfers.orders": [2, 1]}, "spec.transfers.orders", "write [1, 2]"
    ),
    "an order twice": Bad({"spec.transfers.orders": [1, 1]}, "spec.transfers.orders", "write [1]"),
    "no first order to rank by": Bad(
        {"spec.transfers.orders": [2, 3]}, "spec.transfers.orders", "first-order"
    ),
    "beam without width": Bad(
        {"spec.transfers.candidates": "beam"}, "spec.transfers.beamWidth", "both or neither"
    ),
    "width without beam": Bad(
        {"spec.transfers.beamWidth": 4}, "spec.transfers.beamWidth", "both or neither"
    ),
    "a budget twice": Bad(
        {"spec.taxonomy.budgets": [2, 2.0]}, "spec.taxonomy.budgets", "given twice"
    ),
    "a maximum order twice": Bad(
        {"spec.taxonomy.orders": [1, 1]}, "spec.taxonomy.orders", "given twice"
    ),
    "a maximum order nobody measures": Bad(
        {"spec.transfers.orders": [1, 2], "spec.taxonomy.orders": [3]},
        "spec.taxonomy.orders",
        "above order 2",
    ),
    "inline without tasks": Bad(
        {"spec.tasks.dictionary": "inline"}, "spec.tasks.custom", "at least one task"
    ),
}

OF_THE_DICTIONARY = {
    "unknown task": Bad(
        {"spec.tasks.subset": ["normls"]}, "spec.tasks.subset[0]", "did you mean 'normals'"
    ),
    "several tasks' folder": Bad({"spec.tasks.subset": ["rgb"]}, "spec.tasks.subset[0]", "several"),
    "a task twice under two names": Bad(
        {"spec.tasks.subset": [*THREE, "rgb2sfnorm"]}, "spec.tasks.subset[3]", "subset[0]"
    ),
    "source-only and target-only": Bad(
        {"spec.tasks.sourceOnly": ["normals"], "spec.tasks.targetOnly": ["depth", "rgb2sfnorm"]},
        "spec.tasks.targetOnly[1]",
        "already in sourceOnly[0]",
    ),
    "target-only and both": Bad(
        {"spec.tasks.targetOnly": ["depth"], "spec.tasks.both": ["depth"]},
        "spec.tasks.both[0]",
        "already in targetOnly[0]",
    ),
    "role of a task left out": Bad(
        {"spec.tasks.subset": THREE, "spec.tasks.sourceOnly": ["depth"]},
        "spec.tasks.sourceOnly[0]",
        "add it to tasks.subset",
    ),
    "importance of nobody": Bad(
        {"spec.tasks.importance": {"nrmals": 1}}, "spec.tasks.importance.nrmals", "'normals'"
    ),
    "importance of a source": Bad(
        {"spec.tasks.importance": {"jigsaw": 2}}, "spec.tasks.importance.jigsaw", "no target"
    ),
    "importance of a task left out": Bad(
        {
            "spec.tasks.subset": THREE,
            "spec.transfers.orders": [1],
            "spec.tasks.importance": {"depth": 2},
        },
        "spec.tasks.importance.depth",
        "no target of this study",
    ),
    "importance twice": Bad(
        {"spec.tasks.importance": {"normals": 1, "rgb2sfnorm": 2}},
        "spec.tasks.importance.rgb2sfnorm",
        "already given as 'normals'",
    ),
    "cost of a target": Bad(
        {"spec.tasks.targetOnly": ["depth"], "spec.tasks.labelCost": {"depth": 2}},
        "spec.tasks.labelCost.depth",
        "no source",
    ),
    "no target": Bad({"spec.tasks.subset": ["jigsaw"]}, "spec.tasks", "no task is a target"),
    "no source": Bad(
        {"spec.tasks.subset": ["depth"], "spec.tasks.targetOnly": ["depth"]},
        "spec.tasks",
        "no task is a source",
    ),
    "random as a target": Bad(
        {"spec.tasks.targetOnly": ["random"]}, "spec.tasks", "'random' has no loss"
    ),
    "random as both": Bad({"spec.tasks.both": ["random"]}, "spec.tasks", "never trained"),
    "an adversary and no image": Bad(
        {
            "spec.tasks.subset": ["vanishing-points", "room-layout"],
            "spec.transfers.orders": [1],
            "spec.training.taskSpecific.adversarial": {},
        },
        "spec.training.taskSpecific.adversarial",
        "no task of this study predicts an image",
    ),
    "own task named as one of the paper's": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": "normals"}]}, "spec.tasks.custom", "two tasks"
    ),
    "own task with a reserved name": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": "self"}]}, "spec.tasks.custom", "reserved"
    ),
    "101 tasks": Bad(
        {"spec.tasks.custom": [OWN_TASK | {"id": f"own-{n}"} for n in range(75)]},
        "spec.tasks.custom",
        "at most 100",
    ),
    "order above the number of sources": Bad(
        {"spec.tasks.subset": THREE}, "spec.transfers.orders", "order 4 combines 4 sources"
    ),
    "own encoder is no source of an order above 1": Bad(
        {"spec.tasks.subset": THREE, "spec.transfers.orders": [1, 3]},
        "spec.transfers.orders",
        "has 2 to draw on",
    ),
    "no source but itself": Bad(
        {
            "spec.tasks.subset": ["depth"],
            "spec.transfers.orders": [1],
            "spec.transfers.ownEncoder": "never",
        },
        "spec.transfers.orders",
        "has 0 to draw on",
    ),
    "too many transfers": Bad(
        {"spec.transfers.candidates": "exhaustive"}, "spec.transfers", "at most 100,000"
    ),
    "too many transfers by seeds": Bad(
        {
            "spec.transfers.candidates": "exhaustive",
            "spec.transfers.orders": [1, 2],
            "spec.training.transfer.seeds": list(range(15)),
        },
        "spec.transfers",
        f"{15 * (22 * 26 + 22 * 300):,}",
    ),
    "batch size of nobody": Bad(
        {"spec.training.transfer.batchSizes": {"dpth": 4}},
        "spec.training.transfer.batchSizes.dpth",
        "'depth'",
    ),
    "batch size twice": Bad(
        {"spec.training.transfer.batchSizes": {"depth": 4, "rgb2depth": 8}},
        "spec.training.transfer.batchSizes.rgb2depth",
        "already given as 'depth'",
    ),
    "a tasks file where none is read": Bad(
        {"spec.tasks.dictionary": "tasks.toml"}, "spec.tasks.dictionary", "cannot be read here"
    ),
}

BAD = OF_ONE_FIELD | BETWEEN_FIELDS | OF_THE_DICTIONARY

UNSEEN_BY_THE_SERVER = {
    # said by `taskonomyctl submit` and by the controller, which know the dictionary
    "unknown task": "the dictionary",
    "several tasks' folder": "the dictionary",
    "a task twice under two names": "the dictionary",
    "source-only and target-only": "the dictionary: two names of one task",
    "role of a task left out": "the dictionary: names may differ",
    "importance of nobody": "the dictionary",
    "importance of a source": "the dictionary's roles",
    "importance of a task left out": "the dictionary: names may differ",
    "importance twice": "the dictionary: two names of one task",
    "cost of a target": "the dictionary: names may differ",
    "no target": "the dictionary's roles",
    "no source": "the dictionary's roles",
    "random as a target": "the dictionary's losses",
    "random as both": "the dictionary's losses",
    "order above the number of sources": "the dictionary's roles",
    "own encoder is no source of an order above 1": "the dictionary's roles",
    "no source but itself": "the dictionary's roles",
    "too many transfers": "the dictionary's roles",
    "too many transfers by seeds": "the dictionary's roles",
    "an adversary and no image": "the dictionary's outputs",
    "batch size of nobody": "the dictionary",
    "batch size twice": "the dictionary: two names of one task",
    # nothing wrong is left when it gets there
    "label named by a number": "JSON has no key but text",
    "training is null": "null is taken for absent, and the default put in its place",
}
"""Bad studies that no API server can tell, each with what that would take."""

# --- what is accepted --------------------------------------------------------------------------

GOOD: dict[str, dict[str, object]] = {
    "the smallest": {},
    "the longest name": {"metadata.name": "a" * MAX_NAME},
    "as the API server returns it": {
        "metadata.uid": "1-2-3",
        "metadata.resourceVersion": "7",
        "metadata.namespace": "team-a",
        "status": {"observedGeneration": 1},
    },
    "steps": {"spec.training.transfer.steps": 100},
    "the paper's adversary": {"spec.training.taskSpecific.adversarial": {}},
    "an adversary before the end": {
        "spec.training.taskSpecific": {"steps": 500, "adversarial": {"fromStep": 499}}
    },
    "mirrored examples": {"spec.training.taskSpecific.augment.flip": True},
    "three seeds": {"spec.training.scratch.seeds": [0, 1, 2]},
    "two nodes": {"spec.resources.taskSpecific.nodes": {"min": 1, "max": 2}},
    "quantities": {
        "spec.resources.scratch": {"cpu": "500m", "memory": "1.5Gi", "shm": "64Mi", "gpus": 0}
    },
    "small CPU": {"spec.resources.affinity.cpu": "0.05"},
    "splits in a file": {"spec.data.splits": "splits/mine.csv"},
    "splits by name": {"spec.data.splits": "full+"},
    "a folder on this machine": {"spec.data.dataset": "/data/rooms"},
    "the other layout": {"spec.data.layout": "omnidata"},
    "places": {"spec.artifacts": "file:///results", "spec.tracking": "http://mlflow:5000"},
    "a queue and a ceiling": {
        "spec.queue": "team-a",
        "spec.priorityClassName": "batch.low",
        "spec.gpuHours": 47_886,
    },
    "a beam": {"spec.transfers": {"candidates": "beam", "beamWidth": 3}},
    "all pairs and no singles": {"spec.transfers": {"candidates": "exhaustive", "orders": [2]}},
    "as many orders as others": {"spec.tasks.subset": THREE, "spec.transfers.orders": [1, 2]},
    "own encoder at every order": {
        "spec.tasks.subset": THREE,
        "spec.transfers": {"orders": [1, 2, 3], "ownEncoder": "every-order"},
    },
    "a task measured on itself": {"spec.tasks.subset": ["depth"], "spec.transfers.orders": [1]},
    "the paper's names": {"spec.tasks.importance": {"rgb2sfnorm": 0, "Z-buffer depth": 3.5}},
    "own task beside the paper's": {"spec.tasks.custom": [OWN_TASK]},
    "a hundred tasks": {"spec.tasks.custom": [OWN_TASK | {"id": f"own-{n}"} for n in range(74)]},
    "only own tasks": {
        "spec.tasks": {"dictionary": "inline", "custom": [OWN_TASK]},
        "spec.transfers.orders": [1],
    },
    "sizes of tasks elsewhere in the paper": {
        "spec.tasks.subset": THREE,
        "spec.transfers.orders": [1],
        "spec.training.transfer.batchSizes": {"egomotion": 4},
    },
}
