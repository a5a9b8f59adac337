"""The objects a study is made of on a cluster, in the order it would make them if all went well.

The planner is asked what starts next, as many at once as the study allows, and told that it ended
well, until nothing is left: so packs are those of a run in which no trial fails or finishes early.
Transfers of higher orders that are chosen by ranking are not known before there is a ranking; one
of the Jobs that rank is shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from taskonomy_catalogue.study import Study
from taskonomy_operator.installation import Installation
from taskonomy_operator.manifests import Manifest, Owner, training_objects
from taskonomy_operator.plan import Plan
from taskonomy_operator.plan_parts import Job
from taskonomy_operator.ranking_job import ranking_job

UNKNOWN_UID = "00000000-0000-0000-0000-000000000000"
"""Stands for the uid of a Study that does not exist yet: the server gives it one."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is made for one Job."""

    name: str
    objects: list[Manifest]
    """The Job, and before it the Service its pods meet at, if they have to."""


def preview(study: Study, owner: Owner, installation: Installation) -> Iterator[Made]:
    """Yield what would be made, in order.

    Raises:
        SettingRefused: the installation lacks what a Job needs.
    """
    plan = Plan(study, stage=study.spec.stage, most_in_pack=installation.pack)
    while jobs := plan.next_jobs(study.spec.parallelism, 0.0):
        for job in jobs:
            plan.saw_start(job)
        for job in jobs:
            yield _made(study, owner, plan, job, installation)
            for name in job.digests:
                plan.saw_result(name)


def _made(study: Study, owner: Owner, plan: Plan, job: Job, installation: Installation) -> Made:
    if job.kind == "ranking":
        made = ranking_job(study, owner, job.targets, installation=installation)
        return Made(str(made["metadata"]["name"]), [made])
    trials = [node.trial for node in map(plan.node, job.digests) if node is not None]
    objects = training_objects(study, owner, trials, job=job.name, installation=installation)
    return Made(job.name, objects)
