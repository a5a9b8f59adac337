"""The custom resource definition of a Study, generated from the typed spec.

`study_crd` is what `taskonomyctl crd` prints and the chart carries. The schema is made of the
catalogue's classes, the rules between fields stand in `crd_rules`, the status is `study_status`'s.
An API server that has it refuses a bad Study when it is applied, without a webhook that could be
down.
"""

from typing import Any

from taskonomy_catalogue.study import StudySpec
from taskonomy_operator.constants import GROUP, KIND, PART_OF, PLURAL, VERSION
from taskonomy_operator.crd_rules import ROOT_RULES, SPEC_RULES
from taskonomy_operator.crd_schema import structural_schema
from taskonomy_operator.study_status import StudyStatus


def study_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition ``studies.taskonomy.dev``."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}", "labels": {PART_OF: "taskonomy"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "study",
                "shortNames": ["stu"],
                "categories": ["all", "taskonomy"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": _schema()},
                }
            ],
        },
    }


def _schema() -> dict[str, Any]:
    spec = structural_schema(StudySpec, SPEC_RULES)
    status = structural_schema(StudyStatus, {})
    tasks = spec["properties"]["tasks"]["properties"]
    tasks["custom"] |= _keyed_by("id")
    for names in ("subset", "sourceOnly", "targetOnly", "both"):
        tasks[names]["x-kubernetes-list-type"] = "set"
    status["properties"]["conditions"] |= _keyed_by("type")
    status["properties"]["stages"] |= _keyed_by("name")
    return {
        "type": "object",
        "description": "What is asked: measure how these tasks transfer to one another, then "
        "choose among them.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this format."},
            "kind": {"type": "string", "description": "Always Study."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
        "x-kubernetes-validations": [rule.schema() for rule in ROOT_RULES],
    }


def _keyed_by(key: str) -> dict[str, Any]:
    """Return what makes a list one of things told apart by a key: none twice, merged by key."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def _columns() -> list[dict[str, Any]]:
    """Return what `kubectl get studies` prints.

    The ETA is a text: kubectl prints a date as the time since, and this one is to come.
    """
    return [
        _column("Stage", "string", ".status.stage", "Earliest stage that is not finished"),
        _column("Done", "integer", ".status.trials.done", "Trials with a result"),
        _column("Total", "integer", ".status.trials.total", "Trials needed, as far as known"),
        _column("Failed", "integer", ".status.trials.failed", "Trials given up"),
        _column("Running", "integer", ".status.trials.running", "Trials whose pods run"),
        _column("ETA", "string", ".status.eta", "When the last trial should be done"),
        _column("Age", "date", ".metadata.creationTimestamp", "Time since it was created"),
    ]


def _column(name: str, kind: str, path: str, description: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "description": description}
