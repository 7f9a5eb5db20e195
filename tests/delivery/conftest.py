"""A project with an `origin`, and releases whose service is a few lines: everything else is real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from slipway.agent import processes, supervision
from slipway.agent.agent import Agent, prefix
from slipway.agent.follower import Follower
from slipway.agent.runtime import PROCESSES, Runtime
from slipway.deployment import promotion
from slipway.dvc.files import blobs, md5_of
from slipway.environment import client
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.desired_state import DesiredState
from slipway.environment.environment import Environment
from slipway.environment.place import ENVIRONMENTS, Place
from slipway.files import sha256
from slipway.git import Git
from slipway.local import push_rule
from slipway.release import manifest, publish
from slipway.release.signing import attestation, keys
from slipway.release.store.folder import FolderStore
from slipway.serving.explanations import BACKGROUND
from slipway.settings.operation import AgentSection, CanarySection
from tests import params, preloaded, release_manifest

TOOLS_LOCKS = Path(__file__).parent / "kubernetes"
TOOLS_CACHE = Path(__file__).parents[2] / "build" / "kubernetes"  # not in git
TIMEOUT_SECONDS = 20  # for every condition that a test waits for
HEALTH = {"health_seconds": 2, "health_failures": 3, "rehash_seconds": 300}
AGENT = {"poll_seconds": 0.1, "ready_seconds": 10, "drain_seconds": 0.3, "promote_seconds": 20, **HEALTH}
CANARY = {
    "steps": [25, 50],
    "step_seconds": 0.2,
    "minimum_requests": 60,
    "interval_seconds": 0.1,
    "window_requests": 6,
    "hold_seconds": 8,
    "false_alarms": 0.01,
    "latency_margin": 0.5,
    "prediction_shift": 0.2,
    "synthetic_rate": 200,
    "shadow_percent": 0,
}
CANARY_SECTION = CanarySection.model_validate(CANARY)
SETTINGS = AgentSection.model_validate(AGENT | {"ready_seconds": 3})
SERVICE = """
import http.server, json, pathlib, sys, threading, time
folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
release = json.loads((folder / "model/release.json").read_text())
kind = (folder / "kind").read_text()
if kind == "bare":
    import tiny_trees.forest
if kind == "crash":
    sys.exit("this release cannot start")
column = "y" if kind == "renamed" else "x"
lock, asked, bins = threading.Lock(), 0, {5: 0, 10: 0, 1000: 0}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/metrics" and kind != "mute":
            return self.send(200, metrics().encode())
        self.answer(503 if self.path == "/readyz" and kind == "deaf" else 200, release)
    def do_POST(self):
        global asked
        rows = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rows = rows if isinstance(rows, list) else [rows]
        if any(row.keys() != {column} for row in rows):
            return self.answer(422, {"error": f"send {column} only"})
        predictions = [row[column] * 2 * (100 if kind == "other" else 1) for row in rows]
        with lock:
            asked += 1
            fails = kind == "failing" and asked % 4 == 0
            for bound in bins:
                bins[bound] += sum(prediction <= bound for prediction in predictions) * (not fails)
        time.sleep(0.1 if kind == "slow" else 0)
        self.answer(500 if fails else 200, {"release": release["version"], "predictions": predictions})
    def answer(self, status, content):
        self.send(status, json.dumps(content).encode())
    def send(self, status, body):
        head = f"HTTP/1.1 {status} it\\r\\ncontent-length: {len(body)}\\r\\n\\r\\n"
        self.wfile.write(head.encode() + body)
    def log_message(self, *_):
        pass
def metrics():
    buckets = {**bins, "+Inf": bins[1000]}
    lines = [f'slipway_prediction_bucket{{le="{bound}"}} {count}' for bound, count in buckets.items()]
    count = "NaN" if kind == "nan" else bins[1000]
    return "\\n".join(["# TYPE slipway_prediction histogram", *lines, f"slipway_prediction_count {count}", ""])
http.server.ThreadingHTTPServer.request_queue_size = 1024
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
TRUST = (keys.SIGNING_KEY, keys.TRUSTED_KEYS, attestation.REQUIRED)
COMMAND = ["{python}", "{release}/service.py", "{release}", "{port}"]
DATA = f"{'d' * 32}.dir"
WORKFLOW = ".github/workflows/deploy.yaml"
NO_PACKAGES = 'lock-version = "1.0"\ncreated-by = "test"\npackages = []\n'


def contract(column: str) -> dict:
    """Return the OpenAPI document of a service whose rows have one number."""
    row = {"properties": {column: {"type": "number"}}, "required": [column]}
    return {"components": {"schemas": {"Row": row}}}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@dataclass
class Project:
    """A clone, its origin, a store, and the agents' home."""

    root: Path
    origin: Path
    store: FolderStore

    @property
    def branch(self) -> DeployBranch:
        branch = DeployBranch(Git(self.root))
        branch.fetch()
        return branch

    def environment(self, name: str = "staging") -> Environment:
        """Return the handle of an environment, whose branch has not been fetched."""
        return Environment(name, self.root)

    def desired_state(self, name: str = "staging") -> DesiredState:
        """Return the desired state of an environment on the branch as it is now."""
        return DesiredState(self.branch, name)

    def git(self, *arguments: str) -> str:
        """Run git in the clone."""
        return git(self.root, *arguments)

    def commit(self, name: str = "change.txt") -> str:
        """Commit a change of `name` and of a workflow on main, and return the commit."""
        for changed in (self.root / name, self.root / WORKFLOW):
            changed.parent.mkdir(parents=True, exist_ok=True)
            with changed.open("a") as file:
                file.write("# changed\n")
        git(self.root, "add", "-A")
        git(self.root, "commit", "--quiet", "--message", f"Change {name}")
        git(self.root, "push", "--quiet", "origin", "HEAD:main")
        return git(self.root, "rev-parse", "HEAD")

    def build(self, version: str, kind: str = "good", requirements: str = NO_PACKAGES) -> Path:
        """Make a release of the newest commit whose service is of this kind.

        That is good, crash (at start), deaf (never ready), failing, slow, other (predictions), mute or nan (metrics),
        renamed (its column), or bare (lacks a package).
        """
        folder = self.root.parent / "built" / version
        commit = git(self.root, "rev-parse", "HEAD")
        shutil.copytree(self.root / "model", folder / "model")
        shutil.copytree(self.root / "src", folder / "bento/src")
        manifest.write(folder / "model/release.json", {"version": version, "commit": commit, "files": {}})
        manifest.write(
            folder / "smoke.json", {"tolerance": 1e-6, "rows": [{"x": 1}, {"x": 2.5}], "predictions": [2, 5.0]}
        )
        shutil.copytree(folder / "model", folder / "bento/src/model")
        if (self.root / BACKGROUND).is_file():
            (folder / "bento/src" / BACKGROUND).parent.mkdir()
            shutil.copy(self.root / BACKGROUND, folder / "bento/src" / BACKGROUND)
        for name in ("dvc.lock", "params.yaml"):
            shutil.copy(self.root / name, folder)
        shutil.copytree(self.root / "metrics", folder / "metrics")
        for name, text in {
            "service.py": SERVICE,
            "kind": kind,
            "pylock.toml": requirements,
            "sbom.cdx.json": "{}",
            "openapi.json": json.dumps(contract("y" if kind == "renamed" else "x")),
            "bento/bento.yaml": f"version: {version}\n",
        }.items():
            (folder / name).write_text(text)
        inputs = {
            "data": DATA,
            "model": blobs(self.root / "model")[0],
            "params": sha256(folder / "params.yaml"),
            "requirements": sha256(folder / "pylock.toml"),
        }
        facts = release_manifest.manifest(
            version,
            commit=commit,
            inputs=inputs,
            metrics={"evaluate": {"model": {"roc_auc": 0.7}}},
            service={"command": COMMAND, "environment": {}},
            build={"python": f"{sys.version_info.major}.{sys.version_info.minor}"},
        )
        manifest.seal(folder, facts)
        return folder

    def publish(self, version: str, kind: str = "good", requirements: str = NO_PACKAGES) -> manifest.Release:
        """Commit, build and publish."""
        self.commit()
        return publish.publish(self.root, self.build(version, kind, requirements), self.store)

    def promote(self, version: str, environment: str = "staging", canary=None):
        """Change the desired state, without waiting."""
        settings = None if canary is None else CanarySection.model_construct(**canary)
        return promotion.promote(self.desired_state(environment), version, self.store, canary=settings)


@pytest.fixture
def project(tmp_path, monkeypatch):
    settle(tmp_path, monkeypatch)
    project = create(tmp_path)
    monkeypatch.chdir(project.root)
    return project


def add_background(root: Path) -> None:
    """Write the background rows of explanations, as an output of the pipeline."""
    (root / BACKGROUND).parent.mkdir()
    (root / BACKGROUND).write_text("rows")
    (root / ".gitignore").write_text((root / ".gitignore").read_text() + "/build\n")
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    lock["stages"]["all"]["outs"].append({"path": BACKGROUND, "md5": md5_of(root / BACKGROUND)})
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything of the machine be in `folder`, and nothing of it come from elsewhere."""
    for name in ("STAGING_URL", "PRODUCTION_URL", "GITHUB_ACTOR", "GITHUB_OUTPUT", *TRUST):
        monkeypatch.delenv(name, raising=False)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    monkeypatch.setenv("SLIPWAY_HOME", str(folder / "home"))
    monkeypatch.setenv("SLIPWAY_STORE", (folder / "store").as_uri())


def create(folder: Path) -> Project:
    """Make the clone and its origin in `folder`, which may be copied."""
    root, origin = folder / "project", folder / "origin.git"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "--template=", str(origin))
    push_rule.install(origin)
    git(folder, "init", "--quiet", "--initial-branch=main", "--template=", str(root))
    git(root, "remote", "add", "origin", str(origin))
    _fill(root)
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "--message", "Begin")
    git(root, "push", "--quiet", "origin", "HEAD:main")
    return Project(root, origin, FolderStore(folder / "store"))


def _fill(root: Path) -> None:
    """Write the pipeline's files, as far as delivery reads them."""
    files = {
        ".gitignore": "/data\n/model\n/results\n",
        ".dvc/config": "[core]\n    remote = embedded\n['remote \"embedded\"']\n    url = ../.dvcstore\n",
        "data.dvc": yaml.safe_dump({"outs": [{"path": "data", "md5": DATA}]}),
        "model/model.onnx": "a model",
        "model/signature.json": "{}",
        "metrics/evaluate.json": '{"model": {"roc_auc": 0.7}}',
        "src/app.py": "the service",
        "uv.lock": "version = 1\n",
        WORKFLOW: "name: deploy\n",
        ".github/workflows/nested/other.yaml": "name: other\n",
        "params.yaml": params.text({"agent": AGENT, "canary": CANARY, "loadtest": {"hosts": []}, "seed": 1}),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    stages = {"evaluate": {"metrics": [{"metrics/evaluate.json": {"cache": False}}]}}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages, "artifacts": {"model": {"path": "model"}}}))
    outs = [{"path": "model", "md5": blobs(root / "model")[0]}, {"path": "metrics/evaluate.json", "md5": "1"}]
    stage = {"deps": [{"path": "data", "md5": DATA}], "outs": outs}
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"all": stage}}))


class Crew:
    """An agent in this process that is reconciled manually; its services and its gateway are real."""

    def __init__(
        self,
        project: Project,
        runtime: Runtime = PROCESSES,
        settings: AgentSection = SETTINGS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.project, self.runtime, self.settings = project, runtime, settings
        self.timeout_seconds = timeout_seconds
        self.place = Place.of("staging")
        self.agent = self.replace()

    def replace(self) -> Agent:
        """Replace the agent by a successor, as after a crash."""
        follower = Follower(self.place.mirror, str(self.project.origin), "staging")
        self.agent = Agent(
            self.place, follower, self.project.store, self.settings, CANARY_SECTION, runtime=self.runtime
        )
        return self.agent

    def settle(self) -> None:
        """Poll, and reconcile until the environment has converged."""
        self.agent.follower.poll()
        self.until(self.agent.reconcile)

    def until(self, condition) -> float:
        """Reconcile until `condition()` holds; return the seconds it took."""
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < self.timeout_seconds, self.agent.state.model_dump_json(indent=1)
            self.agent.reconcile()
            time.sleep(0.03)
        return time.monotonic() - start

    @property
    def serves(self) -> str | None:
        """Version that the gateway reports."""
        return getattr(client.get_release(self.agent.url), "version", None)

    @property
    def running(self) -> dict[int, str]:
        """Processes of this environment."""
        return processes.tagged(prefix(self.place))

    @property
    def events(self) -> list[str]:
        return [event.text for event in self.agent.state.events]


@pytest.fixture
def slipway(project):
    """Run the command line in a separate process; stop its agents after the test."""

    def run(*arguments: str, expected: int = 0) -> str:
        done = preloaded.run(*arguments, cwd=project.root, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        assert expected == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield run
    for name in ENVIRONMENTS:
        supervision.stop(Place.of(name), timeout_seconds=3)


@pytest.fixture
def crew(project):
    crew = Crew(project)
    yield crew
    supervision.stop(crew.place, timeout_seconds=3)
    assert {} == crew.running


@pytest.fixture(scope="session")
def tools() -> Path:
    """Folder with the programs of `kubernetes/requirements.txt`, which is installed again after a change of it."""
    lock, cached = TOOLS_LOCKS / "requirements.txt", TOOLS_CACHE / "requirements.txt"
    if not cached.exists() or cached.read_bytes() != lock.read_bytes():
        uv = str(Path(sys.executable).with_name("uv"))
        cached.unlink(missing_ok=True)
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, TOOLS_CACHE / "env"], check=True)
        python = TOOLS_CACHE / "env/bin/python"
        subprocess.run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock], check=True)
        shutil.copy(lock, cached)
    return TOOLS_CACHE / "env/bin"
