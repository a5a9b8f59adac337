"""Publish a ranking: the last step of the Job that ranks sources.

    python -m taskonomy_operator.publish_ranking --ranking FILE --namespace NS --study S --uid UID

The ranking goes into the ConfigMap ``<study>-ranking``, which the Study owns. Targets that are
ranked there already keep their place: a study's transfers do not change while it runs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from taskonomy_catalogue.errors import TaskonomyError
from taskonomy_catalogue.launch import Exit
from taskonomy_catalogue.rankings import RankingFile, parse_ranking
from taskonomy_operator import constants
from taskonomy_operator.api_errors import Away, Conflict, Refused
from taskonomy_operator.cluster import Cluster, Object, connect
from taskonomy_operator.manifests import Owner
from taskonomy_operator.names import ranking_name
from taskonomy_operator.ranking_job import KEY

TRIES = 5
"""Times somebody else may have written first."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the step as a command; return its exit code."""
    parser = argparse.ArgumentParser(prog="publish_ranking", description=__doc__)
    for option in ("ranking", "namespace", "study", "uid"):
        parser.add_argument(f"--{option}", required=True)
    asked = parser.parse_args(words)
    owner = Owner(name=asked.study, namespace=asked.namespace, uid=asked.uid)
    try:
        file = Path(asked.ranking)
        ranking = parse_ranking(file.read_bytes(), str(file))
        targets = publish(connect(), owner, ranking)
    except (Away, Conflict) as error:
        print(f"publish: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return Exit.TRY_AGAIN
    except (TaskonomyError, OSError) as error:
        print(f"publish: {error}", file=sys.stderr)  # noqa: T201
        return Exit.BAD_TRIAL
    print(f"published the ranking of {targets} targets")  # noqa: T201
    return Exit.DONE


def publish(cluster: Cluster, owner: Owner, ranking: RankingFile) -> int:
    """Add a ranking to a study's ConfigMap; return how many targets it holds then.

    Raises:
        ApiError: the server did not answer, or does not let us.
    """
    for _ in range(TRIES - 1):
        try:
            return _publish_once(cluster, owner, ranking)
        except Conflict:
            continue
    return _publish_once(cluster, owner, ranking)


def _publish_once(cluster: Cluster, owner: Owner, ranking: RankingFile) -> int:
    path = f"/api/v1/namespaces/{owner.namespace}/configmaps"
    name = ranking_name(owner.name)
    there = read_config_map(cluster, owner.namespace, name)
    if there is not None and not owner.owns(there):
        raise Conflict(409, "Foreign", f"ConfigMap {name} belongs to another study; remove it")
    known = ranking_of(there, name).targets if there else {}
    whole = RankingFile(targets={**ranking.targets, **known})
    made = _config_map(owner, name, whole)
    if there is None:
        cluster.create(path, made)
    else:
        made["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
        cluster.replace(f"{path}/{name}", made)
    return len(whole.targets)


def read_config_map(cluster: Cluster, namespace: str, name: str) -> Object | None:
    """Return a ConfigMap; None: there is none."""
    try:
        return cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    except Refused as error:
        if error.code == 404:
            return None
        raise


def ranking_of(config_map: Object, origin: str) -> RankingFile:
    """Return the ranking that a ConfigMap holds.

    Raises:
        InputRefused: it holds something else.
    """
    content = (config_map.get("data") or {}).get(KEY, "{}")
    return parse_ranking(content.encode(), f"ConfigMap {origin}")


def _config_map(owner: Owner, name: str, ranking: RankingFile) -> Object:
    metadata = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {
            constants.PART_OF: "taskonomy",
            constants.MANAGED_BY: constants.MANAGER,
            constants.STUDY: owner.name,
            constants.STUDY_UID: owner.uid,
        },
        "ownerReferences": [owner.reference()],
    }
    data = {KEY: ranking.model_dump_json(indent=1)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


if __name__ == "__main__":
    sys.exit(main())
