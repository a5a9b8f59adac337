"""Where a training pod may run and what it asks of a node there.

A volume that is attached to one node at a time (ReadWriteOnce) needs all pods that mount it on that
node, and nothing of Kubernetes sees to it: a pod elsewhere is given a node and waits there for the
volume for ever. So these pods bear one label and want to be where pods with it are. The first of
them may go anywhere, as a pod may whose own labels match its term while nobody else's do
(Kubernetes, "Assigning Pods to Nodes", on groups of pods with affinity to themselves). Pods that
have ended no longer count. There is one label and one term for all volumes: with two, that rule
would let in who meets pods of one of them alone.
"""

from typing import Any

from taskonomy_catalogue.errors import SettingRefused, did_you_mean
from taskonomy_catalogue.study_parts import Resources, StageResources
from taskonomy_operator import constants
from taskonomy_operator.asked import PlanStage
from taskonomy_operator.installation import Installation, OneNode, Profile, Toleration


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


def one_node_labels(where: OneNode | None) -> dict[str, str]:
    """Return the label of pods that have to be on one node; none if they need not."""
    return {constants.ONE_NODE: where.claim} if where else {}


def together(fields: dict[str, Any], installation: Installation, *, gpus: int) -> dict[str, Any]:
    """Return the pod fields that put a pod where the others with the label are, if it has to be.

    Who needs no GPU may have to be beside those who do: it puts up with the taints of every
    profile, as it could else only run while they do not.

    Args:
        fields: what `placement` says.
        installation: says whether pods have to be on one node.
        gpus: what the pod asks for.
    """
    where = installation.one_node
    if where is None:
        return fields
    term: dict[str, Any] = {
        "labelSelector": {"matchLabels": one_node_labels(where)},
        "topologyKey": "kubernetes.io/hostname",
    }
    if where.namespaces:
        term["namespaces"] = list(where.namespaces)
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    fields = {**fields, "affinity": {"podAffinity": terms}}
    borne = list(fields.get("tolerations", []))
    for profile in installation.profiles.values() if not gpus else ():
        borne += [taint for taint in map(_toleration, profile.tolerations) if taint not in borne]
    return {**fields, "tolerations": borne} if borne else fields


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
