"""A new table becomes a fork that passes its tests, and merges a newer template without a conflict.

The test runs the commands of a user. The fork has its own files, and shares the environments of this repository.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_wine

from tests import preloaded
from tests.forks import EMBEDDED

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TOUCHED = {"data.dvc", "dvc.lock", "engine.lock", "params.yaml", "pyproject.toml", "uv.lock"}
FOLDERS = (".dvcstore/", "metrics/", "src/problem/", "tests/problem/")
CHECKED = ("tests/problem", "tests/convergence", "tests/contract/test_layout.py", "tests/contract/test_dvc_stages.py")


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of commands in the fork, whose source precedes that of this repository."""
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "src"),
        "UV_NO_SYNC": "1",  # otherwise uv would change the environments of this repository
        "OMP_WAIT_POLICY": "PASSIVE",
        **{f"GIT_{who}_{what}": "a@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    environment.pop("GITHUB_STEP_SUMMARY", None)
    return preloaded.first_on_path(environment)


def run(folder: Path, *command: str) -> str:
    """Run a command in the fork, and return its output."""
    environment = _environment(folder)
    return _output(subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False))


def slipway(folder: Path, *arguments: str) -> str:
    return _output(preloaded.run(*arguments, cwd=folder, env=_environment(folder)))


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert 0 == done.returncode, f"{' '.join(done.args)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def git(folder: Path, *arguments: str) -> str:
    return run(folder, "git", *arguments).strip()


def wines(path: Path) -> None:
    """Write wines with readable names, a category, missing values, a constant, a row number and a leaked target."""
    bunch = load_wine(as_frame=True)
    rounded = (10 * bunch.data).round()
    kind = bunch.target.map(dict(enumerate(["Barolo", "Grignolino", "Barbera"])))
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "No": range(len(kind)),
            "Alcohol (‰)": rounded["alcohol"].astype(int),
            "Flavanoids": rounded["flavanoids"].mask(random.random(len(kind)) < 0.1),
            "OD280/OD315": rounded["od280/od315_of_diluted_wines"].astype(int),
            "class": pd.cut(bunch.data["hue"], 3, labels=["pale", "clear", "deep"]).astype(str),
            "Region": "Piedmont",
            "Cultivar code": kind.map({"Barolo": 7, "Grignolino": 8, "Barbera": 9}),
            "Kind of wine": kind,
        }
    )
    frame.to_csv(path, index=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A repository whose first commit has every file of this one."""
    folder = tmp_path_factory.mktemp("fork") / "template"
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".dvc/config").write_text(EMBEDDED)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "Template")
    return folder


@pytest.fixture(scope="module")
def fork(template):
    """A fork for the wines, the output of `slipway new`, and the files that it changed."""
    folder = template.parent / "fork"
    git(template, "clone", "--quiet", str(template), str(folder))
    git(folder, "remote", "add", "template", str(template))
    (folder / ".git/info/exclude").write_text(".venv-checks\n")
    (folder / ".venv-checks").symlink_to(ROOT / ".venv-checks")
    wines(template.parent / "wines.csv")
    output = slipway(folder, "new", str(template.parent / "wines.csv"), "--target", "Kind of wine")
    changed = git(folder, "status", "--porcelain", "--untracked-files=all")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Make the template ours")
    return folder, output, {line.split()[-1] for line in changed.splitlines()}


def test_new_changes_only_files_of_the_fork(fork):
    assert set() == {name for name in fork[2] if name not in TOUCHED and not name.startswith(FOLDERS)}


def test_new_reports_inferred_and_omitted_columns(fork):
    columns = [line.split("  ")[0] for line in fork[1].splitlines()]
    assert {"Alcohol (‰)", "OD280/OD315", "class", "Kind of wine"} <= {*columns}
    left_out = {line.split("  ")[0].strip() for line in fork[1].splitlines() if "excluded" in line}
    assert {"No", "Region", "Cultivar code"} <= left_out


def test_every_place_to_review_exists(fork):
    places = [line.split()[0] for line in fork[1].splitlines() if line.startswith("  ") and ":" in line.split()[0]]
    assert len(places) == 5
    for place in places:
        name, line = place.split(":")
        assert (fork[0] / name).read_text().splitlines()[int(line) - 1].strip()


def test_params_have_no_comment_on_the_sample(fork):
    section = re.search(r"^split:.*?^serving:", (fork[0] / "params.yaml").read_text(), re.MULTILINE | re.DOTALL)[0]
    assert [] == re.findall("real months|2013|carrier|airport|flight", section)


def test_tests_of_the_fork_pass(fork):
    assert " passed" in run(fork[0], sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *CHECKED)


def test_data_and_model_match_dvc_lock(fork):
    assert {} == json.loads(run(fork[0], "dvc", "status", "--json").splitlines()[-1])


def test_verdicts_pass_and_a_release_can_be_built(fork):
    for job in ("data", "train", "compare"):
        slipway(fork[0], job)
        verdicts = json.loads((fork[0] / "results" / f"{job}.json").read_text())["verdicts"]
        assert {"pass"} == {verdict["outcome"] for verdict in verdicts}, verdicts
    slipway(fork[0], "report", "--base", "HEAD~1")
    assert "log_loss" in (fork[0] / "results/report/report.md").read_text()
    slipway(fork[0], "release", "build")
    assert "kind_of_wine" == json.loads((fork[0] / "build/release/model/signature.json").read_text())["target"]


def improve(template: Path) -> None:
    """Commit a newer template: code, a workflow, a stage, a section of parameters, other data and another sample."""
    for name in ("src/slipway/errors.py", ".github/workflows/audit.yaml", "README.md", "src/problem/model.py"):
        (template / name).write_text((template / name).read_text() + "\n# improved\n")
    (template / "src/problem/planes.py").write_text('"""More of the sample."""\n')
    for name in ("params.yaml", "tests/unit/golden/params.yaml"):
        with (template / name).open("a") as params:
            params.write("\nimprovement:\n  size: 1  # of it\n")
    settings = template / "src/slipway/settings/__init__.py"
    text, first, last = settings.read_text(), "class Settings(Section):", "    retraining: RetrainingSection\n"
    assert first in text
    assert last in text
    section = 'class Improvement(Section):\n    size: Whole = parameter("Size of it")\n\n\n'
    text = text.replace(first, f"{section}{first}").replace(last, f"{last}    improvement: Improvement\n")
    settings.write_text(text)
    stages = template / "dvc.yaml"
    stages.write_text(stages.read_text().replace("artifacts:\n", "# improved\nartifacts:\n"))
    for name in ("data.dvc", "dvc.lock"):
        (template / name).write_text((template / name).read_text().replace("md5: ", "md5: 0"))
    git(template, "add", "--all")
    git(template, "commit", "--quiet", "--message", "Improve")


def test_newer_template_merges_without_a_conflict_and_the_tests_pass(fork, template):
    folder, improved = fork[0], ("src/slipway/errors.py", ".github/workflows/audit.yaml", "dvc.yaml")
    own = {
        name: (folder / name).read_bytes()
        for name in git(folder, "ls-files", "src/problem", "dvc.lock", "data.dvc").split()
    }
    before = yaml.safe_load((folder / "params.yaml").read_text())
    improve(template)
    git(folder, "fetch", "--quiet", "template")
    slipway(folder, "upgrade")
    git(folder, "commit", "--quiet", "--no-edit")
    assert own == {
        name: (folder / name).read_bytes()
        for name in git(folder, "ls-files", "src/problem", "dvc.lock", "data.dvc").split()
    }
    assert all("# improved" in (folder / name).read_text() for name in improved)
    assert before | {"improvement": {"size": 1}} == yaml.safe_load((folder / "params.yaml").read_text())
    tests = (
        "tests/problem",
        "tests/contract/test_dvc_stages.py",
        "tests/contract/test_layout.py",
        "tests/unit/test_settings.py",
    )
    assert " passed" in run(folder, sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *tests)
