"""A fork of this repository with a problem of tests/problems, created as docs/make-it-yours.md describes.

It shares the virtual environments of this repository, and has its own copy of everything else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from slipway.local import push_rule
from tests import preloaded

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
PROBLEMS = ROOT / "tests/problems"
SAMPLE_FOLDERS = ("src/problem", "tests/problem")
REPLACED_SECTIONS = ("split", "model", "ranges")  # of params.yaml; the problem replaces them as a whole
FOREIGN_VARIABLES = (
    "GITHUB_",
    "SLIPWAY_",
    "STAGING_",
    "PRODUCTION_",
    "NEEDS",
)  # prefixes of variables that a surrounding workflow sets
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
"""`.dvc/config` of a test repository, so that tests never push to the DVC remote of the user."""
GENERATED = (".dvcstore/", "dvc.lock", "metrics/")  # written by DVC and committed
OWNED_BY_FORKS = ("src/problem/", "tests/problem/", "data.dvc", "params.yaml")


@dataclass(frozen=True)
class Touched:
    """The files in which a fork differs from the template, without generated ones."""

    written: list[str]
    """Files that the user changed or added."""
    removed: list[str]

    @classmethod
    def of(cls, status: list[str]) -> Touched:
        """Parse the lines of `git diff --name-status`."""
        changes = [line.split("\t") for line in status]
        paths = [(kind, path) for kind, path in changes if not path.startswith(GENERATED)]
        return cls([path for kind, path in paths if kind != "D"], [path for kind, path in paths if kind == "D"])

    @property
    def of_the_engine(self) -> set[str]:
        """Files that belong to the engine."""
        return {path for path in (*self.written, *self.removed) if not path.startswith(OWNED_BY_FORKS)}


@dataclass(frozen=True)
class Fork:
    """A clone of a fork, inside a folder with its origin, its store and its agents."""

    root: Path
    env: Mapping[str, str]

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in the clone, assert its exit code, and return its output."""
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True, check=False)
        return _output(done, code)

    def slipway(self, *arguments: str, code: int = 0) -> str:
        """Run a command of the fork's own engine."""
        return _output(preloaded.run(*arguments, cwd=self.root, env=self.env), code)

    def python(self, *arguments: str, code: int = 0) -> str:
        """Run a Python command, `-m MODULE …` or `-c CODE …`, with the fork's own engine."""
        return _output(preloaded.python(*arguments, cwd=self.root, env=self.env), code)

    def commit(self, message: str) -> None:
        """Commit and push every change."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)
        self.run("git", "push", "--quiet", "origin", "HEAD:main")

    def touched(self) -> Touched:
        """Return the files that differ from the template, which is the first commit."""
        first = self.run("git", "rev-list", "--max-parents=0", "HEAD")
        return Touched.of(self.run("git", "diff", "--name-status", "--no-renames", first, "HEAD").splitlines())

    def json(self, path: str) -> Any:
        """Return the content of a JSON file in the clone."""
        return json.loads((self.root / path).read_text(encoding="utf-8"))

    def outcomes(self, job: str) -> dict[str, str]:
        """Return the outcome of each gate of a job."""
        return {verdict["gate"]: verdict["outcome"] for verdict in self.json(f"results/{job}.json")["verdicts"]}


def _output(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Return the output of a command, whose exit code must be `code`."""
    assert code == done.returncode, f"{' '.join(done.args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return (done.stdout + done.stderr).strip()


def upstream(folder: Path) -> Fork:
    """Create a clone in `folder` whose first commit has the current files of this repository."""
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
    (root / ".git/info/exclude").write_text(
        ".venv-checks\n", encoding="utf-8"
    )  # here a link, which .gitignore does not match
    fork.run("git", "remote", "add", "origin", str(folder / "origin.git"))
    fork.run("git", "add", "--all", "--force", "--", *(name for name in names if (root / name).is_file()))
    fork.run("git", "commit", "--quiet", "--message", "The template")
    fork.run("git", "push", "--quiet", "origin", "HEAD:main")
    return fork


def _environment(folder: Path, root: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}
    return (
        inherited
        | IDENTITY
        | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(root / "src"),
            "UV_NO_SYNC": "1",  # the shared environments must not change
            "SLIPWAY_HOME": str(folder / "agents"),
            "SLIPWAY_STORE": (folder / "store").as_uri(),
            "DVC_NO_ANALYTICS": "1",
        }
    )


def make(name: str, folder: Path) -> Fork:
    """Create a fork with the problem `name`: its package, data and parameters, committed.

    The stages that DVC starts there are preloaded, too.
    """
    fork = upstream(folder)
    fork = replace(fork, env=preloaded.first_on_path(fork.env))
    for sample in SAMPLE_FOLDERS:
        shutil.rmtree(fork.root / sample)
    bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROBLEMS / name / "problem", fork.root / "src/problem", ignore=bytecode)
    shutil.copytree(PROBLEMS / name / "data", fork.root / "data")
    edit_params(fork.root / "params.yaml", PROBLEMS / name / "params.yaml")
    fork.run("dvc", "add", "--quiet", "data")
    fork.run("dvc", "push", "--quiet", "data.dvc")
    fork.commit(f"Make it {name}")
    return fork


def edit_params(path: Path, changes: Path) -> None:
    """Merge the parameters of `changes` into `path`, with their comments."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 1000
    params = yaml.load(path)
    _merge(params, yaml.load(changes))
    yaml.dump(params, path)


def _merge(params: Any, changes: Any) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and key in params and key not in REPLACED_SECTIONS:
            _merge(params[key], value)
            continue
        params[key] = value
        if key in changes.ca.items:
            params.ca.items[key] = changes.ca.items[key]
