"""The Job that ranks sources: the whole object, and who in it may do what."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifest_cases import NASTY, RICH, TWO, UID
from study_cases import document

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.launch import RankingLaunch
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_parts import MAX_NAME
from taskonomy_operator import constants
from taskonomy_operator.job_record import job_record
from taskonomy_operator.manifests import Owner
from taskonomy_operator.ranking_job import ranking_job, ranking_job_name

GOLDEN = Path(__file__).parent / "manifests" / "ranking.yaml"
OWNER = Owner(name="small", namespace="default", uid=UID)


def study(**more: object) -> Study:
    return parse_study(document({**TWO, **more}), origin="study.yaml")


def made(targets: tuple[str, ...] = ("normals", "depth"), **more: object) -> dict[str, Any]:
    return ranking_job(study(**more), OWNER, targets, installation=RICH)


def test_the_whole_object() -> None:
    if os.environ.get("TASKONOMY_WRITE_MANIFESTS"):
        text = yaml.safe_dump(made(), sort_keys=False, allow_unicode=True, width=100)
        GOLDEN.write_text(text, encoding="utf-8")
    assert made() == yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))


def test_what_reads_results_has_no_token_and_what_has_one_reads_none() -> None:
    pod = made()["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    (rank,), (publish,) = pod["initContainers"], pod["containers"]
    seen = {
        each["name"]: {mount["name"] for mount in each["volumeMounts"]} for each in (rank, publish)
    }
    assert "token" not in seen["rank"]
    assert seen[publish["name"]] == {"token", "handover", "tmp"}
    assert "envFrom" not in publish
    handover = [mount for mount in publish["volumeMounts"] if mount["name"] == "handover"]
    assert handover[0]["readOnly"] is True


def test_the_study_in_its_annotation_is_the_study() -> None:
    asked = study(**{"metadata.labels": {"team": NASTY[:10].strip("'; ") or "a"}})
    job = ranking_job(asked, OWNER, ("normals",), installation=RICH)
    text = job["spec"]["template"]["metadata"]["annotations"][constants.STUDY_DOCUMENT]
    assert parse_study(json.loads(text), origin="annotation") == asked


def test_its_command_is_read_back_as_it_was_meant() -> None:
    (rank,) = made()["spec"]["template"]["spec"]["initContainers"]
    launch = RankingLaunch.parse(rank["command"][4:])
    assert launch.targets == "normals,depth"
    assert launch.artifacts == "/artifacts"


def test_the_controller_reads_off_it_what_it_ranks() -> None:
    job = made()
    job["metadata"] |= {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    record = job_record(job)
    assert record.is_ranking
    assert record.names == ("normals", "depth")
    assert record.study_uid == UID


def test_names_tell_targets_apart_and_fit() -> None:
    one, other = ranking_job_name("s", ["a", "b"]), ranking_job_name("s", ["a"])
    assert one != other
    assert one == ranking_job_name("s", ["b", "a"])
    assert len(ranking_job_name("x" * MAX_NAME, ["a"])) <= 63


@pytest.mark.parametrize("lacks", ["warehouse_image", "operator_image"])
def test_an_installation_without_its_images_says_so(lacks: str) -> None:
    installation = RICH.model_copy(update={lacks: ""})
    with pytest.raises(SettingRefused, match="warehouseImage and operatorImage"):
        ranking_job(study(), OWNER, ("normals",), installation=installation)
