"""A project with the stages of ours, each of which runs in no time; DVC, git and `slipway train` are real."""

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

ROOT = Path(__file__).parents[2]
SLIPWAY = [sys.executable, "-m", "slipway.cli"]
STAGE = """
import hashlib, json, pathlib, sys, time, yaml
stage, made, *read = [pathlib.Path(name) for name in sys.argv[1:]]
seed = next(line for line in open("params.yaml") if line.startswith("seed:")).encode()
files = [file for one in read for file in ([one] if one.is_file() else sorted(one.rglob("*"))) if file.is_file()]
digest = hashlib.sha256(seed + b"".join(file.read_bytes() for file in files)).hexdigest()
made.mkdir(parents=True)
for number in range(3):
    (made / f"{number}.txt").write_text(f"{digest} {number}\\n" * 5000)
metrics = pathlib.Path("metrics") / f"{stage}.json"
metrics.parent.mkdir(exist_ok=True)
gates = yaml.safe_load(open("params.yaml"))["gates"]
model = {gates["primary"]: gates["floor"]}
metrics.write_text(json.dumps({"made_of": digest, "model": model, "parity": "0", "rows": 1}))
"""
CHAIN = {"prepare": "build/prepared", "train": "build/trained", "export": "model", "evaluate": "build/evaluated"}
WITHOUT_RIGHTS_OF_ROOT = 1  # CAP_DAC_OVERRIDE
DROP_FROM_BOUNDING_SET = 24  # PR_CAPBSET_DROP


@dataclass
class Project:
    """A clone in which the pipeline was run."""

    root: Path

    def run(self, *command: str, **variables: str) -> str:
        """Run a command here, and return what it prints. Fails when it does."""
        done = self.attempt(*command, **variables)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout

    def attempt(self, *command: str, mortal: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command here, as `mortal` without root's right to write anywhere."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment() | variables,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_drop_rights if mortal else None,
        )

    def train(self, *options: str, **variables: str) -> str:
        """`slipway train`."""
        return self.run(*SLIPWAY, "train", *options, **variables)

    def refused(self, *command: str, mortal: bool = False, **variables: str) -> str:
        """The one line with which a verb of slipway refuses."""
        done = self.attempt(*SLIPWAY, *command, mortal=mortal, **variables)
        assert 2 == done.returncode, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("slipway: ")]
        return line.removeprefix("slipway: ")

    def change(self, seed: int) -> None:
        """Change the seed, on which what is trained depends."""
        params = self.root / "params.yaml"
        params.write_text(re.sub(r"^seed: \d+", f"seed: {seed}", params.read_text(), flags=re.MULTILINE))

    def commit(self, message: str = "Change") -> str:
        """Commit everything, and return the commit."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def copy(self, target: Path) -> Project:
        """A copy of all of it, cache and outputs too."""
        return Project(Path(shutil.copytree(self.root, target)))

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every output, metrics among them, and of what dvc.lock says, in whichever order."""
        stages = yaml.safe_load((self.root / "dvc.yaml").read_text())["stages"].values()
        outs = [out for stage in stages for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
        places = [
            self.root / name for name in ["data", *(one if isinstance(one, str) else next(iter(one)) for one in outs)]
        ]
        files = [
            file for place in places for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()
        ]
        found = {file.relative_to(self.root).as_posix(): file.read_bytes() for file in files}
        found["dvc.lock"] = json.dumps(yaml.safe_load((self.root / "dvc.lock").read_text()), sort_keys=True).encode()
        return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}

    def objects(self, *suffixes: str, place: str = ".dvc/cache/files/md5") -> list[Path]:
        """Objects in the cache or in another place, folders' lists apart from files."""
        found = sorted(path for path in (self.root / place).glob("??/*") if path.is_file())
        return [path for path in found if path.suffix in (suffixes or (".dir", ""))]


def environment() -> dict[str, str]:
    """Of every command: this Python first, an author for git, and no pull request around."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    author = {f"GIT_{role}_{what}": "ada@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GIT_"))}
    return kept | author | {"PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _drop_rights() -> None:
    ctypes.CDLL(None).prctl(DROP_FROM_BOUNDING_SET, WITHOUT_RIGHTS_OF_ROOT)


def poison(path: Path, mode: int = 0o444) -> None:
    """Change the content of an object, and leave the mode that DVC gives to what it believes."""
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2") + b" ")
    path.chmod(mode)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Project:
    """The project after its first training; to be copied."""
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


def _stages() -> dict[str, dict]:
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
    return stages | {"data": {"cmd": "true", "deps": ["data"]}}  # as ours: a stage has the name of the data


@pytest.fixture
def project(trained, tmp_path) -> Project:
    return trained.copy(tmp_path / "project")
