"""The verbs `lint`, `test` and `required`: what a job runs besides the pipeline, and the status of them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pydantic import TypeAdapter

from slipway import changes, dvc, engine, results
from slipway.errors import UserError
from slipway.files import read_json
from slipway.gates import Outcome, Verdict, convergence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

KEPT_LINES = 40  # of a tool's output, kept in the result; the job's log has all of it
NAMED_TESTS = 3  # failed tests that a verdict names

read_verdict = TypeAdapter(Verdict)

LINTERS: dict[str, list[str]] = {
    "ruff check": ["ruff", "check", "--output-format=concise", "."],
    "ruff format": ["ruff", "format", "--check", "--output-format=concise", "."],
    "import-linter": ["lint-imports", "--no-logo", "--no-cache"],
    "zizmor": [
        *("zizmor", "--offline", "--no-progress", "--persona=auditor", "--strict-collection", "--collect=all"),
        *(".github", ".pre-commit-config.yaml"),
    ],
    # Without other linters of the machine: a step is one command, and test_policy.py has the list of them.
    "actionlint": ["actionlint", "-oneline", "-no-color", "-shellcheck=", "-pyflakes=", ".github/workflows/*.yaml"],
    "workflow schema": ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/*.yaml"],
    "action schema": ["check-jsonschema", "--builtin-schema", "vendor.github-actions", ".github/actions/*/action.yml"],
    "dependabot schema": ["check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"],
    "shellcheck": [
        *("shellcheck", "--format=gcc"),
        *(".ci/bootstrap", ".ci/install-uv", ".ci/machines", ".ci/run", "src/slipway/local/**/*.sh"),
    ],
}
"""Each linter's command. An argument with a `*` stands for the files that match, of which there must be one."""

POLICY = tuple(f"tests/workflows/test_{name}.py" for name in ("corpus", "policy", "python_versions"))
PAGE_TESTS = tuple(f"tests/docs/test_{name}.py" for name in ("commands", "facts", "links"))
READ_PAGES = (
    *(f"tests/engine/test_{name}.py" for name in ("checkout", "community", "tools")),
    "tests/unit/test_report.py",
)
DOCUMENTATION_TESTS = (*PAGE_TESTS, *READ_PAGES, *POLICY)
"""Every quick test that reads a page of the documentation, since nothing else runs where only pages change."""
OF_THE_PROBLEM = "tests/problem"  # it may have no tests of its own yet
FORK_TESTS = (OF_THE_PROBLEM, "tests/convergence", "tests/contract", *PAGE_TESTS)
"""What a fork owns: its problem, training on its data, and what its pipeline and pages must keep to."""
QUICK_TESTS = (*FORK_TESTS, "tests/unit", "tests/engine", *POLICY)
"""Those and the tests of the engine; without SLOW_TESTS."""
SLOW_TESTS = (*(f"tests/engine/test_{name}.py" for name in ("forks", "seam", "tune")), f"{OF_THE_PROBLEM}/slow")
"""Train from beginning to end, or need the environment of deepchecks, which another job has; part of `make test`."""
VERDICT = "verdict"  # property of a test that measures something for the report
MEASURED = f"properties/property[@name='{VERDICT}']"


def lint() -> None:
    """Run every linter, and write results/lint.json. Raises UserError when one has a finding or cannot run."""
    with results.recorded("lint") as result:
        for gate, command in LINTERS.items():
            code, output = run_tool(command)
            result.verdicts.append(lint_verdict(gate, code, output))
            result.evidence[gate] = output.splitlines()[-KEPT_LINES:]
            print(f"{gate}: {'ok' if code == 0 else output.rstrip()}", flush=True)
    result.require()


def lint_verdict(gate: str, code: int, output: str) -> Verdict:
    """Verdict on a linter that ended with `code`, having printed `output`."""
    if code == 0:
        return Verdict(gate, Outcome.PASS, "no finding", "no finding")
    first = next((line for line in output.splitlines() if line.strip()), "no output")
    return Verdict(gate, Outcome.FAIL, "no finding", f"exit code {code}", first.strip())


def run_tool(command: list[str]) -> tuple[int, str]:
    """Exit code and output of `command`, from the environment that runs this; 127 when the tool is not there."""
    tool, *arguments = command
    path = Path(sys.executable).parent / tool
    try:
        expanded = [word for argument in arguments for word in _expand(argument)]
        done = subprocess.run(
            [str(path), *expanded], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except FileNotFoundError as error:
        return 127, f"{error.filename or error}: not found; `uv sync --frozen`\n"
    return done.returncode, done.stdout


def _expand(argument: str) -> list[str]:
    if "*" not in argument:
        return [argument]
    if not (files := sorted(str(file) for file in Path().glob(argument))):
        raise FileNotFoundError(argument)
    return files


def test() -> None:
    """Run the quick tests, and write results/test.json. Raises UserError when one fails or none ran."""
    with results.recorded("test") as result:
        if not Path("data").exists():  # convergence is tested on the problem's own rows
            dvc.pull()
        tests = _selected_tests()
        code, report = _pytest([path for path in tests if path != OF_THE_PROBLEM or Path(path).exists()])
        cases, measured = read_cases(report), read_measured(report)
        result.evidence = {"exit_code": code, "cases": len(cases), "engine": tests is QUICK_TESTS}
        result.verdicts = [tests_verdict(cases, code), *convergence_verdicts(measured)]
    result.require()


def _selected_tests() -> tuple[str, ...]:
    """Return the quick tests, or those of the fork in a pull request whose engine is the template's."""
    base = changes.base_branch()
    reason = engine.why_tested(f"origin/{base}") if base else "no pull request is checked"
    if reason:
        print(f"test: all quick tests, because of the engine: {reason}", flush=True)
        return QUICK_TESTS
    print(f"test: the tests of the fork, because its engine is the template's ({engine.LOCK})", flush=True)
    return FORK_TESTS


def test_documentation() -> None:
    """Run the tests of the documentation alone, and write results/test.json. Raises UserError when one fails."""
    with results.recorded("test") as result:
        code, report = _pytest(DOCUMENTATION_TESTS)
        result.verdicts = [tests_verdict(read_cases(report), code)]
    result.require()


def _pytest(paths: Iterable[str]) -> tuple[int, Path]:
    """Exit code of pytest on `paths`, and the JUnit file that it wrote."""
    report = results.RESULTS / "test.xml"
    report.unlink(missing_ok=True)
    report.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *paths]
    command += [f"--ignore={path}" for path in SLOW_TESTS]
    return subprocess.run(command, check=False).returncode, report


def read_cases(report: Path) -> dict[str, str]:
    """Outcome (`passed`, `failed`, `skipped`) of each test in a JUnit file that recorded no verdict of its own."""
    cases = (case for case in _cases(report) if case.find(MEASURED) is None)
    return {f"{case.get('classname')}.{case.get('name')}": _outcome(case) for case in cases}


def read_measured(report: Path) -> dict[str, Verdict]:
    """Verdicts that tests recorded as the property VERDICT in a JUnit file, by gate."""
    found = [at.attrib["value"] for case in _cases(report) for at in case.findall(MEASURED)]
    return {verdict.gate: verdict for verdict in map(read_verdict.validate_json, found)}


def _cases(report: Path) -> Iterable[ElementTree.Element]:
    """Every test in a JUnit file; none when pytest did not write one."""
    if not report.is_file():
        return []
    return ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314  pytest wrote it a moment ago


def _outcome(case: ElementTree.Element) -> str:
    found = {child.tag for child in case}
    if found & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in found else "passed"


def tests_verdict(cases: Mapping[str, str], code: int) -> Verdict:
    """Gate `tests` on the outcomes of all `cases` of a pytest that ended with `code`."""
    threshold = "none fails, one or more pass"
    failed = sorted(name for name, outcome in cases.items() if outcome == "failed")
    passed = sum(outcome == "passed" for outcome in cases.values())
    observed = f"{passed} passed, {len(failed)} failed, {len(cases) - passed - len(failed)} skipped"
    if failed:
        return Verdict("tests", Outcome.FAIL, threshold, observed, _names(failed))
    if not passed:
        return Verdict("tests", Outcome.FAIL, threshold, observed, "no test ran")
    if code not in {0, 1}:  # 1: a test failed, and the gate that it belongs to says so
        return Verdict("tests", Outcome.FAIL, threshold, observed, f"pytest ended early with exit code {code}")
    return Verdict("tests", Outcome.PASS, threshold, observed)


def convergence_verdicts(measured: Mapping[str, Verdict]) -> list[Verdict]:
    """The gates of convergence as they were measured; one that its test did not reach has failed."""
    return [
        measured.get(gate, Verdict(gate, Outcome.FAIL, "is measured", "not measured", "its test did not get so far"))
        for gate, _ in convergence.JUDGES.values()
    ]


def _names(failed: list[str]) -> str:
    more = len(failed) - NAMED_TESTS
    return ", ".join(failed[:NAMED_TESTS]) + (f" and {more} more" if more > 0 else "")


def unless_documentation_only(job: str, run: Callable[[], object], instead: Callable[[], object] | None = None) -> None:
    """Run a job, or, in a pull request that touches documentation alone, `instead`, or record that none was needed."""
    base = changes.base_branch()
    if not base or not changes.documentation_only(f"origin/{base}"):
        run()
        return
    if instead:
        instead()
        return
    with results.recorded(job) as result:
        result.verdicts = [Verdict(job, Outcome.PASS, "runs unless only documentation changes", "only documentation")]
    print(f"{job}: only documentation changes, so there is nothing to do")


def required() -> None:
    """Tell whether the pull request may be merged. Raises UserError, naming what blocks, when it may not.

    Reads how the jobs ended from $NEEDS, which is the workflow's `toJSON(needs)`, and the verdict of the report.
    """
    needs = os.environ.get("NEEDS")
    if not needs:
        raise UserError("NEEDS: not set; in a workflow, `NEEDS: ${{ toJSON(needs) }}`")
    unfinished = [f"{job} ({need['result']})" for job, need in json.loads(needs).items() if need["result"] != "success"]
    if unfinished:
        raise UserError(f"required: blocked by the jobs {', '.join(unfinished)}")
    verdict = read_json(results.RESULTS / "report" / "verdict.json")
    if verdict["outcome"] != Outcome.PASS:
        raise UserError(f"required: blocked by the report: {verdict['title']}")
    print("required: every job succeeded and every gate passed")
