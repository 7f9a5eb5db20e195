"""Links of the chain that are computed from a release: the hashes of its files and of its inputs.

Each returns the detail of a link that holds, or raises UserError with the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.dvc.files import ARTIFACT, LOCK, PIPELINE, RELEASED, blobs, md5_of, parse_pipeline
from slipway.errors import RejectedError
from slipway.files import sha256
from slipway.release import manifest
from slipway.release.build import PARAMS
from slipway.supply_chain.trace import NotChecked, blob_id, blob_of, raise_difference

if TYPE_CHECKING:
    from slipway.release.manifest import Release
    from slipway.supply_chain.trace import Trace

CODE = "bento/src"
REWRITTEN = "bentofile.yaml"  # BentoML rewrites it with every default


def files(trace: Trace) -> str:
    """Check every file against the manifest: no difference, none missing, none unexpected."""
    return f"all {len(trace.release.manifest.files)} files match"


def digest(trace: Trace) -> str:
    """Check that the manifest is the published one and names the same commit as the tag."""
    trace.require_published()
    fetched, published = trace.fetched, trace.published
    if fetched.commit != published.built_from:
        raise RejectedError(
            f"the manifest names commit {fetched.commit[:12]}, the tag names commit {published.built_from[:12]}"
        )
    return f"{fetched.digest} of commit {fetched.commit[:12]}"


def lock(trace: Trace) -> str:
    """Check that the lock file, parameters and metrics in the release are those in git."""
    fetched = trace.fetched
    recorded = dict.fromkeys([LOCK, *trace.dvc.metrics], trace.recorded)
    for name, tree in {**recorded, PARAMS: trace.source}.items():
        if blob_id(fetched.folder / name) != blob_of(tree, name):
            raise_difference(name, "the release", "git")
    if sha256(fetched.folder / PARAMS) != fetched.manifest.inputs.params:
        raise_difference(PARAMS, "the release", "its manifest")
    return f"{LOCK}, {PARAMS} and {len(recorded) - 1} files of metrics are equal"


def data(trace: Trace) -> str:
    """Check that the tracked data is the data that the stages read and that the manifest names."""
    recorded, tracked = trace.fetched.manifest.inputs.data, trace.dvc.data
    if recorded != trace.dvc.data_version:
        raise RejectedError(f"the manifest names {recorded}, the commit names {trace.dvc.data_version}")
    inputs = [dep for stage in trace.dvc.lock.stages.values() for dep in stage.deps if dep.path in tracked]
    if not inputs:
        names = ", ".join(tracked) or "the data tracked by DVC"
        raise NotChecked(f"no stage in {LOCK} reads {names} as a whole", required=False)
    for dep in inputs:
        if dep.md5 != tracked[dep.path]:
            raise RejectedError(f"{dep.path}: {LOCK} names {dep.md5}, the commit names {tracked[dep.path]}")
    return f"{recorded} in all three"


def model(trace: Trace) -> str:
    """Check DVC's hash of the model, and that `dvc artifacts get` would return the same files."""
    fetched = trace.fetched
    md5, _ = blobs(fetched.folder / "model", without=manifest.RELEASE)
    expected = {
        "the manifest": fetched.manifest.inputs.model,
        LOCK: trace.dvc.outputs.get(trace.dvc.model.as_posix()),
    }
    for source, other in expected.items():
        if other != md5:
            raise RejectedError(f"model/ in the release is {md5}, {source} names {other}")
    if trace.dvc.embedded_store:
        _check_artifact(trace, fetched)
    return f"{md5} in all"


def code(trace: Trace) -> str:
    """Check that the files of the service are those of the commit, of the trained model, or outputs in `dvc.lock`."""
    fetched = trace.fetched
    folder, model_path = fetched.folder / CODE, trace.dvc.model
    names = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    for name in [name for name in names if name.as_posix() != REWRITTEN]:
        if expected_md5 := trace.dvc.outputs.get(name.as_posix()):
            if md5_of(folder / name) != expected_md5:
                raise_difference(f"{CODE}/{name.as_posix()}", "the release", LOCK)
            continue
        if name.is_relative_to(model_path):
            expected: str | None = blob_id(fetched.folder / "model" / name.relative_to(model_path))
        else:
            expected = blob_of(trace.source, f"src/{name.as_posix()}") or blob_of(trace.source, name.as_posix())
        if blob_id(folder / name) != expected:
            raise_difference(f"{CODE}/{name.as_posix()}", "the release", "the commit or the model")
    if not names:
        raise RejectedError(f"the release contains no {CODE}")
    return f"{len(names)} files in {CODE} are equal"


def _check_artifact(trace: Trace, fetched: Release) -> None:
    """Check that `dvc.yaml` on deploy differs only in the artifact's path, and that the files there are the model."""
    target = f"{RELEASED}/{trace.dvc.model.name}"
    expected, actual = trace.dvc.pipeline, parse_pipeline(trace.read(trace.published.commit, PIPELINE).decode())
    artifacts = {**expected.artifacts, ARTIFACT: expected.artifacts[ARTIFACT].model_copy(update={"path": target})}
    if actual != expected.model_copy(update={"artifacts": artifacts}):
        raise_difference(PIPELINE, "the release commit", "the commit")
    folder = fetched.folder / "model"
    blob_ids = {
        f"{target}/{file.relative_to(folder).as_posix()}": blob_id(file)
        for file in folder.rglob("*")
        if file.is_file() and file.name != manifest.RELEASE
    }
    recorded = {path: blob_of(trace.recorded, path) for path in trace.recorded if path.startswith(f"{RELEASED}/")}
    if blob_ids != recorded:
        raise_difference(target, "the release commit", "the release")
