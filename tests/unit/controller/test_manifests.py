"""The objects of a trial, whole: one golden file for each shape of Job.

``TASKONOMY_WRITE_MANIFESTS=1 pytest tests/unit/controller/test_manifests.py`` writes the files
anew; read the difference before keeping it. `tests/cluster` has a real API server check the same.
"""

import os
from pathlib import Path

import pytest
import yaml
from manifest_cases import (
    NASTY,
    ONE_NODE,
    PLAIN,
    RICH,
    SHAPES,
    Shape,
    objects_of,
    pod_of,
    study_of,
    trials_of,
)

from taskonomy_catalogue.errors import InputRefused, SettingRefused
from taskonomy_catalogue.launch import Launch, parse_trials
from taskonomy_operator import constants
from taskonomy_operator.installation import Installation, read_installation
from taskonomy_operator.manifests import Manifest, Owner, training_objects
from taskonomy_operator.ranking_job import ranking_job
from taskonomy_operator.security import literal
from taskonomy_operator.trial_file import trials_annotation

GOLDEN = Path(__file__).parent / "manifests"


@pytest.mark.parametrize("name", SHAPES)
def test_the_objects_of_a_shape_are_those_of_its_file(name: str) -> None:
    made, file = objects_of(SHAPES[name]), GOLDEN / f"{name}.yaml"
    if os.environ.get("TASKONOMY_WRITE_MANIFESTS"):
        text = yaml.safe_dump_all(made, sort_keys=False, allow_unicode=True, width=100)
        file.write_text(text, encoding="utf-8")
    assert made == list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def test_every_golden_file_is_a_shapes() -> None:
    # the Job that ranks is no shape of training: test_ranking_job has it
    assert {file.stem for file in GOLDEN.glob("*.yaml")} == {*SHAPES, "ranking"}


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_made_is_a_function_of_what_is_asked(name: str) -> None:
    assert objects_of(SHAPES[name]) == objects_of(SHAPES[name])


@pytest.mark.parametrize("name", SHAPES)
def test_the_pod_reads_exactly_the_trials_it_is_made_for(name: str) -> None:
    shape = SHAPES[name]
    pod = pod_of(objects_of(shape))
    text = pod["metadata"]["annotations"][constants.TRIALS]
    asked = trials_of(study_of(shape), shape.stage, shape.trials)
    assert parse_trials(text.encode(), "annotation") == asked


def as_a_kubelet_reads(word: str, environment: dict[str, str]) -> str:
    """Expand a word of a command: written from the documentation of Kubernetes, not from ours."""
    out, at = "", 0
    while at < len(word):
        if word.startswith("$$", at):
            out, at = out + "$", at + 2
        elif word.startswith("$(", at) and ")" in word[at:]:
            end = word.index(")", at)
            name = word[at + 2 : end]
            out, at = out + environment.get(name, word[at : end + 1]), end + 1
        else:
            out, at = out + word[at], at + 1
    return out


@pytest.mark.parametrize("word", [NASTY, "$", "$$", "$$$", "$(HOME)", "$$(HOME)", "a$(HOME", "5 $"])
def test_no_word_is_changed_on_its_way_to_the_process(word: str) -> None:
    assert as_a_kubelet_reads(literal(word), {"HOME": "x", "AWS_SECRET_ACCESS_KEY": "y"}) == word


def test_nasty_words_reach_the_trial_as_they_are() -> None:
    shape = SHAPES["nasty-words"]
    (container,) = pod_of(objects_of(shape))["spec"]["containers"]
    read = [as_a_kubelet_reads(word, {"HOME": "/root"}) for word in container["command"]]
    assert read[:4] == ["python3", "-P", "-m", "taskonomy_jobs.train"]
    launch = Launch.parse(read[4:])
    assert launch.dataset == shape.changes["spec.data.dataset"]
    assert launch.artifacts == shape.changes["spec.artifacts"]
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    assert as_a_kubelet_reads(values["PRICE"], {"HOME": "/root"}) == RICH.env["PRICE"]


@pytest.mark.parametrize("name", SHAPES)
def test_no_shell_is_started(name: str) -> None:
    (container,) = pod_of(objects_of(SHAPES[name]))["spec"]["containers"]
    assert container["command"][0] == "python3"
    assert "args" not in container
    assert not {"sh", "bash", "-c"} & set(container["command"])


@pytest.mark.parametrize("name", SHAPES)
def test_labels_are_selected_by_and_survive_what_the_study_says(name: str) -> None:
    made = objects_of(SHAPES[name])
    for thing in made:
        assert (
            thing["metadata"]["labels"][constants.STUDY_UID]
            == thing["metadata"]["ownerReferences"][0]["uid"]
        )
        assert len(thing["metadata"]["name"]) <= 63
    labels = pod_of(made)["metadata"]["labels"]
    assert labels[constants.STAGE] == SHAPES[name].stage
    assert all(len(value) <= 63 for value in labels.values())


@pytest.mark.parametrize(
    ("retries", "attempt", "trials", "limit"),
    [(3, 0, 1, 3), (3, 2, 1, 1), (3, 9, 1, 0), (3, 0, 2, 0)],
)
def test_a_job_has_the_retries_that_are_left(
    retries: int, attempt: int, trials: int, limit: int
) -> None:
    shape = Shape({"spec.retries": retries}, "first-order", trials, attempt)
    (job,) = objects_of(shape)
    assert job["spec"]["backoffLimit"] == limit


def test_more_trials_than_an_annotation_holds_are_refused() -> None:
    trial = trials_of(study_of(Shape()), "first-order")[0]
    assert len(trials_annotation([trial] * 100)[constants.TRIALS]) < 256 * 1024
    with pytest.raises(SettingRefused, match="fewer trials in a pack"):
        trials_annotation([trial] * 1000)


def test_a_profile_nobody_knows_is_refused() -> None:
    shape = Shape({"spec.resources.taskSpecific.profile": "a10"}, installation=RICH)
    with pytest.raises(SettingRefused, match=r"no profile 'a10'; did you mean 'a100'\?"):
        objects_of(shape)
    plain = Shape({"spec.resources.taskSpecific.profile": "a10"})
    with pytest.raises(SettingRefused, match="there are none"):
        objects_of(plain)


def may_follow(pod: Manifest, other: Manifest) -> bool:
    """Return whether a pod's terms hold on the node of another of namespace `default`."""
    terms = pod["spec"]["affinity"]["podAffinity"]
    return all(
        term["labelSelector"]["matchLabels"].items() <= other["metadata"]["labels"].items()
        and "default" in term.get("namespaces", ["default"])
        and term["topologyKey"] == "kubernetes.io/hostname"
        for term in terms["requiredDuringSchedulingIgnoredDuringExecution"]
    )


def test_pods_that_share_a_volume_of_one_node_follow_one_another_and_the_first_itself() -> None:
    gang, guess = (
        pod_of(objects_of(SHAPES[name])) for name in ("gang-on-one-node", "best-guess-on-one-node")
    )
    study = study_of(Shape())
    owner = Owner(name="small", namespace="default", uid="1")
    ranking = ranking_job(study, owner, ("normals",), installation=ONE_NODE)["spec"]["template"]
    pods = [gang, guess, ranking]
    assert all(may_follow(pod, other) for pod in pods for other in pods)
    elsewhere = pod_of(objects_of(SHAPES["elastic"]))
    assert not any(may_follow(pod, elsewhere) for pod in pods)
    assert "affinity" not in elsewhere["spec"]


def test_beside_gpus_who_needs_none_bears_their_taints_and_who_does_its_profiles_alone() -> None:
    gang, guess = (
        pod_of(objects_of(SHAPES[name])) for name in ("gang-on-one-node", "best-guess-on-one-node")
    )
    assert "tolerations" not in gang["spec"]
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert guess["spec"]["tolerations"] == [taint]


def test_results_need_a_place() -> None:
    study = study_of(Shape())
    owner = Owner(name="small", namespace="default", uid="1")
    nowhere = PLAIN.model_copy(update={"artifacts": ""})
    with pytest.raises(SettingRefused, match=r"set spec\.artifacts"):
        training_objects(study, owner, trials_of(study, "scratch"), job="j", installation=nowhere)


def test_an_installation_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "installation.yaml"
    file.write_text(yaml.safe_dump(RICH.model_dump(mode="json", by_alias=True)))
    assert read_installation(file) == RICH


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("image: 3", "image"),
        ("image: x\nprofile: {}", "profile"),
        ("image: x\nmounts: [{name: data, path: data}]", "mounts.0.path"),
        ("image: [", "not valid YAML"),
        ("image: x\npullPolicy: y\nimage: z", "line 3: .*'image' is given twice, first in line 1"),
        ("# nothing", "the file is empty"),
        ("[]", "Input should be"),
    ],
)
def test_a_bad_installation_is_refused_by_field(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "installation.yaml"
    file.write_text(text)
    with pytest.raises(InputRefused, match=word):
        read_installation(file)
    with pytest.raises(InputRefused, match="cannot be read"):
        read_installation(tmp_path / "absent.yaml")


@pytest.mark.parametrize("claim", ["", "Results", "a" * 64, "results-"])
def test_a_claim_that_no_label_can_name_is_refused(tmp_path: Path, claim: str) -> None:
    file = tmp_path / "installation.yaml"
    file.write_text(yaml.safe_dump({"image": "x", "oneNode": {"claim": claim}}))
    with pytest.raises(InputRefused, match=r"oneNode\.claim"):
        read_installation(file)


def test_every_setting_says_what_it_is() -> None:
    for name, field in Installation.model_fields.items():
        assert len(field.description or "") > 10, name
