"""Publication of a release: its commit and tag on the branch `deploy`, and its files in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.dvc import remote
from slipway.dvc.files import LOCK, PIPELINE, DvcFiles, as_plain_files, blobs, digest_of
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.spec import FOLDER
from slipway.errors import DigestMismatchError, MissingFileError
from slipway.git import Git
from slipway.release import manifest
from slipway.report.release import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slipway.release.manifest import Release
    from slipway.release.store import Store


def publish(root: Path, folder: Path, store: Store, evidence: Sequence[Path] = ()) -> Release:
    """Register the release in `folder` on `deploy` and put it into `store` with its `evidence` files.

    A repeated call completes what is missing. The push comes first, because only one process can win it: the tag
    reserves the version. Raises UserError when the version belongs to another release.
    """
    built = manifest.verify(folder)
    branch = DeployBranch(Git(root))
    branch.fetch()
    if built.version not in branch.versions():
        _register(branch, DvcFiles.read(root), built)
    elif branch.published(built.version).digest != built.digest:
        published = branch.published(built.version)
        raise DigestMismatchError(
            f"{folder}: {built.version} has digest {built.digest}, but was published as {published.digest} from commit"
            f" {published.built_from[:12]}; a version is never built twice: run `slipway release build` on a new commit"
        )
    store.put(folder, evidence)
    return built


def _register(branch: DeployBranch, dvc: DvcFiles, built: Release) -> None:
    """Commit the lock file and metrics of the release and, with the embedded store, its model.

    The store keeps the models of earlier releases, so a clone of the branch has them all. The model of this release is
    also committed as plain files, so `dvc artifacts get <repository> model` works from anywhere.
    """
    files = {name: (built.folder / name).read_bytes() for name in [LOCK, *dvc.metrics]}
    md5, objects = blobs(built.folder / "model", without=manifest.RELEASE)
    if md5 != built.manifest.inputs.model:
        raise DigestMismatchError(
            f"{built.folder / 'model'}: MD5 is {md5}, expected {built.manifest.inputs.model}; build it again"
        )
    embedded = dvc.embedded_store
    if embedded is None:
        remote.push(dvc.model, {f"{dvc.model}, {path}": digest_of(path) for path in objects}, dvc.root)
        keep = [FOLDER]
    else:
        files |= {f"{embedded}/{path}": content for path, content in objects.items()}
        pipeline = branch.git.read_text(built.commit, PIPELINE)
        if pipeline is None:
            raise MissingFileError(
                f"{PIPELINE}: missing in commit {built.commit[:12]}, from which {built.version} was built"
            )
        files |= as_plain_files(pipeline, built.folder / "model", without=manifest.RELEASE)
        keep = [FOLDER, embedded]
    branch.publish(_release_message(built), (built.version, built.digest, built.commit), files, keep)


def _release_message(built: Release) -> str:
    metrics = leaves(built.manifest.metrics)
    return "\n".join([f"Release {built.version}", "", *(f"{name} = {value:g}" for name, value in metrics)])
