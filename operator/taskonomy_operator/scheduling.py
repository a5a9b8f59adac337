"""Where a training pod may run and what it asks of a node there."""

from typing import Any

from taskonomy_catalogue.errors import SettingRefused, did_you_mean
from taskonomy_catalogue.study_parts import Resources, StageResources
from taskonomy_operator.asked import PlanStage
from taskonomy_operator.installation import Installation, Profile, Toleration


def resources_of(stage: PlanStage, resources: Resources) -> StageResources:
    """Return what pods of a stage ask for; a best guess is the scratch stage's without a GPU."""
    if stage == "best-guess":
        return resources.scratch.model_copy(update={"gpus": 0})
    return {
        "task-specific": resources.task_specific,
        "scratch": resources.scratch,
        "first-order": resources.first_order,
        "higher-order": resources.higher_order,
    }[stage]


def profile_of(name: str, installation: Installation) -> Profile:
    """Return a profile by the name a Study gives; an empty name is one without demands.

    Raises:
        SettingRefused: the installation has no such profile.
    """
    if not name:
        return Profile()
    if name not in installation.profiles:
        known = sorted(installation.profiles)
        hint = did_you_mean(name, known) or f"; there are {', '.join(known) or 'none'}"
        raise SettingRefused(f"the installation has no profile {name!r}{hint}")
    return installation.profiles[name]


def placement(profile: Profile, priority_class: str) -> dict[str, Any]:
    """Return the pod fields that choose nodes and priority; what is empty is left out."""
    fields: dict[str, Any] = {
        "priorityClassName": priority_class,
        "nodeSelector": dict(profile.node_selector),
        "tolerations": [_toleration(taint) for taint in profile.tolerations],
        "runtimeClassName": profile.runtime_class,
    }
    return {name: value for name, value in fields.items() if value}


def container_resources(asked: StageResources, profile: Profile) -> dict[str, Any]:
    """Return requests and limits of the container.

    Memory is limited to what is asked for, so that one trial cannot starve its neighbours. CPU is
    not: a limit would idle a core that nobody else wants.
    """
    requests = {"cpu": asked.cpu, "memory": asked.memory}
    limits = {"memory": asked.memory}
    if asked.gpus:
        requests[profile.gpu_resource] = limits[profile.gpu_resource] = str(asked.gpus)
    return {"requests": requests, "limits": limits}


def _toleration(taint: Toleration) -> dict[str, Any]:
    return {name: value for name, value in taint.model_dump(by_alias=True).items() if value}
