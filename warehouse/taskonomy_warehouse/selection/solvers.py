"""The solvers: CBC as a process, HiGHS in the process, one answer from both.

Both are told to prove the optimum: CBC stops by default once no solution can be better by 1e-4
(its ``increment``), HiGHS at a relative gap of 1e-4. What is left is the tolerance of floating
point, some 1e-9 of the largest value, as models are scaled to values around 1.
"""

import math
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import SolutionStatus
from pyomo.contrib.solver.common.results import TerminationCondition as Ended
from pyomo.contrib.solver.solvers.highs import Highs as PyomoHighs
from pyomo.opt import SolverStatus, TerminationCondition
from pyomo.solvers.plugins.solvers.CBCplugin import CBCSHELL

from taskonomy_catalogue.errors import NotFound, TaskonomyError
from taskonomy_warehouse.selection.taxonomy import Status

SolverName = Literal["cbc", "highs"]

SMALLEST_STEP = 1e-9
"""Objectives that differ by less are called equal."""


class SolverFailed(TaskonomyError):
    """The solver ended without an answer; the message carries its own last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a solver says of one model; the values are in the model's variables."""

    status: Status
    bound: float | None
    """Bound on the objective that the solver proved; None when infeasible."""


class Solver(Protocol):
    """One solver, ready to solve the same model again and again."""

    @property
    def label(self) -> str:
        """Name and version."""
        ...

    def solve(self, model: pyo.ConcreteModel, time_limit: float | None = None) -> Answer:
        """Solve to proven optimality, or to the best found within the limit in seconds."""
        ...


def create_solver(name: SolverName, executable: Path | None = None) -> Solver:
    """Return a solver by name; ``executable`` names another CBC.

    Raises:
        NotFound: CBC is not there or does not run.
    """
    if name == "highs":
        return _Highs()
    return _Cbc(executable or bundled_cbc())


def bundled_cbc() -> Path:
    """Return COIN-OR's own build, installed with the package."""
    import cbcbox  # costs a CPU probe: only when CBC is what runs

    return Path(cbcbox.cbc_bin_path())


class _PyomoCbc(CBCSHELL):  # type: ignore[misc]
    """Pyomo's CBC with three things put right."""

    proved_bound: float | None = None
    """The bound that a stopped solve printed; Pyomo returns the objective in its place."""

    def create_command_line(self, executable: str, problem_files: list[str]) -> Any:
        """Keep the linear algebra on one thread.

        OpenBLAS starts a thread per core for matrices this small; they spin, and double the time
        of a solve as soon as a second one runs beside it.
        """
        command = super().create_command_line(executable, problem_files)
        command.env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        return command

    def _execute_command(self, command: Any) -> Any:
        """Run it; a crash carries the solver's own last words."""
        limit: Any = getattr(self, "_timelimit", None)
        if limit is not None:  # CBC looks at the clock between steps, and a large root LP is one
            self._timelimit: Any = 2 * limit + 60
        try:
            code, log = super()._execute_command(command)
        except subprocess.TimeoutExpired as error:
            raise SolverFailed(f"cbc ran far past its time limit of {limit:g} s") from error
        finally:
            self._timelimit = limit
        if code:
            last_words = (log.strip().splitlines() or ["no output"])[-1]
            raise SolverFailed(f"{command.cmd[0]} ended with exit code {code}: {last_words}")
        return [code, log]

    def process_logfile(self) -> Any:
        """Read the bound that CBC closes its log with when it was stopped."""
        log = Path(self._log_file).read_text(encoding="utf-8", errors="replace")
        printed = re.findall(r"^(?:Upper|Lower) bound:\s+(\S+)$", log, re.MULTILINE)
        self.proved_bound = float(printed[-1]) if printed else None
        return super().process_logfile()


class _Cbc:
    """CBC through Pyomo's LP writer and the solver's command line."""

    def __init__(self, executable: Path) -> None:
        found = shutil.which(executable)
        if found is None:
            raise NotFound(f"no solver at {executable}; --solver-executable names the cbc to run")
        self._executable = found

    @cached_property
    def label(self) -> str:
        """Name and version as the executable gives it."""
        said = subprocess.run(
            [self._executable, "-stop"], capture_output=True, text=True, check=False, timeout=60
        ).stdout
        version = re.search(r"^(?:Version:|CBC) +(.+?)(?: —.*)?$", said, re.MULTILINE)
        return f"cbc {version[1].strip()}" if version else "cbc"

    @cached_property
    def _pyomo_solver(self) -> Any:
        solver = _PyomoCbc(executable=self._executable)
        if not solver.available(exception_flag=False):
            raise NotFound(f"{self._executable} does not run as a CBC solver")
        solver.options["increment"] = SMALLEST_STEP
        solver.options["ratioGap"] = solver.options["allowableGap"] = 0
        # A CBC that reduces every row away prints no rows, and Pyomo then takes columns for rows.
        solver.options["rowReductions"] = "off"
        return solver

    def solve(self, model: pyo.ConcreteModel, time_limit: float | None = None) -> Answer:
        results = self._pyomo_solver.solve(model, load_solutions=False, timelimit=time_limit)
        ended = results.solver.termination_condition
        if ended in (TerminationCondition.infeasible, TerminationCondition.noSolution):
            return Answer(status="infeasible", bound=None)
        if results.solver.status not in (SolverStatus.ok, SolverStatus.aborted):
            raise SolverFailed(f"{self.label} ended with {ended}: {results.solver.message}")
        if not results.solution:
            raise SolverFailed(
                f"{self.label} found no taxonomy in the time given ({ended}); raise --time-limit"
            )
        results.solver.status = SolverStatus.ok  # that it was stopped is said by our own status
        model.solutions.load_from(results)
        if ended != TerminationCondition.optimal:
            return Answer(status="feasible", bound=self._pyomo_solver.proved_bound)
        maximising = results.problem.sense == pyo.maximize
        bound = results.problem.upper_bound if maximising else results.problem.lower_bound
        return Answer(status="optimal", bound=_number(bound))


class _Highs:
    """HiGHS through Pyomo's persistent interface: only what changed is sent again."""

    def __init__(self) -> None:
        self._solver = PyomoHighs()
        major, minor, patch = self._solver.version()[:3]
        self.label = f"highs {major}.{minor}.{patch}"

    def solve(self, model: pyo.ConcreteModel, time_limit: float | None = None) -> Answer:
        results = self._solver.solve(
            model,
            load_solutions=False,
            raise_exception_on_nonoptimal_result=False,
            rel_gap=0.0,
            abs_gap=SMALLEST_STEP,
            time_limit=time_limit,
            threads=1,
            solver_options=dict.fromkeys(
                (
                    "primal_feasibility_tolerance",
                    "dual_feasibility_tolerance",
                    "mip_feasibility_tolerance",
                ),
                SMALLEST_STEP,
            ),
        )
        if results.termination_condition in (
            Ended.provenInfeasible,
            Ended.infeasibleOrUnbounded,
        ):
            return Answer(status="infeasible", bound=None)
        if results.solution_status not in (SolutionStatus.optimal, SolutionStatus.feasible):
            raise SolverFailed(
                f"{self.label} found no taxonomy ({results.termination_condition.name}); "
                "raise --time-limit"
            )
        results.solution_loader.load_vars()
        proven = results.solution_status == SolutionStatus.optimal
        return Answer(
            status="optimal" if proven else "feasible", bound=_number(results.objective_bound)
        )


def _number(value: object) -> float | None:
    """Return a finite float, or None for what solvers write when they know none."""
    if value is None or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
