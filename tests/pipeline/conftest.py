"""A project with fast stand-ins for the stages; DVC, git and `slipway train` are real."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests import preloaded

ROOT = Path(__file__).parents[2]
SLIPWAY = [sys.executable, "-m", "slipway.cli"]
STAGE = """
import hashlib, json, pathlib, sys, time, yaml
stage, made, *read = [pathlib.Path(name) for name in sys.argv[1:]]
seed = next(line for line in open("params.yaml") if line.startswith("seed:")).encode()
files = [file for dep in read for file in ([dep] if dep.is_file() else sorted(dep.rglob("*"))) if file.is_file()]
digest = hashlib.sha256(seed + b"".join(file.read_bytes() for file in files)).hexdigest()
made.mkdir(parents=True)
for number in range(3):
    (made / f"{number}.txt").write_text(f"{digest} {number}\\n" * 5000)
metrics = pathlib.Path("metrics") / f"{stage}.json"
metrics.parent.mkdir(exist_ok=True)
gates = yaml.safe_load(open("params.yaml"))["gates"]
model = {gates["primary"]: gates["floor"]}
contents = {
    "prepare": {"rows": {"train": 1}},
    "train": {"made_of": digest},
    "export": {"made_of": digest, "parity": 0, "rows": 1},
    "evaluate": {"model": model},
}
metrics.write_text(json.dumps(contents[stage.name]))
"""
CHAIN = {"prepare": "build/prepared", "train": "build/trained", "export": "model", "evaluate": "build/evaluated"}
CAP_DAC_OVERRIDE = 1
PR_CAPBSET_DROP = 24


@dataclass
class Project:
    """A clone with a trained pipeline."""

    root: Path

    def run(self, *command: str, **variables: str) -> str:
        """Run a command in the project, assert that it succeeds, and return its output."""
        done = self.attempt(*command, **variables)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    def attempt(self, *command: str, unprivileged: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; `unprivileged` drops root's right to write anywhere."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment() | variables,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_drop_rights if unprivileged else None,
        )

    def train(self, *options: str, **variables: str) -> str:
        """Run `slipway train` and return its output."""
        return self.slipway("train", *options, **variables)

    def slipway(self, *command: str, **variables: str) -> str:
        """Run a slipway command, assert that it succeeds, and return what it prints on stdout and stderr."""
        done = preloaded.run(*command, cwd=self.root, env=environment() | variables)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refused(self, *command: str, unprivileged: bool = False, **variables: str) -> str:
        """Run a slipway command, assert that it fails with exit code 2, and return its one-line message."""
        if unprivileged:
            done = self.attempt(*SLIPWAY, *command, unprivileged=True, **variables)
        else:
            done = preloaded.run(*command, cwd=self.root, env=environment() | variables)
        assert 2 == done.returncode, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("slipway: ")]
        return line.removeprefix("slipway: ")

    def change(self, seed: int) -> None:
        """Change the seed, and so the outputs of the stages."""
        params = self.root / "params.yaml"
        params.write_text(re.sub(r"^seed: \d+", f"seed: {seed}", params.read_text(), flags=re.MULTILINE))

    def commit(self, message: str = "Change") -> str:
        """Commit everything, and return the commit."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def copy(self, target: Path) -> Project:
        """Return a copy of the project, including cache and outputs."""
        return Project(Path(shutil.copytree(self.root, target)))

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every output and metric, and of the content of dvc.lock in canonical order."""
        stages = yaml.safe_load((self.root / "dvc.yaml").read_text())["stages"].values()
        outs = [out for stage in stages for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
        names = ["data", *(out if isinstance(out, str) else next(iter(out)) for out in outs)]
        paths = [self.root / name for name in names]
        files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
        contents = {file.relative_to(self.root).as_posix(): file.read_bytes() for file in files}
        contents["dvc.lock"] = json.dumps(yaml.safe_load((self.root / "dvc.lock").read_text()), sort_keys=True).encode()
        return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}

    def objects(self, *suffixes: str, place: str = ".dvc/cache/files/md5") -> list[Path]:
        """Return objects in the cache or in another folder, with the given suffixes."""
        paths = sorted(path for path in (self.root / place).glob("??/*") if path.is_file())
        return [path for path in paths if path.suffix in (suffixes or (".dir", ""))]


def environment() -> dict[str, str]:
    """Return the environment of commands: this Python first, a git author, and no pull request."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    author = {f"GIT_{role}_{what}": "ada@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GIT_"))}
    return kept | author | {"PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _drop_rights() -> None:
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)


def poison(path: Path, mode: int = 0o444) -> None:
    """Change the content of an object, and restore the mode of DVC's trusted objects."""
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2") + b" ")
    path.chmod(mode)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Project:
    """Return the project after its first training, to be copied."""
    project = Project(tmp_path_factory.mktemp("trained") / "project")
    (project.root / "data").mkdir(parents=True)
    for number in range(3):
        (project.root / f"data/{number}.csv").write_text(f"{number}\n" * 1000)
    shutil.copytree(ROOT / ".dvc", project.root / ".dvc", ignore=lambda *_: ["cache", "tmp", "config.local"])
    for name in (".dvcignore", ".gitignore", "params.yaml"):
        shutil.copy(ROOT / name, project.root)
    (project.root / "stage.py").write_text(STAGE)
    (project.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": _stages()}))
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.run("dvc", "add", "--quiet", "data")
    project.run("dvc", "push", "--quiet")
    project.commit("Begin")
    project.train()
    project.commit("Train")
    return project


def _stages() -> dict[str, dict[str, object]]:
    stages, before = {}, ["data"]
    for name, made in CHAIN.items():
        stages[name] = {
            "params": ["seed"],
            "cmd": f"python stage.py {name} {made} {' '.join(before)}",
            "deps": ["stage.py", *before],
            "outs": [{made: {"push": False}}],
            "metrics": [{f"metrics/{name}.json": {"cache": False}}],
        }
        before = [made]
    return stages | {"data": {"cmd": "true", "deps": ["data"]}}  # as in dvc.yaml, a stage has the name of the data


@pytest.fixture
def project(trained, tmp_path) -> Project:
    return trained.copy(tmp_path / "project")
