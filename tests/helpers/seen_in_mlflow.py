"""What a tracking server says of a study: by its REST API, and to whoever opens it in a browser."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NOTE = "mlflow.note.content"
"""Tag of a run's description."""


def missing() -> str:
    """Return why no page can be opened here, with what to do about it; empty: it can."""
    return "" if CHROMIUM else "chromium missing; `apt-get install chromium`"


@dataclass(frozen=True)
class Run:
    """A run, with the last value of each metric."""

    name: str
    number: str
    """Its id."""
    experiment: str
    status: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]

    @property
    def digest(self) -> str:
        """The trial's; empty: it is the run that a stage's are nested under."""
        return self.tags.get("taskonomy.digest", "")


@dataclass(frozen=True)
class Tracking:
    """A tracking server, asked in plain HTTP."""

    url: str

    def experiments(self, which: str = "ACTIVE_ONLY") -> set[str]:
        """Return the names of the experiments that people see, or that are DELETED_ONLY."""
        found = self._searched("experiments", view_type=which)
        return {experiment["name"] for experiment in found}

    def runs(self, study: str) -> list[Run]:
        """Return every run of a study."""
        named = self._asked("experiments/get-by-name", experiment_name=study)["experiment"]
        found = self._searched("runs", experiment_ids=[named["experiment_id"]])
        return [_run(each) for each in found]

    def trials(self, study: str) -> dict[str, Run]:
        """Return the runs of a study's trials by digest; there is one of each."""
        runs = [run for run in self.runs(study) if run.digest]
        found = {run.digest: run for run in runs}
        assert len(found) == len(runs)
        return found

    def curve(self, run: Run, metric: str) -> list[float]:
        """Return the values of a metric, step by step."""
        more = {"run_id": run.number, "metric_key": metric, "max_results": 10_000}
        points = self._asked("metrics/get-history", **more).get("metrics", [])
        return [float(point["value"]) for point in sorted(points, key=lambda p: int(p["step"]))]

    def files(self, run: Run, folder: str) -> list[str]:
        """Return the paths of a run's files in a folder."""
        listed = self._asked("artifacts/list", run_id=run.number, path=folder)
        return [file["path"] for file in listed.get("files", []) if not file["is_dir"]]

    def file(self, run: Run, path: str) -> bytes:
        """Return what is in a run's file."""
        query = urlencode({"run_uuid": run.number, "path": path})
        with closing(urlopen(f"{self.url}/get-artifact?{query}", timeout=30)) as answer:
            return bytes(answer.read())

    def _searched(self, what: str, **body: Any) -> list[dict[str, Any]]:
        content = json.dumps({"max_results": 1000, **body}).encode()
        request = Request(f"{self.url}/api/2.0/mlflow/{what}/search", content)
        request.add_header("Content-Type", "application/json")
        with closing(urlopen(request, timeout=30)) as answer:
            return list(json.load(answer).get(what, []))

    def _asked(self, call: str, **query: Any) -> dict[str, Any]:
        address = f"{self.url}/api/2.0/mlflow/{call}?{urlencode(query)}"
        with closing(urlopen(address, timeout=30)) as answer:
            return dict(json.load(answer))


def _run(raw: dict[str, Any]) -> Run:
    parts = {
        part: {each["key"]: each["value"] for each in raw["data"].get(part, [])}
        for part in ("tags", "params", "metrics")
    }
    info = raw["info"]
    return Run(info["run_name"], info["run_id"], info["experiment_id"], info["status"], **parts)


# --- in a browser ------------------------------------------------------------------------------


def comparison(tracking: Tracking, run: Run) -> str:
    """Return the address that a run's description links to: all transfers to its target."""
    link = re.search(r"\[Compare all transfers to [^]]*\]\((#[^)]*)\)", run.tags[NOTE])
    assert link, run.tags[NOTE]
    return f"{tracking.url}/{link[1]}"


def side_by_side(tracking: Tracking, runs: list[Run]) -> str:
    """Return the address of MLflow's own page that puts chosen runs side by side."""
    chosen = {
        "runs": json.dumps([run.number for run in runs]),
        "experiments": json.dumps([runs[0].experiment]),
    }
    return f"{tracking.url}/#/compare-runs?{urlencode(chosen)}"


@contextmanager
def browser(width: int = 1600, height: int = 1000) -> Iterator[Page]:
    """Open a browser, with a page that nothing was shown in before."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield started.new_page(viewport={"width": width, "height": height})
        finally:
            started.close()


def show(page: Page, address: str, picture: Path, *words: str) -> None:
    """Open an address, wait until all of the words and a chart are there, and keep a picture."""
    page.goto("about:blank")  # what follows the # alone is no new page
    page.goto(address)
    for each in words:
        page.get_by_text(each).first.wait_for(state="attached", timeout=60_000)
    page.locator(".js-plotly-plot svg").first.wait_for(timeout=60_000)
    page.screenshot(path=picture)
