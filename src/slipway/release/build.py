"""`slipway release build`: a reproducible build of a release from a commit and its trained model."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from slipway import results
from slipway.dvc.files import LOCK, DvcFiles, blobs, md5_of
from slipway.environment import versions
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.release_facts import ReleaseFacts
from slipway.errors import (
    ArgumentError,
    DigestMismatchError,
    MissingFileError,
    ToolError,
    WorkTreeError,
    restore_command,
)
from slipway.files import disk, sha256
from slipway.gates.comparison_evidence import Released
from slipway.git import Git
from slipway.release import cards, champion, manifest, trial
from slipway.release.manifest import Build, Inputs, Manifest, Release, Service
from slipway.release.scratch import scratch
from slipway.release.signing import keys
from slipway.release.store.files import extract, replace
from slipway.report import markdown
from slipway.report import release as release_report
from slipway.serving.explanations import BACKGROUND
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.release.store import Store

SERVE_GROUPS = {"onnx": ["serve"], "skops": ["serve", "serve-skops", "problem"]}
"""Dependency groups of pyproject.toml that a release installs, by model format. skops imports the model's classes."""
PARAMS = "params.yaml"
IMAGE_REQUIREMENTS = "build/requirements.txt"  # the path in bentofile.yaml
TOOLS = ("bentoml", "cyclonedx-python-lib", "dvc", "onnxruntime", "scikit-learn", "slipway", "uv")
CHAMPION_KEYS = {"version", "digest", "commit"}
SMOKE_ROWS = 20
TOLERANCE = 1e-6  # max relative difference between a served prediction and the one recorded in the build
SERVICE = Service(
    command=["{python}", "-P", f"{{release}}/bento/{manifest.ENTRY_POINT}", "--host", "127.0.0.1", "--port", "{port}"],
    environment={"PYTHONPATH": "{release}/bento/src", "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{scratch}"},
)


@dataclass(frozen=True)
class Source:
    """The inputs of a release: a commit and the outputs of its pipeline."""

    root: Path
    git: Git
    commit: str
    committed: str
    dvc: DvcFiles

    @classmethod
    def read(cls, root: Path) -> Source:
        """Read the checked-out commit and the outputs of its pipeline.

        Raises UserError when a file was edited since the commit or when the model differs from `dvc.lock`.
        """
        git = Git(root)
        dvc = DvcFiles.read(root)
        head = git.read_commit("HEAD")
        source = cls(root, git, head.id, head.committed.isoformat(), dvc)
        source.refuse_edits()
        source.refuse_changed_model()
        source.refuse_changed_background()
        return source

    def refuse_edits(self) -> None:
        """Raise UserError when a file that the pipeline does not write differs from the commit in the manifest."""
        written = {LOCK, *self.dvc.outputs}
        edited = {path: state for path, state in self.git.edited(untracked=False).items() if path not in written}
        for path, state in edited.items():
            remedy = f"`git rm --cached {path}`" if state.startswith("A") else restore_command(path)
            raise WorkTreeError(f"{path}: edited since commit {self.commit[:12]}; commit it, or {remedy}")

    def refuse_changed_model(self) -> None:
        """Raise UserError when the model on disk is not the one in `dvc.lock`."""
        model = self.dvc.model
        expected = self.dvc.outputs.get(model.as_posix())
        actual, _ = blobs(self.root / model)
        if actual != expected:
            raise DigestMismatchError(f"{model}: MD5 is {actual}, expected {expected} from {LOCK}; run `slipway train`")

    def refuse_changed_background(self) -> None:
        """Raise UserError when the background rows on disk are not those in `dvc.lock`."""
        expected, file = self.background, self.root / BACKGROUND
        if expected and not file.is_file():
            raise MissingFileError(f"{BACKGROUND}: not found; run `slipway train`")
        if expected and md5_of(file) != expected:
            raise DigestMismatchError(
                f"{BACKGROUND}: MD5 is {md5_of(file)}, expected {expected} from {LOCK}; run `slipway train`"
            )

    @property
    def background(self) -> str | None:
        """Return the MD5 of the background rows, or None for a pipeline without them, which explains no prediction."""
        return self.dvc.outputs.get(BACKGROUND)


def build(root: Path, output: Path, report: Path | None = None) -> Release:
    """Build the release of the commit checked out in `root`, write it to the folder `output` and return it.

    An existing folder is replaced. `report` is a Markdown file to include; by default the report is written from the
    manifest. Raises UserError.
    """
    source = Source.read(root)
    version, previous = _version(source)
    with scratch("build") as temporary:
        folder, context = temporary / "release", temporary / "context"
        _model(source, version, folder / "model")
        _context(source, folder, context)
        _requirements(context, folder)
        _bento(source, version, folder, context)
        _smoke(source, folder)
        _contract(source, version, folder)
        _evidence(source, folder)
        facts = _facts(source, version, previous, folder)
        _sbom(facts, folder)
        cards.write(source.root, source.dvc.prepared, folder, facts)
        _report(facts, folder, report)
        release = manifest.seal(folder, facts)
        trial.require_start(
            release,
            temporary / "trial",
            read_settings(source.root / PARAMS).agent.ready_seconds,
            installs_problem="problem" in SERVE_GROUPS[_format(folder)],
        )
        return replace(output, lambda target: shutil.copytree(folder, target))


def fetch_published(root: Path, output: Path, store: Callable[[], Store]) -> Release | None:
    """Fetch the published release of the checked-out commit into `output`; return None when there is none.

    A release is never built twice, because a model trained on another machine may differ in its last digits. Raises
    UserError.
    """
    git = Git(root)
    branch = DeployBranch(git)
    branch.fetch()
    version = branch.version_of(git.read_commit("HEAD").id)
    if version is None or version not in store().versions():
        return None
    published = branch.published(version)
    return replace(output, lambda folder: champion.fetch_published(published, folder, store()))


def _version(source: Source) -> tuple[str, str | None]:
    """Return the version of the commit, which keeps one that it already has, and the version before it."""
    branch = DeployBranch(source.git)
    branch.fetch()
    registered = branch.versions()
    version = branch.version_of(source.commit) or versions.next_version(registered)
    older = [name for name in registered if versions.order(name) < versions.order(version)]
    return version, max(older, key=versions.order, default=None)


def _model(source: Source, version: str, target: Path) -> None:
    shutil.copytree(source.root / source.dvc.model, target)
    files = {file.relative_to(target).as_posix(): sha256(file) for file in sorted(target.rglob("*")) if file.is_file()}
    facts = ReleaseFacts(version=version, commit=source.commit, built=source.committed, **_inputs(source), files=files)
    manifest.write(target / manifest.RELEASE, facts.model_dump())


def _inputs(source: Source) -> dict[str, str]:
    return {"data": source.dvc.data_version, "model": source.dvc.outputs[source.dvc.model.as_posix()]}


def _context(source: Source, folder: Path, context: Path) -> None:
    """Fill the build context with the files of the commit, not of the work tree, the model and its background rows."""
    with tarfile.open(fileobj=io.BytesIO(source.git.archive(source.commit))) as tar:
        extract(tar, context)
    shutil.copytree(folder / "model", context / source.dvc.model, dirs_exist_ok=True)
    if source.background:
        (context / BACKGROUND).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.root / BACKGROUND, context / BACKGROUND)


def _bento(source: Source, version: str, folder: Path, context: Path) -> None:
    bentos = context.parent / "bentoml"
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--version", version, "--output", "tag", "."],
        cwd=context,
        env={**_environment(), "PYTHONPATH": str(context / "src"), "BENTOML_HOME": str(bentos)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        raise ToolError(disk.explain_output(lines) or f"bentofile.yaml: `bentoml build` failed: {lines[-1]}")
    (bento,) = [file.parent for file in bentos.glob("bentos/*/*/bento.yaml")]
    shutil.copytree(bento, folder / "bento", ignore=shutil.ignore_patterns("__pycache__"))
    _fix_time(folder / "bento" / "bento.yaml", source.committed)


def _fix_time(path: Path, time: str) -> None:
    """Set the creation time, the only value in a Bento that differs between two builds.

    BentoML reads and writes this file with PyYAML, so PyYAML is used here too.
    """
    facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**facts, "creation_time": time}, sort_keys=False), encoding="utf-8")


def _requirements(context: Path, folder: Path) -> None:
    """Lock the dependencies of the service, in one file for the agent and in another for an image of the Bento.

    The agent installs `pylock.toml`, whose URLs let uv install from its cache alone; pip installs `requirements.txt`.
    """
    groups = [flag for group in SERVE_GROUPS[_format(folder)] for flag in ("--only-group", group)]
    for target, kind in ((folder / manifest.LOCKED, "pylock.toml"), (context / IMAGE_REQUIREMENTS, "requirements.txt")):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_uv_export(context, "--format", kind, *groups), encoding="utf-8")


def _format(folder: Path) -> str:
    """Return the format of the model of a release."""
    model_format: str = json.loads((folder / "model" / "signature.json").read_text(encoding="utf-8"))["format"]
    return model_format


def _uv_export(context: Path, *flags: str) -> str:
    done = subprocess.run(
        ["uv", "export", "--frozen", "--no-emit-project", "--quiet", "--no-header", *flags],
        cwd=context,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(f"uv.lock: `uv export` failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Return the environment of a build tool: this Python's folder, with uv, first on PATH, and no signing key."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    inherited = {name: value for name, value in os.environ.items() if name != keys.SIGNING_KEY}
    return {**inherited, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "BENTOML_DO_NOT_TRACK": "True"}


def _smoke(source: Source, folder: Path) -> None:
    """Write the smoke test: rows of the test set with the predictions of this model."""
    from slipway import predictor
    from slipway.schema.payloads import read_payloads

    seed = read_settings(source.root / PARAMS).seed
    bodies = read_payloads(source.root / source.dvc.prepared / "test.parquet", SMOKE_ROWS, seed)
    rows = [json.loads(body) for body in bodies]
    model = predictor.load(folder / "model")
    scores = model.predict({name: [row[name] for row in rows] for name in rows[0]})
    predictions = [_prediction(model.signature, score) for score in scores.tolist()]
    smoke_test = manifest.SmokeTest(tolerance=TOLERANCE, rows=rows, predictions=predictions)
    manifest.write(folder / manifest.SMOKE, smoke_test.model_dump())


def _contract(source: Source, version: str, folder: Path) -> None:
    """Write the OpenAPI document of the service, by which other releases name what clients have to change."""
    import problem
    from slipway.serving.pages import openapi

    max_rows = read_settings(source.root / PARAMS).serving.max_rows
    explained = source.background is not None
    document = openapi(problem.Row, problem.TASK, problem.TARGET, version, max_rows, explained)
    manifest.write(folder / manifest.OPENAPI, document)


def _prediction(signature: dict[str, Any], score: Any) -> Any:
    """Return a prediction in the form of the service's response: of a multiclass model, probabilities by class."""
    if not isinstance(score, list):
        return score
    return dict(zip(map(str, signature["classes"]), score, strict=True))


def _evidence(source: Source, folder: Path) -> None:
    for name in [LOCK, PARAMS, *source.dvc.metrics]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.root / name, folder / name)


def _sbom(facts: Manifest, folder: Path) -> None:
    from slipway.release import sbom

    files = json.loads((folder / "model" / manifest.RELEASE).read_text(encoding="utf-8"))["files"]
    text = sbom.render(facts, files, (folder / manifest.LOCKED).read_text(encoding="utf-8"))
    (folder / manifest.SBOM).write_text(text, encoding="utf-8")


def _report(facts: Manifest, folder: Path, report: Path | None) -> None:
    if report is None:
        text = markdown.render(release_report.write(facts))
    elif report.is_file():
        text = report.read_text(encoding="utf-8")
    else:
        raise ArgumentError(f"--report {report}: file not found; run `slipway report`")
    (folder / manifest.REPORT).write_text(text, encoding="utf-8")


def _champion(source: Source) -> Released | None:
    """Return the release that results/compare.json compared this model with; None without such a comparison."""
    compared = results.comparison_of(source.dvc.outputs[source.dvc.model.as_posix()], source.root)
    champion = compared[1].champion if compared else None
    return None if champion is None else Released.model_validate(champion.model_dump(include=CHAMPION_KEYS))


def _facts(source: Source, version: str, previous: str | None, folder: Path) -> Manifest:
    metrics = {
        Path(name).stem: json.loads((source.root / name).read_text(encoding="utf-8")) for name in source.dvc.metrics
    }
    hashes = {"params": sha256(folder / PARAMS), "requirements": sha256(folder / manifest.LOCKED)}
    return Manifest(
        version=version,
        commit=source.commit,
        built=source.committed,
        previous=previous,
        inputs=Inputs(**_inputs(source), **hashes),
        metrics=metrics,
        champion=_champion(source),
        report=manifest.REPORT,
        sbom=manifest.SBOM,
        service=SERVICE,
        build=Build(python=f"{sys.version_info.major}.{sys.version_info.minor}", **_tools()),
    )


def _tools() -> dict[str, str]:
    """Return the versions of the tools that made the model and the release, which uv.lock pins."""
    from importlib.metadata import version

    return {name: version(name) for name in TOOLS}
