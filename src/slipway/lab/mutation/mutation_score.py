"""The command `mutants`: the fraction of drawn mutants that a test notices, by area of the engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, get_args

from slipway import output
from slipway.errors import GateError, ToolError
from slipway.files import write_text
from slipway.lab.mutation import preloaded_tests, source_mutants
from slipway.results import RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.lab.mutation.source_mutants import SourceMutant

FOLDER = RESULTS / "mutants"
LIMIT_FACTOR = 5
"""Time limit of a run, as a multiple of the duration of the same tests without a mutation."""
LIMIT_SECONDS_MIN = 60
COVERAGE_SECONDS_MAX = 900
TESTS_SECONDS_MAX = 120
"""Total duration, under coverage, of the tests that run for one mutant; the fastest come first."""
LOG_LINES_MAX = 15
NOT_COPIED = (
    *(".bootstrap", ".demo", ".dvc", ".dvcstore", ".git", ".hypothesis", ".venv*", ".*_cache", "__pycache__"),
    *("build", "data", "model", "node_modules", "results"),
)

Outcome = Literal["killed", "survived", "timeout", "no test"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Area:
    """Sources that are mutated, and the tests that may notice."""

    sources: tuple[str, ...]
    """Files and folders."""
    tests: tuple[str, ...]
    """Patterns of files."""


AREAS: dict[str, Area] = {
    "gates": Area(
        ("src/slipway/gates",),
        ("tests/unit/test_gate_*.py", "tests/unit/test_checks_*.py", "tests/monitoring/test_gates.py"),
    ),
    "evaluation": Area(
        ("src/slipway/evaluation",),
        (
            *(
                f"tests/unit/test_{name}.py"
                for name in ("bootstrap", "calibration", "comparison_cost", "evaluate", "metrics")
            ),
            *(f"tests/unit/test_{name}.py" for name in ("parity", "segments", "checks_skill", "gate_comparison")),
        ),
    ),
    "reconcile": Area(("src/slipway/agent/reconcile.py",), ("tests/delivery/test_reconcile.py",)),
    "report": Area(
        ("src/slipway/report",),
        (*(f"tests/unit/test_{name}.py" for name in ("monitoring_page", "report*", "retraining", "submitted")),),
    ),
}


@dataclass(frozen=True)
class MutantTrial:
    """The outcome of the tests of one mutant."""

    area: str
    path: str
    line: int
    function: str
    outcome: Outcome
    tests: int
    """Number of tests that run the function."""
    diff: str


class PreloadedTests:
    """The process that runs tests in a copy of the sources."""

    def __init__(self, tree: Path, logs: Path) -> None:
        self.tree, self.log = tree, logs / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(preloaded_tests.__file__), str(tree)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        )

    def __enter__(self) -> PreloadedTests:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def run(self, tests: Sequence[str], seconds: float, covered: Sequence[str] = ()) -> int | None:
        """Return pytest's exit code; None after the time limit."""
        sources = [str(self.tree / path) for path in covered]
        request = {"tests": tests, "seconds": seconds, "log": str(self.log), "covered": sources}
        assert self.process.stdin, self.process.stdout  # noqa: S101 - both are pipes
        print(json.dumps(request), file=self.process.stdin, flush=True)
        code: int | None = json.loads(self.process.stdout.readline() or str(preloaded_tests.FAILED))  # type: ignore[union-attr]
        if code == preloaded_tests.FAILED:
            raise ToolError(f"mutants: pytest did not end: {self._tail()}")
        return code

    def _tail(self) -> str:
        """Return the end of pytest's output."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_MAX:])

    def coverage(self, tests: Sequence[str], sources: Sequence[str]) -> Coverage:
        """Return what each test covers of `sources`. Raises GateError if one fails."""
        code = self.run(tests, COVERAGE_SECONDS_MAX, sources)
        if code != 0:
            raise GateError(
                f"mutants: tests fail without a mutation (exit code {code}); fix them first\n{self._tail()}"
            )
        document = json.loads(Path(f"{self.log}.json").read_text(encoding="utf-8"))
        return Coverage(self.tree, document["seconds"], document["tests"])


@dataclass(frozen=True)
class Coverage:
    """Durations of tests, and the tests that run each line of each file."""

    tree: Path
    seconds: Mapping[str, float]
    tests: Mapping[str, Mapping[str, Sequence[str]]]

    def of(self, mutant: SourceMutant) -> list[str]:
        """Return the tests that run the body of the mutated function, fastest first, up to TESTS_SECONDS_MAX."""
        lines = self.tests.get(str(self.tree / mutant.path), {})
        body = [str(line) for line in mutant.lines[1:] or mutant.lines]
        tests = sorted({test for line in body for test in lines.get(line, ()) if test}, key=self.seconds.__getitem__)
        total = accumulate(self.seconds[test] for test in tests)
        return [test for test, seconds in zip(tests, total, strict=True) if seconds <= TESTS_SECONDS_MAX]


def run(areas: Mapping[str, Area], seed: int, count: int, floor: float) -> bool:
    """Test `count` drawn mutants of each area, and return whether every area's score reaches `floor`.

    Writes all outcomes as JSON and the survivors with their diffs as Markdown to results/mutants/.
    Raises GateError if a test fails without a mutation, ToolError without mutmut.
    """
    trials: list[MutantTrial] = []
    populations = {}
    with TemporaryDirectory() as folder:
        tree = Path(folder).resolve() / "tree"
        shutil.copytree(Path(), tree, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        with PreloadedTests(tree, Path(folder)) as server:
            for name, area in areas.items():
                mutants, populations[name] = source_mutants.draw(tree, area.sources, seed, count)
                trials += _trials(server, name, area, mutants)
    document = _document(trials, populations, seed)
    write_text(FOLDER / "mutants.json", json.dumps(document, indent=2) + "\n")
    write_text(FOLDER / "survivors.md", page(trials, document))
    output.result(document, table(document))
    return all(area["score"] is not None and area["score"] >= floor for area in document["areas"].values())


def _trials(server: PreloadedTests, name: str, area: Area, mutants: Sequence[SourceMutant]) -> Iterator[MutantTrial]:
    """Yield the trial of each mutant of an area, and print it."""
    files = sorted(str(file) for pattern in area.tests for file in Path().glob(pattern))
    output.progress(f"{name}: measuring which tests run which lines ({len(files)} files)")
    coverage = server.coverage(list(dict.fromkeys(files)), area.sources)
    for number, mutant in enumerate(mutants, 1):
        started, tests = time.monotonic(), coverage.of(mutant)
        outcome = _outcome(server, mutant, tests, coverage)
        place = f"{mutant.path}:{mutant.line} {mutant.function}"
        seconds = time.monotonic() - started
        output.progress(f"{name} {number}/{len(mutants)}: {place}: {outcome} ({len(tests)} tests, {seconds:.1f} s)")
        yield MutantTrial(name, mutant.path, mutant.line, mutant.function, outcome, len(tests), mutant.diff)


def _outcome(server: PreloadedTests, mutant: SourceMutant, tests: Sequence[str], coverage: Coverage) -> Outcome:
    if not tests:
        return "no test"
    file = server.tree / mutant.path
    limit = LIMIT_SECONDS_MIN + LIMIT_FACTOR * sum(coverage.seconds[test] for test in tests)
    file.write_text(mutant.mutated, encoding="utf-8")
    try:
        code = server.run(tests, limit)
    finally:
        file.write_text(mutant.original, encoding="utf-8")
    return "timeout" if code is None else "survived" if code == 0 else "killed"


def _document(trials: Sequence[MutantTrial], populations: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Return the scores by area and all trials. A score is the fraction that was noticed, timeouts included."""
    areas: dict[str, dict[str, Any]] = {}
    for name, population in populations.items():
        outcomes = Counter(trial.outcome for trial in trials if trial.area == name)
        drawn = outcomes.total()
        counts: dict[str, Any] = {kind: outcomes[kind] for kind in OUTCOMES}
        score = (outcomes["killed"] + outcomes["timeout"]) / drawn if drawn else None
        areas[name] = {"population": population, "drawn": drawn, "score": score} | counts
    return {"seed": seed, "areas": areas, "trials": [asdict(trial) for trial in trials]}


def table(document: Mapping[str, Any]) -> str:
    """Return the scores as a Markdown table."""
    lines = [
        "| area | mutants | drawn | killed | survived | timeout | no test | score |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, area in document["areas"].items():
        counts = " | ".join(str(area[kind]) for kind in OUTCOMES)
        score = "none" if area["score"] is None else f"{area['score']:.0%}"
        lines.append(f"| {name} | {area['population']} | {area['drawn']} | {counts} | {score} |")
    return "\n".join(lines)


def page(trials: Sequence[MutantTrial], document: Mapping[str, Any]) -> str:
    """Return the page of the scores and of each mutant that no test noticed."""
    unnoticed = [trial for trial in trials if trial.outcome in {"survived", "no test"}]
    sections = [
        f"## `{trial.path}:{trial.line}` {trial.function}\n\n{trial.outcome}, {trial.tests} tests run it\n\n"
        f"```diff\n{trial.diff.rstrip()}\n```"
        for trial in unnoticed
    ]
    return "\n\n".join([f"# Mutants, seed {document['seed']}", table(document), *sections]) + "\n"
