"""Links of the chain that are computed from a release: its bytes, and what they were made of.

Each says what it found, or raises UserError with what differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway import yaml12
from slipway.delivery import release
from slipway.delivery.build import PARAMS
from slipway.delivery.chain.trace import NotChecked, blob_id, blob_of, differ
from slipway.delivery.dvc_files import ARTIFACT, LOCK, PIPELINE, RELEASED, blobs
from slipway.errors import UserError
from slipway.files import sha256

if TYPE_CHECKING:
    from slipway.delivery.chain.trace import Trace
    from slipway.delivery.release import Release

CODE = "bento/src"
REWRITTEN = "bentofile.yaml"  # by BentoML, with every default written out


def files(trace: Trace) -> str:
    """Any byte that differs, is missing, or is one too many."""
    return f"{len(trace.release.manifest['files'])} files are as sealed"


def digest(trace: Trace) -> str:
    """The manifest is the one that was published, and says so of itself."""
    trace.require_published()
    found, known = trace.whole, trace.published
    if found.commit != known.built_from:
        raise UserError(f"the manifest names commit {found.commit[:12]}, the tag {known.built_from[:12]}")
    return f"{found.digest} of commit {found.commit[:12]}"


def lock(trace: Trace) -> str:
    """What the release carries as evidence is what git has."""
    found = trace.whole
    recorded = dict.fromkeys([LOCK, *trace.dvc.metrics], trace.recorded)
    for name, tree in {**recorded, PARAMS: trace.source}.items():
        if blob_id(found.folder / name) != blob_of(tree, name):
            differ(name, "the release", "git")
    if sha256(found.folder / PARAMS) != found.manifest["inputs"]["params"]:
        differ(PARAMS, "the release", "its manifest")
    return f"{LOCK}, {PARAMS} and {len(recorded) - 1} files of metrics are equal"


def data(trace: Trace) -> str:
    """The data that came in is what the first stage read, and what the manifest names."""
    found, named = trace.whole.manifest["inputs"]["data"], trace.dvc.data
    if found != trace.dvc.data_version:
        raise UserError(f"the manifest says {found}, the commit {trace.dvc.data_version}")
    read = [dep for stage in trace.dvc.lock["stages"].values() for dep in stage.get("deps", []) if dep["path"] in named]
    if not read:
        raise NotChecked(f"no stage in {LOCK} reads {', '.join(named) or 'what DVC keeps'} as a whole", required=False)
    for dep in read:
        if dep["md5"] != named[dep["path"]]:
            raise UserError(f"{dep['path']}: {LOCK} says {dep['md5']}, the commit {named[dep['path']]}")
    return f"{found} in all three"


def model(trace: Trace) -> str:
    """The files are hashed as DVC does it; what `dvc artifacts get` would give are the same."""
    found = trace.whole
    md5, _ = blobs(found.folder / "model", without=release.RELEASE)
    said = {"the manifest": found.manifest["inputs"]["model"], LOCK: trace.dvc.outputs.get(trace.dvc.model.as_posix())}
    for where, other in said.items():
        if other != md5:
            raise UserError(f"model/ in the release is {md5}, {where} says {other}")
    if trace.dvc.embedded_store:
        _refuse_other_artifact(trace, found)
    return f"{md5} in all"


def code(trace: Trace) -> str:
    """What the service runs is what was reviewed, and the model that was trained."""
    found = trace.whole
    folder, own = found.folder / CODE, trace.dvc.model
    there = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    for name in [name for name in there if name.as_posix() != REWRITTEN]:
        if name.is_relative_to(own):
            expected = blob_id(found.folder / "model" / name.relative_to(own))
        else:
            expected = blob_of(trace.source, f"src/{name.as_posix()}") or blob_of(trace.source, name.as_posix())
        if blob_id(folder / name) != expected:
            differ(f"{CODE}/{name.as_posix()}", "the release", "the commit or the model")
    if not there:
        raise UserError(f"the release holds no {CODE}")
    return f"{len(there)} files in {CODE} are equal"


def _refuse_other_artifact(trace: Trace, found: Release) -> None:
    """`dvc.yaml` on deploy names plain files; they are the model, and the rest of it is that of the commit."""
    target = f"{RELEASED}/{trace.dvc.model.name}"
    expected, actual = trace.dvc.pipeline, yaml12.parse(trace.shown(trace.published.commit, PIPELINE))
    artifacts = {**expected["artifacts"], ARTIFACT: {**expected["artifacts"][ARTIFACT], "path": target}}
    if actual != {**expected, "artifacts": artifacts}:
        differ(PIPELINE, "the release commit", "the commit")
    model_ = found.folder / "model"
    own = {
        f"{target}/{file.relative_to(model_).as_posix()}": blob_id(file)
        for file in model_.rglob("*")
        if file.is_file() and file.name != release.RELEASE
    }
    there = {path: blob_of(trace.recorded, path) for path in trace.recorded if path.startswith(f"{RELEASED}/")}
    if own != there:
        differ(target, "the release commit", "the release")
