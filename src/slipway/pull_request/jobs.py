"""The commands `lint`, `test` and `required`: linters, quick tests, and the combined status of all jobs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pydantic import TypeAdapter

from slipway import output, results
from slipway.dvc import client
from slipway.errors import GateError, SettingError
from slipway.files import read_json
from slipway.gates import Outcome, Verdict, convergence
from slipway.git import changes
from slipway.pull_request import branch_changes, engine
from slipway.results import DOCUMENTATION_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

OUTPUT_LINES_MAX = 40  # of a tool's output in the result; the job's log has all
NAMED_TESTS_MAX = 3  # failed tests in a verdict's reason

read_verdict = TypeAdapter(Verdict)

WORDS = "tests/engine/test_words.py"
"""Test of the words in all files; the job `lint` runs it."""

SCHEMA = [
    *("python", "-c", "import sys; sys.modules['rfc3987_syntax'] = None; from check_jsonschema import main; main()"),
    "--builtin-schema",
]
"""check-jsonschema without a grammar of URLs, which takes most of its start; the schemas here use no `format`."""
LINTERS: dict[str, list[str]] = {
    "ruff check": ["ruff", "check", "--output-format=concise", "."],
    "ruff format": ["ruff", "format", "--check", "--output-format=concise", "."],
    "mypy": ["mypy", "--no-error-summary"],
    "typos": ["typos", "--format=brief"],
    "words": ["pytest", "-q", "-p", "no:cacheprovider", WORDS],
    "import-linter": ["lint-imports", "--no-logo", "--no-cache"],
    "zizmor": [
        *("zizmor", "--offline", "--no-progress", "--persona=auditor", "--strict-collection", "--collect=all"),
        *(".github", ".pre-commit-config.yaml"),
    ],
    # Without shellcheck and pyflakes of the machine: a step is one command, and test_policy.py lists them all.
    "actionlint": ["actionlint", "-oneline", "-no-color", "-shellcheck=", "-pyflakes=", ".github/workflows/*.yaml"],
    "workflow schema": [*SCHEMA, "vendor.github-workflows", ".github/workflows/*.yaml"],
    "action schema": [*SCHEMA, "vendor.github-actions", ".github/actions/*/action.yml"],
    "dependabot schema": [*SCHEMA, "vendor.dependabot", ".github/dependabot.yml"],
    "shellcheck": [
        *("shellcheck", "--format=gcc"),
        *(".ci/bootstrap", ".ci/install-uv", ".ci/machines", ".ci/run", "src/slipway/local/**/*.sh"),
    ],
}
"""Command of each linter. An argument with a `*` expands to the matching files, at least one."""

POLICY = tuple(f"tests/workflows/test_{name}.py" for name in ("corpus", "policy", "python_versions"))
PAGE_TESTS = tuple(f"tests/docs/test_{name}.py" for name in ("commands", "facts", "links", "messages"))
ENGINE_PAGE_TESTS = tuple(f"tests/docs/test_{name}.py" for name in ("ml_test_score", "reference", "unproven"))
TRACKED_FILES_TESTS = tuple(f"tests/contract/test_{name}.py" for name in ("layout", "tracked"))
DOCUMENTATION_TESTS = (*PAGE_TESTS, *ENGINE_PAGE_TESTS, *TRACKED_FILES_TESTS)
"""Every quick test that a page can fail, except WORDS. No other test runs where only pages change; a test that reads a
page and is missing here fails."""
CHANGED_PAGES = "SLIPWAY_CHANGED_PAGES"
"""Variable with the pages that changed, one a line, for tests that judge one page each."""
PAGES_OF_FORKS = tuple(path for path in (*engine.OWN, *engine.MERGED) if path.endswith(".md"))
"""Pages that a fork may change while its engine is the template's."""
OF_THE_PROBLEM = "tests/problem"  # may not exist yet
FORK_TESTS = (OF_THE_PROBLEM, "tests/convergence", "tests/contract", *PAGE_TESTS)
"""Tests that a fork owns: its problem, training on its data, and the contracts of its pipeline and pages."""
QUICK_TESTS = (*FORK_TESTS, *ENGINE_PAGE_TESTS, "tests/unit", "tests/engine", *POLICY)
"""Those and the tests of the engine; without SLOW_TESTS."""
SLOW_TESTS = (*(f"tests/engine/test_{name}.py" for name in ("forks", "seam", "tune")), f"{OF_THE_PROBLEM}/slow")
"""Tests that run the whole training, or need the environment of deepchecks of another job; part of `make test`."""
KILL_TESTS = ("tests/delivery/test_killed_agent.py",)
"""Tests that kill an agent at the steps that they name, or at every step, which takes twice as long."""
KILLS = "AGENT_KILLS"
"""Variable with `all` for every step."""
VERDICT = "verdict"  # JUnit property in which a test records a verdict
MEASURED = f"properties/property[@name='{VERDICT}']"


OF_FORKS = {
    **{gate: LINTERS[gate] for gate in ("ruff check", "ruff format", "typos", "import-linter")},
    "mypy": [*LINTERS["mypy"], "src/problem"],
}
"""Command of each linter that reads files which a fork may change while its engine is the template's. The others read
workflows, scripts and the words of the engine, which the template's CI has checked."""
PYTEST_ERROR = re.compile(r"E\s+AssertionError: (.+)")
"""Line of pytest with the finding of a linter that is a test; its first line has a letter for each test."""
OF_PAGES = {"typos": LINTERS["typos"], "words": [*LINTERS["words"], "-k", "pages"]}
"""Command of each linter that reads pages. No other can find anything new where only pages change."""


def lint() -> None:
    """Run every linter, and write results/lint.json. Raises UserError if one has a finding or cannot run."""
    with results.recorded(results.LINT) as result:
        _lint(result, LINTERS if _why_engine_is_checked() else OF_FORKS)
    result.require()


def lint_documentation() -> None:
    """Run the linters that read pages, and write results/lint.json. Raises UserError as `lint` does."""
    with results.recorded(results.LINT) as result:
        _lint(result, OF_PAGES)
    result.require()


def _lint(result: results.JobResult[results.LintEvidence | None], linters: Mapping[str, list[str]]) -> None:
    outputs = {}
    for gate, command in linters.items():
        code, printed = run_tool(command)
        result.verdicts.append(lint_verdict(gate, code, printed))
        outputs[gate] = printed.splitlines()[-OUTPUT_LINES_MAX:]
        output.step(f"{gate}: {'ok' if code == 0 else printed.rstrip()}")
    result.evidence = results.LintEvidence.model_validate(outputs)


def lint_verdict(gate: str, code: int, printed: str) -> Verdict:
    """Return the verdict on a linter with exit code `code` that printed `printed`."""
    if code == 0:
        return Verdict(gate, Outcome.PASS, "no finding", "no finding")
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    of_pytest = (match[1] for match in map(PYTEST_ERROR.fullmatch, lines) if match)
    reason = next(of_pytest, lines[0] if lines else "no output")
    return Verdict(gate, Outcome.FAIL, "no finding", f"exit code {code}", reason)


def run_tool(command: list[str]) -> tuple[int, str]:
    """Run a tool of this Python environment, and return its exit code and output; the code is 127 if it is missing."""
    tool, *arguments = command
    path = Path(sys.executable).parent / tool
    try:
        expanded = [word for argument in arguments for word in _expand(argument)]
        done = subprocess.run(
            [str(path), *expanded], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except FileNotFoundError as error:
        return 127, f"{error.filename or error}: not found; run `uv sync --frozen`\n"
    return done.returncode, done.stdout


def _expand(argument: str) -> list[str]:
    if "*" not in argument:
        return [argument]
    if not (files := sorted(str(file) for file in Path().glob(argument))):
        raise FileNotFoundError(argument)
    return files


def test() -> None:
    """Run the quick tests, and write results/test.json. Raises UserError if one fails or none ran."""
    with results.recorded(results.TEST) as result:
        if not Path("data").exists():  # convergence is tested on the problem's own rows
            client.pull()
        tests = _selected_tests()
        variables = {} if tests is QUICK_TESTS else {CHANGED_PAGES: "\n".join(PAGES_OF_FORKS)}
        code, report = _pytest([path for path in tests if path != OF_THE_PROBLEM or Path(path).exists()], variables)
        cases, measured = read_cases(report), read_measured(report)
        result.evidence = results.TestEvidence(exit_code=code, cases=len(cases))
        scope = "" if tests is QUICK_TESTS else "the fork's own tests: "
        result.verdicts = [judge_tests(cases, code, scope), *convergence_verdicts(measured)]
    result.require()


def _selected_tests() -> tuple[str, ...]:
    """Return the quick tests, or those of the fork in a pull request whose engine is the template's."""
    if reason := _why_engine_is_checked():
        output.step(f"test: all quick tests, because of the engine: {reason}")
        return QUICK_TESTS
    output.step(f"test: the tests of the fork, because its engine is the template's ({engine.LOCK})")
    return FORK_TESTS


def _why_engine_is_checked() -> str | None:
    """Return why the engine must be checked too; None in a pull request whose engine is the template's."""
    base = changes.base_branch()
    return engine.why_tested(f"origin/{base}") if base else "no pull request is checked"


def test_documentation() -> None:
    """Run the tests that the changed pages can fail, and write results/test.json. Raises UserError if one fails."""
    base = changes.base_branch()
    pages = branch_changes.changed_pages(f"origin/{base}") if base else []
    with results.recorded(results.TEST) as result:
        code, report = _pytest(DOCUMENTATION_TESTS, {CHANGED_PAGES: "\n".join(pages)})
        result.verdicts = [judge_tests(read_cases(report), code)]
    result.require()


def test_kills() -> None:
    """Kill an agent at every step of a deployment, and write results/test.json. Raises UserError if a test fails."""
    with results.recorded(results.TEST) as result:
        code, report = _pytest(KILL_TESTS, {KILLS: "all"})
        result.verdicts = [judge_tests(read_cases(report), code)]
    result.require()


def _pytest(paths: Iterable[str], variables: Mapping[str, str] | None = None) -> tuple[int, Path]:
    """Run pytest on `paths`, and return its exit code and the JUnit file that it writes."""
    report = results.RESULTS / "test.xml"
    report.unlink(missing_ok=True)
    report.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *paths]
    command += [f"--ignore={path}" for path in SLOW_TESTS]
    return subprocess.run(command, env={**os.environ, **(variables or {})}, check=False).returncode, report


def read_cases(report: Path) -> dict[str, str]:
    """Return the outcome (`passed`, `failed`, `skipped`) of each test in a JUnit file that records no verdict."""
    cases = (case for case in _cases(report) if case.find(MEASURED) is None)
    return {f"{case.get('classname')}.{case.get('name')}": _outcome(case) for case in cases}


def read_measured(report: Path) -> dict[str, Verdict]:
    """Return the verdicts that tests recorded as the property VERDICT in a JUnit file, by gate."""
    recorded = [prop.attrib["value"] for case in _cases(report) for prop in case.findall(MEASURED)]
    return {verdict.gate: verdict for verdict in map(read_verdict.validate_json, recorded)}


def _cases(report: Path) -> Iterable[ElementTree.Element]:
    """Return every test in a JUnit file; none if the file does not exist."""
    if not report.is_file():
        return []
    return ElementTree.parse(report).getroot().iter("testcase")  # noqa: S314  written by our own pytest


def _outcome(case: ElementTree.Element) -> str:
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


def judge_tests(cases: Mapping[str, str], code: int, scope: str = "") -> Verdict:
    """Return the verdict of the gate `tests` on the outcomes of all `cases` and pytest's exit code.

    `scope` precedes the counts where not all quick tests ran.
    """
    threshold = "no failure, at least one pass"
    failed = sorted(name for name, outcome in cases.items() if outcome == "failed")
    passed = sum(outcome == "passed" for outcome in cases.values())
    observed = f"{scope}{passed} passed, {len(failed)} failed, {len(cases) - passed - len(failed)} skipped"
    if failed:
        return Verdict("tests", Outcome.FAIL, threshold, observed, _names(failed))
    if not passed:
        return Verdict("tests", Outcome.FAIL, threshold, observed, "no test ran")
    if code not in {0, 1}:  # 1: a test failed, which its own gate reports
        return Verdict("tests", Outcome.FAIL, threshold, observed, f"pytest ended early with exit code {code}")
    return Verdict("tests", Outcome.PASS, threshold, observed)


def convergence_verdicts(measured: Mapping[str, Verdict]) -> list[Verdict]:
    """Return the verdicts of the convergence gates. A gate whose test recorded no verdict fails."""
    return [
        measured.get(
            gate, Verdict(gate, Outcome.FAIL, "measured", "not measured", "its test ended before the measurement")
        )
        for gate, _ in convergence.JUDGES.values()
    ]


def _names(failed: list[str]) -> str:
    more = len(failed) - NAMED_TESTS_MAX
    return ", ".join(failed[:NAMED_TESTS_MAX]) + (f" and {more} more" if more > 0 else "")


def unless_documentation_only(job: str, run: Callable[[], object], instead: Callable[[], object] | None = None) -> None:
    """Run a job. In a pull request that changes documentation only, run `instead`, or record a pass without it."""
    base = changes.base_branch()
    if not base or not branch_changes.documentation_only(f"origin/{base}"):
        run()
        return
    if instead:
        instead()
        return
    with results.recorded(job) as result:
        result.verdicts = [Verdict(job, Outcome.PASS, "runs unless only documentation changes", DOCUMENTATION_ONLY)]
    output.step(f"{job}: skipped, because only documentation changes")


def required() -> None:
    """Check whether the pull request may be merged. Raises UserError, naming what blocks, if it may not.

    Reads the status of the jobs from $NEEDS, the workflow's `toJSON(needs)`, and the verdict of the report.
    """
    needs = os.environ.get("NEEDS")
    if not needs:
        raise SettingError("NEEDS: not set; set `NEEDS: ${{ toJSON(needs) }}` in the workflow")
    statuses = results.job_statuses(needs)
    unfinished = [f"{job} ({status})" for job, status in statuses.items() if status != "success"]
    if unfinished:
        raise GateError(f"required: blocked by the jobs {', '.join(unfinished)}")
    path, tree = results.RESULTS / "report" / "verdict.json", results.source()
    verdict = read_json(path)
    if verdict.get("content") != (tree and tree.content):
        raise GateError(f"required: {path} is about other files than these; run `slipway report`")
    if verdict["outcome"] != Outcome.PASS:
        raise GateError(f"required: blocked by the report: {verdict['title']}")
    output.result({"outcome": "pass"}, "required: every job succeeded and every gate passed")
