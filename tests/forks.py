"""A fork: this repository with a problem of tests/problems for the sample, made as docs/make-it-yours.md says.

The environments are those of this repository; everything else is the fork's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from slipway.local import push_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
PROBLEMS = ROOT / "tests/problems"
OF_THE_SAMPLE = ("src/problem", "tests/problem")
REPLACED = ("split", "model", "ranges")  # sections of params.yaml that belong to the problem as a whole
OTHERS = (
    "GITHUB_",
    "SLIPWAY_",
    "STAGING_",
    "PRODUCTION_",
    "NEEDS",
)  # variables of a workflow around
IDENTITY = {f"GIT_{role}": "fork@example.invalid" for role in ("AUTHOR_NAME", "AUTHOR_EMAIL")}
IDENTITY |= {role.replace("AUTHOR", "COMMITTER"): value for role, value in IDENTITY.items()}


EMBEDDED = """\
[core]
    remote = embedded
    analytics = false
    check_update = false
['remote "embedded"']
    url = ../.dvcstore
    verify = true
"""
"""`.dvc/config` of a repository for tests, or what they push would come into the remote of whoever runs them."""
BY_A_VERB = (".dvcstore/", "dvc.lock", "metrics/")  # written by dvc and committed as they are
THE_FORKS = ("src/problem/", "tests/problem/", "data.dvc", "params.yaml")


@dataclass(frozen=True)
class Touched:
    """Files in which a fork differs from the template."""

    written: list[str]
    """Changed or added by a person."""
    removed: list[str]

    @classmethod
    def of(cls, status: list[str]) -> Touched:
        """From the lines of `git diff --name-status`."""
        changes = [line.split("\t") for line in status]
        paths = [(kind, path) for kind, path in changes if not path.startswith(BY_A_VERB)]
        return cls([path for kind, path in paths if kind != "D"], [path for kind, path in paths if kind == "D"])

    @property
    def of_the_machinery(self) -> set[str]:
        """Those that are not the problem's."""
        return {path for path in (*self.written, *self.removed) if not path.startswith(THE_FORKS)}


@dataclass(frozen=True)
class Fork:
    """A clone of a fork, and the folder around it, in which its origin, its store and its agents live."""

    root: Path
    env: Mapping[str, str]

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in the clone, require its exit code, and return what it prints."""
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True, check=False)
        assert code == done.returncode, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).strip()

    def slipway(self, *arguments: str, code: int = 0) -> str:
        """Run a verb of the fork's own machinery."""
        return self.run(sys.executable, "-m", "slipway.cli", *arguments, code=code)

    def commit(self, message: str) -> None:
        """Commit everything, and push it."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)
        self.run("git", "push", "--quiet", "origin", "HEAD:main")

    def touched(self) -> Touched:
        """What differs from the template, which is the first commit."""
        first = self.run("git", "rev-list", "--max-parents=0", "HEAD")
        return Touched.of(self.run("git", "diff", "--name-status", "--no-renames", first, "HEAD").splitlines())

    def json(self, path: str) -> Any:
        """A JSON file of the clone."""
        return json.loads((self.root / path).read_text(encoding="utf-8"))

    def outcomes(self, job: str) -> dict[str, str]:
        """Outcome of each gate of a job."""
        return {verdict["gate"]: verdict["outcome"] for verdict in self.json(f"results/{job}.json")["verdicts"]}


def upstream(folder: Path) -> Fork:
    """This repository as its files are now, as the first commit of a clone in `folder`."""
    root = folder / "clone"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    (root / ".venv-checks").symlink_to(ROOT / ".venv-checks")
    (root / ".dvc/config").write_text(EMBEDDED, encoding="utf-8")
    fork = Fork(root, _environment(folder, root))
    fork.run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder / "origin.git"))
    push_rule.install(folder / "origin.git")
    fork.run("git", "init", "--quiet", "--initial-branch=main")
    (root / ".git/info/exclude").write_text(".venv-checks\n", encoding="utf-8")  # a link here, not the folder it is
    fork.run("git", "remote", "add", "origin", str(folder / "origin.git"))
    fork.run("git", "add", "--all", "--force", "--", *(name for name in names if (root / name).is_file()))
    fork.run("git", "commit", "--quiet", "--message", "The template")
    fork.run("git", "push", "--quiet", "origin", "HEAD:main")
    return fork


def _environment(folder: Path, root: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return (
        kept
        | IDENTITY
        | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(root / "src"),
            "UV_NO_SYNC": "1",  # the environments are this repository's, and stay so
            "SLIPWAY_HOME": str(folder / "agents"),
            "SLIPWAY_STORE": (folder / "store").as_uri(),
            "DVC_NO_ANALYTICS": "1",
        }
    )


def make(name: str, folder: Path) -> Fork:
    """The template with the problem `name`: its package, its data and its numbers, committed."""
    fork = upstream(folder)
    for sample in OF_THE_SAMPLE:
        shutil.rmtree(fork.root / sample)
    ours = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROBLEMS / name / "problem", fork.root / "src/problem", ignore=ours)
    shutil.copytree(PROBLEMS / name / "data", fork.root / "data")
    edit_params(fork.root / "params.yaml", PROBLEMS / name / "params.yaml")
    fork.run("dvc", "add", "--quiet", "data")
    fork.run("dvc", "push", "--quiet", "data.dvc")
    fork.commit(f"Make it {name}")
    return fork


def edit_params(path: Path, changes: Path) -> None:
    """Write the numbers of `changes` into `path`, each with its comment."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 1000
    params = yaml.load(path)
    _merge(params, yaml.load(changes))
    yaml.dump(params, path)


def _merge(params: Any, changes: Any) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and key in params and key not in REPLACED:
            _merge(params[key], value)
            continue
        params[key] = value
        if key in changes.ca.items:
            params.ca.items[key] = changes.ca.items[key]
