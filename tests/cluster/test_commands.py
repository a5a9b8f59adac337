"""`taskonomyctl` against a real API server: what it sends, what it sees, what it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.shell_completion import ShellComplete
from command_line import Ran, run
from control_plane import ControlPlane
from kube import ApiError, Kube, Object, eventually
from manifest_cases import Shape, objects_of
from operator_process import OperatorProcess
from study_cases import BETWEEN_FIELDS, document
from submitted import SMALL, outcome

from taskonomy_catalogue.records import write_trial
from taskonomy_catalogue.study import parse_study
from taskonomy_catalogue.trials import digest
from taskonomy_operator import constants
from taskonomy_operator.asked import asked_trials
from taskonomy_operator.manifests import Owner
from taskonomyctl.main import cli

pytestmark = pytest.mark.cluster

Ctl = Callable[..., Ran]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(document(dict(SMALL))))
    return tmp_path


@pytest.fixture
def ctl(control_plane: ControlPlane, kube: Kube, namespace: str, here: Path) -> Ctl:  # noqa: ARG001
    """Run a command in the test's namespace, in a folder with a study."""

    def ran(verb: str, *words: str, code: int | None = 0, **more: Any) -> Ran:
        env = {"KUBECONFIG": str(control_plane.kubeconfig)}
        return run(verb, "-n", namespace, *words, code=code, cwd=more.pop("cwd", here), env=env)

    return ran


def study_now(kube: Kube, namespace: str, name: str = "small") -> Object:
    return kube.get(f"/apis/taskonomy.dev/v1alpha1/namespaces/{namespace}/studies/{name}")


def seen(kube: Kube, namespace: str, **status: Any) -> Object:
    """Have a controller have looked at the study, and found this."""
    made = study_now(kube, namespace)
    when = "2026-01-01T00:00:00Z"
    accepted = {
        "type": "Accepted",
        "status": "True",
        "reason": "Valid",
        "message": "",
        "lastTransitionTime": when,
    }
    content = {"conditions": [accepted], "startTime": when, **status}
    content["observedGeneration"] = made["metadata"]["generation"]
    return kube.patch(made, {"status": content}, subresource="status")


# --- submit ------------------------------------------------------------------------------------


def test_a_study_is_created_shown_and_changed_to_what_its_file_says(
    ctl: Ctl, kube: Kube, namespace: str, here: Path
) -> None:
    said = ctl("submit", "--dry-run").stderr
    assert "3 tasks, 15 networks; it would be created in namespace" in said
    assert json.loads(ctl("list", "-o", "json").stdout) == []

    assert f"created in namespace {namespace!r} of context" in ctl("submit").stderr
    kept = study_now(kube, namespace)
    assert kept["spec"]["tasks"]["subset"] == ["normals", "reshading", "curvature"]
    listed = json.loads(ctl("list", "-o", "json").stdout)
    assert [(each["study"], each["phase"]) for each in listed] == [("small", "Pending")]
    assert "nothing to change" in ctl("submit").stderr
    assert study_now(kube, namespace)["metadata"]["generation"] == 1

    changed = document({**SMALL, "spec.parallelism": 7, "spec.gpuHours": 5.0})
    (here / "study.yaml").write_text(yaml.safe_dump(changed))
    dry = ctl("submit", "--dry-run", "--stage", "scratch")
    assert dry.stdout.splitlines() == [
        "spec.parallelism: 50 → 7",
        "spec.gpuHours: (not set) → 5",
        "spec.stage: (not set) → scratch",
    ]
    assert study_now(kube, namespace)["metadata"]["generation"] == 1
    ctl("submit", "--stage", "scratch")
    spec = study_now(kube, namespace)["spec"]
    assert (spec["parallelism"], spec["gpuHours"], spec["stage"]) == (7, 5.0, "scratch")

    (here / "study.yaml").write_text(yaml.safe_dump(document(dict(SMALL))))
    ctl("submit")  # what the file leaves out is default again
    spec = study_now(kube, namespace)["spec"]
    assert (spec["parallelism"], "gpuHours" in spec, "stage" in spec) == (50, False, False)


def test_bad_studies_are_refused_in_the_servers_words_before_they_reach_it(
    ctl: Ctl, kube: Kube, namespace: str, here: Path
) -> None:
    compared = 0
    for name, case in BETWEEN_FIELDS.items():
        bad = document(case.changes)
        (here / "bad.yaml").write_text(yaml.safe_dump(bad))
        said = ctl("submit", "-f", "bad.yaml", code=5).stderr
        assert case.field in said, name
        bad["metadata"]["namespace"] = namespace
        try:
            kube.create(bad, dryRun="All")
        except ApiError as error:
            words = [plain(message) for _, message in error.causes]
            assert any(word in plain(said) for word in words), (name, words, said)
            compared += 1
    assert compared >= 12
    assert json.loads(ctl("list", "-o", "json").stdout) == []


def plain(message: str) -> str:
    """Return a message in single blanks, without the value that the server puts before it."""
    words = " ".join(message.split())
    return words.rpartition('": ')[2] if words.startswith("Invalid value:") else words


def test_what_is_fixed_once_trials_run_is_refused_by_the_server_in_one_sentence(
    ctl: Ctl, kube: Kube, namespace: str, here: Path
) -> None:
    ctl("submit")
    seen(kube, namespace)
    changed = document({**SMALL, "spec.model": {"encoder": "resnet18"}})
    (here / "study.yaml").write_text(yaml.safe_dump(changed))
    said = ctl("submit", code=5).stderr
    assert "spec.model" in said
    assert "put it back" in said
    assert "Traceback" not in said


def test_words_of_shells_are_words(ctl: Ctl, here: Path, tmp_path: Path) -> None:
    nasty = f"$(touch {tmp_path}/pwned); `touch {tmp_path}/pwned`"
    for verb in ("status", "why", "logs", "delete", "suspend"):
        said = ctl(verb, nasty, code=6).stderr
        assert "Traceback" not in said
    (here / "n.yaml").write_text(yaml.safe_dump(document({"metadata.name": nasty})))
    assert "RFC 1123" in ctl("submit", "-f", "n.yaml", code=5).stderr
    assert not (tmp_path / "pwned").exists()


def test_options_of_this_machine_and_of_a_cluster_do_not_mix(ctl: Ctl) -> None:
    assert (
        "--processes is of runs on this machine" in ctl("submit", "--processes", "1", code=2).stderr
    )
    assert "--local means this machine" in ctl("status", "--local", code=2).stderr


# --- what is seen and steered ------------------------------------------------------------------


def test_a_study_that_was_run_here_is_hinted_at(ctl: Ctl, here: Path) -> None:
    folder = here / "artifacts" / "studies" / "mine"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(document({"metadata.name": "mine"})))
    said = ctl("status", "mine", code=6).stderr
    assert "has no study 'mine'; it holds no study. A study 'mine' was run on this machine" in said


def test_status_is_that_of_a_run_on_one_machine(ctl: Ctl, kube: Kube, namespace: str) -> None:
    ctl("submit")
    stages = [
        {"name": "task-specific", "total": 3, "done": 2, "failed": 1},
        {"name": "first-order", "total": 9, "done": 1, "queued": 2, "waiting": 3, "blocked": 3},
    ]
    failures = [
        {"trial": "d", "title": "task-specific depth", "reason": "BadTrial", "exitCode": 64}
    ]
    seen(kube, namespace, stages=stages, failures=failures, gpuHours=2.5)
    said = ctl("status").stdout
    assert "2/3" in said
    assert "2 queued, 3 waiting, 3 blocked" in said
    assert "task-specific depth" in said
    assert "BadTrial (exit code 64)" in said
    assert "phase: Running, 2.50 GPU hours so far" in said
    shown = json.loads(ctl("status", "-o", "json").stdout)
    assert (shown["trials"], shown["done"], shown["namespace"]) == (12, 3, namespace)
    assert shown["conditions"][0]["type"] == "Accepted"


def test_suspend_resume_retry_cancel_delete(ctl: Ctl, kube: Kube, namespace: str) -> None:
    ctl("submit")

    def suspended() -> Any:
        return study_now(kube, namespace)["spec"]["suspend"]

    assert "`taskonomyctl resume small` goes on" in ctl("suspend").stderr
    assert suspended()
    assert "suspended already" in ctl("suspend", "small").stderr
    assert "it is suspended" in ctl("submit").stderr  # sending it again does not let it go
    assert suspended()
    ctl("resume")
    assert not suspended()
    assert "cancelling a study is suspending it" in ctl("cancel").stderr
    assert suspended()
    ctl("resume")

    assert "no trial that failed" in ctl("retry", "--failed").stderr
    seen(kube, namespace, trials={"total": 3, "failed": 1, "blocked": 2})
    assert "1 trial that failed and 2 that wait for them" in ctl("retry", "--failed").stderr
    first = study_now(kube, namespace)["metadata"]["annotations"][constants.RETRY_FAILED]
    ctl("retry")
    second = study_now(kube, namespace)["metadata"]["annotations"][constants.RETRY_FAILED]
    assert first < second

    assert "say --yes" in ctl("delete", "small", code=2).stderr
    assert "its results stay in" in ctl("delete", "small", "--yes").stderr
    assert "has no study 'small'" in ctl("delete", "small", "--yes", code=6).stderr
    assert "submit -f study.yaml` sends one" in ctl("status", code=6).stderr


def test_who_may_not_is_told_so(
    ctl: Ctl, kube: Kube, namespace: str, control_plane: ControlPlane, tmp_path: Path
) -> None:
    ctl("submit")
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = kube.request("POST", path, request)["status"]["token"]
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    file = tmp_path / "nobody.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    said = ctl("status", "small", "--kubeconfig", str(file), code=1).stderr
    assert "not allowed: studies.taskonomy.dev" in said
    assert "ask whoever runs the cluster" in said


def test_names_complete_from_the_cluster_and_never_fail(
    ctl: Ctl, namespace: str, control_plane: ControlPlane, here: Path
) -> None:
    ctl("submit")
    complete = ShellComplete(cli, {}, "taskonomyctl", "_TASKONOMYCTL_COMPLETE")
    there = ["--kubeconfig", str(control_plane.kubeconfig), "-n", namespace]

    def completed(*words: str, incomplete: str) -> list[str]:
        return [item.value for item in complete.get_completions(list(words), incomplete)]

    assert completed("status", *there, incomplete="s") == ["small"]
    assert completed("logs", *there, incomplete="curvature/no") == ["curvature/normals"]
    assert completed("why", *there, incomplete="s")[0] == "small"
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    away = here / "away"
    away.write_text(yaml.safe_dump(config))
    assert completed("status", "--kubeconfig", str(away), incomplete="") == []
    names = [context["name"] for context in config["contexts"]]
    assert completed("status", "--kubeconfig", str(away), "--context", incomplete="") == names
    said = ctl("status", "--kubeconfig", str(away), code=6).stderr
    assert "https://127.0.0.1:1 refuses connections; try again later" in said


def test_results_that_a_study_of_any_namespace_asks_for_are_kept(
    ctl: Ctl, kube: Kube, here: Path
) -> None:
    ctl("submit")
    mine = parse_study(document(dict(SMALL)), origin="x")
    others = parse_study(document({**SMALL, "spec.data.dataset": "/data/others"}), origin="x")
    for trial in (*asked_trials(mine), *asked_trials(others)):
        path = here / "artifacts" / digest(trial)
        path.mkdir(parents=True)
        write_trial(path, trial)
    elsewhere = ("-n", "default")  # the study is found there, too
    listed = run("gc", *elsewhere, cwd=here, env={"KUBECONFIG": str(kube.kubeconfig)}).stderr
    assert "18 results unasked for" in listed
    assert "18 asked for" in listed
    ctl("gc", "--apply")
    left = {path.name for path in (here / "artifacts").iterdir()}
    assert left == {digest(trial) for trial in asked_trials(mine)}


# --- why, and logs -----------------------------------------------------------------------------

TRIAL = "task-specific/curvature"
BASE = {"spec.data.dataset": "/data/rooms", "spec.tasks.subset": SMALL["spec.tasks.subset"]}


@pytest.fixture
def trial(ctl: Ctl, kube: Kube, namespace: str, here: Path) -> Callable[..., Object]:
    """Make the Job of a trial whose pods end as they are told, as the controller would."""

    def made(ending: str = "hang", **changes: Any) -> Object:
        shape = Shape({**BASE, "spec.transfers.orders": [1], **changes})
        content = document({**BASE, "spec.transfers.orders": [1], **changes})
        (here / "study.yaml").write_text(yaml.safe_dump(content))
        ctl("submit")
        uid = seen(kube, namespace)["metadata"]["uid"]
        job = objects_of(shape, Owner(name="small", namespace=namespace, uid=uid))[-1]
        template = job["spec"]["template"]
        template["metadata"]["labels"] |= outcome(ending)
        template["spec"]["volumes"] = [v for v in template["spec"]["volumes"] if "emptyDir" in v]
        template["spec"]["containers"][0]["volumeMounts"] = []
        kube.create(job)
        return job

    return made


def first_trial(kube: Kube, namespace: str) -> str:
    jobs = kube.items(f"/apis/batch/v1/namespaces/{namespace}/jobs")
    return str(jobs[0]["metadata"]["annotations"][constants.DIGESTS])[:12]


def answers(ctl: Ctl, kube: Kube, namespace: str, reason: str) -> Any:
    """Return the answer about the trial once it has this reason."""
    name = first_trial(kube, namespace)

    def answer() -> Any:
        (found,) = json.loads(ctl("why", name, "-o", "json").stdout)
        return found if found["reason"] == reason else None

    return eventually(answer, what=lambda: ctl("why", name).stdout)


def test_why_unschedulable_in_the_schedulers_own_words(
    ctl: Ctl, kube: Kube, namespace: str, trial: Callable[..., Object]
) -> None:
    trial(**{"spec.resources.taskSpecific.gpus": 64})
    found = answers(ctl, kube, namespace, "Unschedulable")
    assert "Insufficient nvidia.com/gpu" in found["sentence"]
    whole = ctl("why").stdout
    assert "study 'small' has 1 live Job held up; its trial waits for a node: 0/" in whole


def test_why_over_quota(ctl: Ctl, kube: Kube, namespace: str, trial: Callable[..., Object]) -> None:
    meta = {"name": "none", "namespace": namespace}
    spec = {"hard": {"pods": "0"}}
    kube.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": spec})
    trial()
    found = answers(ctl, kube, namespace, "QuotaExceeded")
    assert "exceeded quota: none" in found["sentence"]


def test_why_queued_where_nobody_admits(
    ctl: Ctl, kube: Kube, namespace: str, trial: Callable[..., Object]
) -> None:
    trial(**{"spec.queue": "team-a"})
    found = answers(ctl, kube, namespace, "NoKueue")
    assert "waits in queue 'team-a', and this cluster has no Kueue" in found["sentence"]


def test_why_running_then_failed_and_where_its_record_is(
    ctl: Ctl, kube: Kube, namespace: str, trial: Callable[..., Object]
) -> None:
    trial(**{"spec.retries": 0, "spec.tracking": "http://mlflow:5000"})
    found = answers(ctl, kube, namespace, "Running")
    assert "on gpu-" in found["sentence"]
    name = first_trial(kube, namespace)
    said = ctl("logs", name, code=6).stderr  # kwok's nodes keep no logs
    assert "cannot be read" in said
    assert (
        "The record is in MLflow at http://mlflow:5000: experiment 'small', run 'task-spe" in said
    )
    (pod,) = kube.items(f"/api/v1/namespaces/{namespace}/pods")
    kube.patch(
        {"apiVersion": "v1", "kind": "Pod", **pod}, {"metadata": {"labels": outcome("exit-3")}}
    )
    found = answers(ctl, kube, namespace, "ExitCode")
    assert "its pod ended with exit code 3" in found["sentence"]


def test_why_of_what_has_no_job_and_of_what_nobody_looked_at(
    ctl: Ctl, kube: Kube, namespace: str
) -> None:
    ctl("submit")
    assert "no controller has looked at it yet" in ctl("why").stdout
    seen(kube, namespace)
    assert "waits for its turn" in ctl("why", "scratch/normals").stdout
    waits = "waits for its encoder: task-specific normals, which waits for its turn"
    assert waits in ctl("why", "curvature/normals").stdout
    assert (
        "has no log yet: it waits for its encoder"
        in ctl("logs", "curvature/normals", code=6).stderr
    )
    ctl("suspend")
    seen(kube, namespace)
    assert "study 'small' is suspended" in ctl("why", "curvature/normals").stdout
    assert "unknown task 'jigsaw'" in ctl("why", "curvature/jigsaw", code=2).stderr


# --- with the controller -----------------------------------------------------------------------


def test_a_study_is_waited_for_to_its_end(
    ctl: Ctl, control_plane: ControlPlane, namespace: str, here: Path, tmp_path: Path
) -> None:
    with OperatorProcess(tmp_path, control_plane.kubeconfig, namespace) as operator:
        operator.ready()
        assert "small: 18 of 18 trials done" in ctl("submit", "--wait").stderr
        assert "is done: 18 trials have results" in ctl("why").stdout
        assert "is done: it has its result" in ctl("why", "curvature/normals").stdout

        labels = outcome("exit-64", of="task-specific.normals")
        new = {"metadata.name": "bad", "metadata.labels": labels, "spec.data.dataset": "/data/b"}
        bad = document({**SMALL, **new})
        (here / "study.yaml").write_text(yaml.safe_dump(bad))
        said = ctl("submit", "--wait", code=7).stderr
        assert "task-specific normals: failed: ended with exit code 64" in said
        assert "is blocked by task-specific normals" in ctl("why", "curvature/normals").stdout
        assert (
            "failed for good: ended with exit code 64" in ctl("why", "task-specific/normals").stdout
        )
        assert "most often: ended with exit code 64" in ctl("why", "bad").stdout
        assert ctl("watch", "bad", code=7).stderr
        assert "1 trial that failed and 3 that wait" in ctl("retry", "bad", "--failed").stderr
        assert ctl("watch", "bad", code=7).stderr  # tried again, and failed again
        ctl("delete", "bad", "--yes")
        phases = {
            each["study"]: each["phase"] for each in json.loads(ctl("list", "-o", "json").stdout)
        }
        assert phases == {"small": "Completed"}
