"""The commands `lint`, `test` and `required`: every gate passes on the repository, and fails on a seeded fault."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slipway.errors import GateError, MissingFileError, SettingError
from slipway.gates import Outcome
from slipway.pull_request import commands, engine, jobs

WORDS = yaml.safe_load(Path("tests/engine/words.yaml").read_text(encoding="utf-8"))
PASSED = {"tests.unit.test_a.test_one": "passed", "tests.contract.test_b.test_two": "passed"}

FAULTS = {
    "ruff check": ("bad.py", "import os\n"),
    "ruff format": ("bad.py", "x = {  'a':1 }\n"),
    "zizmor": (".github/workflows/bad.yaml", "on: push\njobs: {a: {runs-on: x, steps: [{uses: a/b@main}]}}\n"),
    "actionlint": (".github/workflows/bad.yaml", "on: push\njobs: {a: {runs-on: x, needs: b, steps: [{run: ls}]}}\n"),
    "workflow schema": (".github/workflows/bad.yaml", "on: push\njobs: {a: {steps: []}}\n"),
    "action schema": (".github/actions/bad/action.yml", "name: bad\nruns: {using: composite}\n"),
    "dependabot schema": (".github/dependabot.yml", "version: 2\nupdates: [{package-ecosystem: uv, directory: /}]\n"),
    "shellcheck": (".ci/run", "#!/bin/bash\ncd $1\n"),
    "import-linter": ("src/problem/bad.py", "import slipway\n"),
    "mypy": ("src/slipway/bad.py", "def double(number: int) -> str:\n    return 2 * number\n"),
    "typos": ("docs/bad.md", "Recieve the data.\n"),  # misspelled
    "words": ("docs/bad.md", f"{next(iter(WORDS['everywhere']))}\n"),
}

FORK_FILES = {"mypy": "src/problem/bad.py", "typos": "README.md"}


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """Copy the files that the linters read."""
    for name in (".ci", ".github", "src", "tests/engine"):
        shutil.copytree(name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        ".pre-commit-config.yaml",
        "pyproject.toml",
        *(f"tests/{file}.py" for file in ("__init__", "conftest", "page_readers", "suites")),
    ):
        shutil.copy(name, tmp_path / name)
    monkeypatch.setenv("MYPY_CACHE_DIR", str(Path(".mypy_cache").absolute()))  # keeps the types of unchanged files
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))  # import-linter reads importable modules
    return tmp_path


@pytest.mark.parametrize("gate", jobs.LINTERS)
def test_linter_passes_on_the_repository(gate):
    code, output = jobs.run_tool(jobs.LINTERS[gate])
    assert 0 == code, output


@pytest.mark.parametrize("gate", jobs.LINTERS)
def test_linter_catches_its_fault(gate, checkout):
    file, fault = FAULTS[gate]
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text(fault, encoding="utf-8")
    subprocess.run(["git", "add", "--all"], check=True)  # some linters read the files that git has
    code, output = jobs.run_tool(jobs.LINTERS[gate])
    assert Outcome.FAIL == jobs.lint_verdict(gate, code, output).outcome
    assert Path(file).stem in output


@pytest.mark.parametrize("gate", jobs.OF_FORKS)
def test_linter_of_a_fork_catches_a_fault_in_its_files(gate, checkout):
    file, fault = FAULTS[gate]
    (checkout / FORK_FILES.get(gate, file)).write_text(fault, encoding="utf-8")
    assert Outcome.FAIL == jobs.lint_verdict(gate, *jobs.run_tool(jobs.OF_FORKS[gate])).outcome


@pytest.mark.parametrize(("reason", "linters"), [("it changed", jobs.LINTERS), (None, jobs.OF_FORKS)])
def test_only_a_fork_with_the_engine_of_the_template_checks_less(monkeypatch, tmp_path, reason, linters):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPWAY_BASE", "main")
    monkeypatch.setattr(jobs.engine, "why_tested", lambda _: reason)
    calls = []
    monkeypatch.setattr(jobs, "run_tool", lambda command: (calls.append(command), (0, ""))[1])
    jobs.lint()
    assert list(linters.values()) == calls


@pytest.mark.parametrize("gate", sorted(jobs.LINTERS.keys() - jobs.OF_FORKS.keys()))
def test_a_linter_that_forks_omit_reads_files_of_the_template_only(gate):
    assert FAULTS[gate][0].startswith((".github/", ".ci/", "docs/"))
    assert not any(engine.is_in(FAULTS[gate][0], place) for place in (*engine.OWN, *engine.MERGED))


@pytest.mark.parametrize(("documentation", "gates"), [(True, ["typos", "words"]), (False, list(jobs.LINTERS))])
def test_only_linters_of_pages_run_where_only_pages_change(monkeypatch, tmp_path, documentation, gates):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPWAY_BASE", "main")
    monkeypatch.setattr(jobs.branch_changes, "documentation_only", lambda _: documentation)
    monkeypatch.setattr(jobs.engine, "why_tested", lambda _: "it changed")
    monkeypatch.setattr(jobs, "run_tool", lambda _: (0, ""))
    commands.lint()
    assert gates == [verdict["gate"] for verdict in json.loads(Path("results/lint.json").read_text())["verdicts"]]


@pytest.mark.parametrize("gate", jobs.OF_PAGES)
def test_linter_of_pages_catches_a_fault_on_a_page(gate, checkout):
    file, fault = FAULTS[gate]
    (checkout / file).parent.mkdir()
    (checkout / file).write_text(fault, encoding="utf-8")
    subprocess.run(["git", "add", "--all"], check=True)
    verdict = jobs.lint_verdict(gate, *jobs.run_tool(jobs.OF_PAGES[gate]))
    assert Outcome.FAIL == verdict.outcome
    assert file in verdict.reason


@pytest.mark.parametrize("gate", jobs.OF_PAGES)
def test_a_finding_on_a_page_blocks_where_only_pages_change(monkeypatch, tmp_path, gate):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "run_tool", lambda command: (int(command == jobs.OF_PAGES[gate]), "a.md: finding"))
    with pytest.raises(GateError, match=gate):
        jobs.lint_documentation()


def test_missing_linter_fails():
    code, output = jobs.run_tool(["no-such-linter", "."])
    assert Outcome.FAIL == jobs.lint_verdict("none", code, output).outcome


def test_linter_without_a_matching_file_fails():
    code, output = jobs.run_tool(["ruff", "check", "no/such/*.py"])
    assert Outcome.FAIL == jobs.lint_verdict("none", code, output).outcome


def test_verdict_names_the_first_finding():
    assert "a.py:1:1: E1" == jobs.lint_verdict("ruff", 1, "\na.py:1:1: E1\nFound 1 error.\n").reason


TABLE = [
    ("all pass", PASSED, 0, Outcome.PASS),
    ("a test fails", PASSED | {"tests.unit.x": "failed"}, 1, Outcome.FAIL),
    ("a test that measured something fails", PASSED, 1, Outcome.PASS),
    ("nothing ran", {}, 5, Outcome.FAIL),
    ("all were skipped", dict.fromkeys(PASSED, "skipped"), 0, Outcome.FAIL),
    ("pytest was interrupted", PASSED, 2, Outcome.FAIL),
    ("pytest crashed", PASSED, 3, Outcome.FAIL),
    ("pytest was killed", PASSED, -9, Outcome.FAIL),
]


@pytest.mark.parametrize(("cases", "code", "outcome"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_gate_of_tests(cases, code, outcome):
    assert outcome == jobs.judge_tests(cases, code).outcome


def test_gate_names_the_tests_that_failed():
    failed = {f"tests.unit.{name}": "failed" for name in "abcde"}
    assert "tests.unit.a, tests.unit.b, tests.unit.c and 2 more" == jobs.judge_tests(failed, 1).reason


def written_by_pytest(folder: Path, text: str) -> Path:
    """Run pytest on a module with `text`, and return the JUnit file."""
    (folder / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n", encoding="utf-8")
    (folder / "test_written.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--junit-xml=test.xml", "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=folder, check=False, capture_output=True)
    return folder / "test.xml"


MEASURES = """
from slipway.gates import Outcome, Verdict
from slipway.pull_request.jobs import VERDICT, read_verdict

def test_loss(record_property):
    judged = Verdict("training loss falls", Outcome.FAIL, "falls by 2%", "+3.0%")
    record_property(VERDICT, read_verdict.dump_json(judged).decode())
    assert judged.outcome is Outcome.PASS

def test_something_else():
    pass
"""


def test_gates_of_convergence_are_those_that_tests_recorded(tmp_path):
    measured = jobs.read_measured(written_by_pytest(tmp_path, MEASURES))
    assert [(Outcome.FAIL, "+3.0%"), (Outcome.FAIL, "not measured")] == [
        (verdict.outcome, verdict.observed) for verdict in jobs.convergence_verdicts(measured)[:2]
    ]


def test_a_test_that_records_a_verdict_is_no_case_of_the_gate_tests(tmp_path):
    assert {"test_written.test_something_else": "passed"} == jobs.read_cases(written_by_pytest(tmp_path, MEASURES))


def test_gates_of_convergence_fail_when_nothing_was_measured(tmp_path):
    outcomes = {verdict.outcome for verdict in jobs.convergence_verdicts(jobs.read_measured(tmp_path / "none.xml"))}
    assert {Outcome.FAIL} == outcomes


def test_outcomes_are_read_from_what_pytest_writes(tmp_path):
    (tmp_path / "test.xml").write_text(
        '<testsuites><testsuite><testcase classname="t" name="a"/>'
        '<testcase classname="t" name="b"><failure/></testcase>'
        '<testcase classname="t" name="c"><skipped/></testcase><testcase classname="t" name="d"><error/></testcase>'
        "</testsuite></testsuites>",
        encoding="utf-8",
    )
    expected = {"t.a": "passed", "t.b": "failed", "t.c": "skipped", "t.d": "failed"}
    assert expected == jobs.read_cases(tmp_path / "test.xml")


def test_no_report_of_pytest_is_no_test(tmp_path):
    assert {} == jobs.read_cases(tmp_path / "test.xml")


@pytest.fixture
def verdict(tmp_path, monkeypatch):
    """Return a function that writes the verdict of a report, and the status of the jobs."""
    monkeypatch.chdir(tmp_path)

    def write(outcome: str | None, result: str = "success") -> None:
        monkeypatch.setenv("NEEDS", json.dumps({"train": {"result": result, "outputs": {}}}))
        if outcome:
            Path("results/report").mkdir(parents=True)
            Path("results/report/verdict.json").write_text(json.dumps({"outcome": outcome, "title": "Why"}))

    return write


def test_required_passes_when_all_jobs_and_gates_pass(verdict):
    verdict("pass")
    jobs.required()


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped"])
def test_required_names_a_job_that_did_not_succeed(verdict, result):
    verdict("pass", result)
    with pytest.raises(GateError, match=rf"train \({result}\)"):
        jobs.required()


@pytest.mark.parametrize("outcome", ["fail", "inconclusive"])
def test_required_blocks_when_the_report_does_not_pass(verdict, outcome):
    verdict(outcome)
    with pytest.raises(GateError, match="blocked by the report: Why"):
        jobs.required()


def test_required_blocks_when_the_report_is_about_other_files(verdict):
    verdict("pass")
    subprocess.run(["git", "init", "--quiet"], check=True)
    with pytest.raises(GateError, match=r"verdict\.json is about other files than these; run `slipway report`"):
        jobs.required()


def test_required_blocks_without_a_report(verdict):
    verdict(None)
    with pytest.raises(MissingFileError, match=r"verdict\.json: not found"):
        jobs.required()


def test_required_outside_of_a_workflow_is_one_line(monkeypatch):
    monkeypatch.delenv("NEEDS", raising=False)
    with pytest.raises(SettingError, match="NEEDS: not set"):
        jobs.required()


def test_a_job_runs_where_there_is_no_pull_request(monkeypatch):
    ran = []
    for name in ("GITHUB_BASE_REF", "SLIPWAY_BASE"):
        monkeypatch.delenv(name, raising=False)
    jobs.unless_documentation_only("data", lambda: ran.append(1))
    assert [1] == ran


@pytest.mark.parametrize("name", ["GITHUB_BASE_REF", "SLIPWAY_BASE"])
@pytest.mark.parametrize(("only", "expected"), [(True, 0), (False, 1)])
def test_a_job_of_a_pull_request_runs_unless_only_documentation_changes(tmp_path, monkeypatch, name, only, expected):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    monkeypatch.setenv(name, "main")
    monkeypatch.setattr(jobs.branch_changes, "documentation_only", lambda _: only)
    ran = []
    jobs.unless_documentation_only("data", lambda: ran.append(1))
    assert expected == len(ran)


@pytest.mark.parametrize(("only", "expected"), [(True, ["instead"]), (False, ["all"])])
def test_a_job_may_run_something_else_when_only_documentation_changes(monkeypatch, only, expected):
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    monkeypatch.setattr(jobs.branch_changes, "documentation_only", lambda _: only)
    ran = []
    jobs.unless_documentation_only("test", lambda: ran.append("all"), instead=lambda: ran.append("instead"))
    assert expected == ran


def test_a_failing_page_test_fails_the_job_test_of_documentation(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs.results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(jobs, "DOCUMENTATION_TESTS", (str(_page_test(tmp_path, "assert False")),))
    with pytest.raises(GateError, match="test: blocked by tests fail"):
        jobs.test_documentation()
    monkeypatch.setattr(jobs, "DOCUMENTATION_TESTS", (str(_page_test(tmp_path, "assert True")),))
    jobs.test_documentation()


def test_the_job_test_of_documentation_names_the_changed_pages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    monkeypatch.setattr(jobs.branch_changes, "changed_pages", {"origin/main": ["README.md", "docs/a.md"]}.get)
    ran = []
    monkeypatch.setattr(jobs, "_pytest", lambda *arguments: (ran.append(arguments), (0, tmp_path / "none.xml"))[1])
    with pytest.raises(GateError, match="blocked by tests fail"):
        jobs.test_documentation()
    assert [(jobs.DOCUMENTATION_TESTS, {jobs.CHANGED_PAGES: "README.md\ndocs/a.md"})] == ran


def test_the_night_kills_an_agent_at_every_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = []
    monkeypatch.setattr(jobs, "_pytest", lambda *arguments: (ran.append(arguments), (1, tmp_path / "none.xml"))[1])
    with pytest.raises(GateError, match="blocked by tests fail"):
        jobs.test_kills()
    assert [(("tests/delivery/test_killed_agent.py",), {"AGENT_KILLS": "all"})] == ran


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(None, jobs.FORK_TESTS), ("src/slipway/gates.py: not as in the template", jobs.QUICK_TESTS)],
)
def test_a_pull_request_runs_the_tests_of_the_engine_only_if_the_fork_changed_it(
    tmp_path, monkeypatch, capsys, reason, expected
):
    (tmp_path / "data").mkdir()
    (tmp_path / jobs.OF_THE_PROBLEM).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    monkeypatch.setattr(jobs.engine, "why_tested", {"origin/main": reason}.get)
    ran = []
    monkeypatch.setattr(jobs, "_pytest", lambda *arguments: (ran.append(arguments), (0, tmp_path / "none.xml"))[1])
    with pytest.raises(GateError, match="blocked by tests fail"):
        jobs.test()
    ((paths, variables),) = ran
    assert list(expected) == paths
    pages = {jobs.CHANGED_PAGES: "README.md\nSECURITY.md\nCHANGELOG.md"}  # docs/ is the template's
    assert (pages if reason is None else {}) == variables
    (verdict, *_) = json.loads(Path("results/test.json").read_text(encoding="utf-8"))["verdicts"]
    assert (reason is None) == verdict["observed"].startswith("the fork's own tests: ")
    assert (reason or "its engine is the template's") in capsys.readouterr().out


def test_without_a_pull_request_all_quick_tests_run(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / jobs.OF_THE_PROBLEM).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_BASE_REF", "SLIPWAY_BASE"):
        monkeypatch.delenv(name, raising=False)
    ran = []
    monkeypatch.setattr(jobs, "_pytest", lambda paths, _: (ran.extend(paths), (0, tmp_path / "none.xml"))[1])
    with pytest.raises(GateError):
        jobs.test()
    assert list(jobs.QUICK_TESTS) == ran


def _page_test(folder: Path, line: str) -> Path:
    file = folder / f"test_page_{line.split()[1].lower()}.py"
    file.write_text(f"def test_page():\n    {line}\n", encoding="utf-8")
    return file


def test_a_skipped_job_writes_a_result_that_passes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    monkeypatch.setattr(jobs.branch_changes, "documentation_only", lambda _: True)
    jobs.unless_documentation_only("data", lambda: None)
    assert "pass" == jobs.results.read()["data"].outcome
