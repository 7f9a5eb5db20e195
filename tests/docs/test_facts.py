"""Names, tables and counts in the documentation agree with the code and the configuration."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.gates import Outcome, Verdict
from slipway.report import content, judgment
from slipway.report import evidence as inputs
from tests import commands
from tests.docs import pages

CONTENTS = {str(path): path.read_text(encoding="utf-8") for path in pages.PAGES}
CODE = sorted({(name, code) for name, text in CONTENTS.items() for code in pages.inline_code(text)})
"""Page and inline code."""
WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in Path(".github/workflows").glob("*.yaml")}
PARAMS = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))

PARAMETER = re.compile(rf"(?:{'|'.join(PARAMS)})(?:\.[a-z]\w*)+")
FILE_SUFFIXES = {"dvc", "json", "onnx", "parquet", "skops", "xml", "yaml"}
"""Of file names such as `data.json`, which look like keys of params.yaml."""
MISSPELLED = "gates.florr"
"""A key that docs/pull-requests.md shows in a message."""
REPOSITORY_PATH = re.compile(r"(?:src|tests|deploy|loadtests|\.github|\.ci)(?:/[\w.@-]+)+/?")
FORK_PATHS = {"src/problem/csv_file.py", ".github/trusted-keys"}
"""Paths that commands of Slipway write into a fork."""
TEST_FILE = re.compile(r"test_\w+\.py")
MODULE = re.compile(r"slipway(?:\.[a-z]\w*)+")
METADATA_KEYS = {"slipway.model", "slipway.release"}
"""Keys of Parquet metadata, which look like modules."""
METRIC = re.compile(r"(slipway_[a-z_]+)(?:\{.*\})?")


def resolved(key: str) -> bool:
    """Return whether params.yaml has the dotted `key`."""
    section: Any = PARAMS
    for name in key.split("."):
        if not isinstance(section, dict) or name not in section:
            return False
        section = section[name]
    return True


def importable(module: str) -> bool:
    """Return whether `module`, or the module that has its last part as an attribute, exists."""
    parent, _, name = module.rpartition(".")
    try:
        if importlib.util.find_spec(module):
            return True
    except ModuleNotFoundError:
        return False
    spec = importlib.util.find_spec(parent)
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    return bool(re.search(rf"^(?:class |def )?{name}\b", source, re.MULTILINE))


def missing(code: str) -> str | None:
    """Return what `code` names and the repository lacks; None where it names nothing or all of it exists."""
    if PARAMETER.fullmatch(code) and code.rpartition(".")[2] not in FILE_SUFFIXES and not resolved(code):
        return f"params.yaml has no {code}"
    if REPOSITORY_PATH.fullmatch(code) and not Path(code).exists() and code not in FORK_PATHS:
        return f"{code} does not exist"
    if TEST_FILE.fullmatch(code) and not list(Path("tests").rglob(code)):
        return f"tests has no {code}"
    if MODULE.fullmatch(code) and not importable(code) and code not in METADATA_KEYS:
        return f"there is no module {code}"
    return None


# --- names in backticks ---


@pytest.mark.parametrize("page", CONTENTS)
def test_names_in_backticks_exist(page):
    faults = [missing(code) for name, code in CODE if name == page and MISSPELLED not in code]
    assert [] == [fault for fault in faults if fault]


@pytest.mark.parametrize(
    "code",
    [
        "gates.florr",
        "data.contract.gap",
        "src/slipway/nothing.py",
        "tests/nothing",
        "test_nothing.py",
        "slipway.nothing",
        "slipway.github.cml.nothing",
    ],
)
def test_a_missing_name_fails(code):
    assert missing(code)


@pytest.mark.parametrize(
    "code", ["gates.floor", "data.suites", "data.json", "src/slipway", "slipway.github.cml", "x.y"]
)
def test_an_existing_name_passes(code):
    assert missing(code) is None


def test_metrics_of_the_service_are_those_that_it_exports():
    source = "".join(path.read_text(encoding="utf-8") for path in Path("src/slipway/serving").glob("*.py"))
    rows = pages.table(CONTENTS["docs/service.md"], "metric")
    documented = {match[1] for row in rows for match in METRIC.finditer(row[0])}
    assert len(documented) == len(rows)
    assert set() == {name for name in documented if f'"{name.removesuffix("_total")}"' not in source}


# --- tables ---


def test_alerts_and_their_severities_are_those_of_the_rules():
    (group,) = yaml.safe_load(Path("deploy/monitoring/rules.yaml").read_text(encoding="utf-8"))["groups"]
    rows = re.findall(r"^\| (`Slipway.*?) \| (page|ticket) \|", CONTENTS["docs/operations.md"], re.MULTILINE)
    documented = {name: severity for names, severity in rows for name in re.findall(r"`(\w+)`", names)}
    assert {rule["alert"]: rule["labels"]["severity"] for rule in group["rules"]} == documented


def test_variables_and_secrets_of_workflows_are_documented():
    read = {name for text in WORKFLOWS.values() for name in re.findall(r"\b(?:vars|secrets)\.(\w+)", text)}
    assert set() == read - set(re.findall(r"`([A-Z_]+)`", CONTENTS["README.md"]))
    assert set() == read - set(re.findall(r"`([A-Z_]+)`", CONTENTS["docs/workflows.md"]))


def test_every_workflow_has_a_section():
    text = " ".join(
        heading for page in ("workflows", "retraining") for heading in pages.headings(CONTENTS[f"docs/{page}.md"])
    )
    assert [] == [name for name in sorted(WORKFLOWS) if name not in text]


@pytest.mark.parametrize("workflow", ["pull-request", "pull-request-code", "deploy"])
def test_jobs_and_their_commands_are_those_of_the_workflow(workflow):
    """README.md has a table for pull requests and one for deployments: every job, and every command that it runs."""
    for name, job in yaml.safe_load(WORKFLOWS[f"{workflow}.yaml"])["jobs"].items():
        runs = " ".join(step.get("run", "") for step in job["steps"])
        called = set(re.findall(r"slipway ((?:release |image )?[a-z]+)", runs)) - {"agent", "release keep"}
        rows = re.findall(rf"^\| `{name}` \| (.*?) \|", CONTENTS["README.md"], re.MULTILINE)
        assert any(called == set(re.findall(r"`slipway ([a-z ]+)`", row)) for row in rows), (name, called, rows)


def test_workflows_after_a_deployment_run_the_commands_of_the_table():
    rows = re.findall(r"^\| `(monitor|retrain|rollback)` \| (.*?) \|", CONTENTS["README.md"], re.MULTILINE)
    for workflow, cell in rows:
        called = set(re.findall(r"uv run slipway ([a-z]+)", WORKFLOWS[f"{workflow}.yaml"])) - {"agent", "release"}
        assert called == set(re.findall(r"`slipway ([a-z]+)`", cell)), workflow
    assert 3 == len(rows)


def test_paths_of_the_layout_exist():
    (layout,) = re.findall(r"^```text\n(params.*?)```", CONTENTS["README.md"], re.MULTILINE | re.DOTALL)
    paths = [path for line in layout.splitlines() for path in re.split(r" {2,}", line)[0].split()]
    assert len(paths) > 8
    assert [] == [path for path in paths if not Path(path).exists()]


def test_every_package_is_in_the_architecture():
    rows = pages.table(CONTENTS["ARCHITECTURE.md"], "package in `src/slipway`")
    packages = sorted(path.name for path in Path("src/slipway").iterdir() if (path / "__init__.py").exists())
    assert packages == sorted(row[0].strip("`") for row in rows)


def test_packages_of_the_import_diagram_exist():
    (diagram,) = re.findall(r"```text\n(cli\n.*?)```", CONTENTS["ARCHITECTURE.md"], re.DOTALL)
    names = re.findall(r"\w+", diagram)
    assert {row[0].strip("`") for row in pages.table(CONTENTS["ARCHITECTURE.md"], "package in `src/slipway`")} == {
        *names
    }


def test_import_diagram_follows_the_layers():
    """A package of a lower line is in a lower layer of import-linter than every package above it."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [item for item in project["tool"]["importlinter"]["contracts"] if item["type"] == "layers"]
    layer = {
        name: rank for rank, names in enumerate(contract["layers"]) for name in re.findall(r"slipway\.(\w+)", names)
    }
    (diagram,) = re.findall(r"```text\n(cli\n.*?)```", CONTENTS["ARCHITECTURE.md"], re.DOTALL)
    ranks = [[layer[name] for name in re.findall(r"\w+", line)] for line in diagram.splitlines()]
    assert [] == [lower for upper, lower in pairwise(ranks) if max(upper) >= min(lower)]


def test_checks_of_monitoring_are_those_of_the_table():
    rows = pages.table(CONTENTS["docs/monitoring.md"], "check")
    assert [*content_of_checks()] == sorted(row[0].strip("`") for row in rows)


def content_of_checks() -> list[str]:
    """Return the names of the checks of monitoring, one module or function for each."""
    from slipway.gates import monitoring

    own = {"performance", "segments", "staleness"}
    return sorted({*monitoring.THRESHOLDS, *own})


# --- titles and terms ---

NO_RESULTS = inputs.ReportEvidence.model_construct(results=inputs.JobResults())


@pytest.mark.parametrize("outcome", Outcome)
def test_titles_of_the_report_are_on_the_page_about_the_comment(outcome, monkeypatch):
    monkeypatch.setattr(judgment, "judged", lambda _: [judgment.Judged("data", Verdict("gate", outcome, "", ""))])
    monkeypatch.setattr(judgment, "running", lambda _: [])
    title = judgment.title(NO_RESULTS).partition(" ")[2].partition(":")[0]
    assert f"*{title}*: " in CONTENTS["docs/comment.md"]


def test_title_of_an_unfinished_report_is_on_the_page_about_the_comment(monkeypatch):
    monkeypatch.setattr(judgment, "judged", lambda _: [judgment.Judged("data", Verdict("gate", Outcome.PASS, "", ""))])
    monkeypatch.setattr(judgment, "running", lambda _: ["test"])
    title = judgment.title(NO_RESULTS).partition(" ")[2].partition(":")[0]
    assert f"*{title}*: " in CONTENTS["docs/comment.md"]


SECTIONS = {"comparison", "content", "judgment", "pictures"}
"""Modules of the report on a pull request that write headings."""


def test_headings_of_the_report_are_on_the_page_about_the_comment():
    modules = Path(str(content.__file__)).parent.glob("*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in modules if path.stem in SECTIONS)
    written = re.findall(r'(?:Heading|Details|[Cc]hart)\(\s*"([^"]+)"', source)
    assert {"Metrics", "Reproduce", "Calibration"} <= {*written}
    assert [] == [heading for heading in written if f"**{heading}**" not in CONTENTS["docs/comment.md"]]


def test_every_term_of_the_glossary_is_defined():
    """A term is a heading of the third level, followed by a paragraph."""
    terms = re.findall(r"^### (.+)\n\n(.+(?:\n.+)*)", CONTENTS["docs/glossary.md"], re.MULTILINE)
    assert 40 <= len(terms) == CONTENTS["docs/glossary.md"].count("\n### ")
    assert [] == [term for term, definition in terms if not definition.endswith(".")]


def test_every_term_of_the_glossary_is_linked_from_a_page():
    links = {
        link.rpartition("#")[2] for text in CONTENTS.values() for link in pages.links(text) if "glossary.md#" in link
    }
    terms = re.findall(r"^### (.+)$", CONTENTS["docs/glossary.md"], re.MULTILINE)
    assert [] == [term for term in terms if term.lower().replace(" ", "-") not in links]


# --- counts ---


def test_number_of_commands():
    (stated,) = re.findall(r"all (\d+) commands", CONTENTS["docs/index.md"])
    assert len([*commands.listed()]) == int(stated)


def test_number_of_checks_of_monitoring():
    numbers = {"eleven": 11, "twelve": 12, "thirteen": 13}
    stated = re.findall(r"(\w+) checks", CONTENTS["docs/monitoring.md"])
    assert len(content_of_checks()) == numbers[stated[0]]


def test_number_of_faulty_workflows():
    stated = {int(number) for text in CONTENTS.values() for number in re.findall(r"(\d+) faulty workflows", text)}
    assert {len([*Path("tests/workflows/bad").glob("*.y*ml")])} == stated
