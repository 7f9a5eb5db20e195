"""The verb `upgrade`: a later template is merged into this fork, and what is the fork's own stays as it is.

A `.gitattributes` that says so would hold for every merge, so also for the fork's own pull requests, whose data and
numbers it would throw away in silence. A verb says it of this merge alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

from slipway import engine
from slipway.engine import OWN
from slipway.errors import UserError
from slipway.git import Git, GitError
from slipway.scaffold import work_tree

LOCK, PARAMS = "uv.lock", "params.yaml"
NAMED_FILES_MAX = 5  # of a folder, in the summary


def upgrade(reference: str) -> None:
    """Merge `reference`, such as `template/main`, and leave the merge to be looked at and committed.

    Raises UserError when the work tree is not clean, when there is no such reference, or when both sides changed the
    same lines of a file that neither owns.
    """
    work_tree.require_clean()
    git = Git(Path())
    template = git.resolve(reference)
    if template is None:
        raise UserError(f"{reference}: no such branch; `git remote add template URL`, then `git fetch template`")
    _join(git, reference, template)
    if git.is_ancestor(template, "HEAD"):
        print(f"upgrade: {reference} is merged already")
        return
    _merge(git, template)
    _keep_own(git)
    _lock(git, template)
    engine.write_lock(git, template)
    git.run("add", "--", str(engine.LOCK))
    if conflicts := git.unmerged():
        raise UserError(f"{', '.join(conflicts)}: changed on both sides; edit them, `git add`, and `git commit`")
    _require_valid_params()
    print("\n".join(_summary(git)))


def _require_valid_params() -> None:
    """Raise UserError where the merged params.yaml is not what the merged engine reads, which is not this process."""
    if not Path("src/slipway/settings").is_dir():
        return
    command = [sys.executable, "-m", "slipway.settings"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": "src"}, capture_output=True, text=True, check=False)
    line = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode and line.startswith(PARAMS):  # else it needs packages that `make setup` brings
        raise UserError(f"{line}; fix it, `git add {PARAMS}`, and `git commit`")


def _join(git: Git, reference: str, template: str) -> None:
    """Give a repository that was made by "Use this template", so without history, the template's, where it began."""
    if git.merge_base("HEAD", template):
        return
    *_, first = git.run("rev-list", "--max-parents=0", "HEAD").split()
    tree = git.read_commit(first).tree
    begun = next((commit.id for commit in git.history(template) if commit.tree == tree), None)
    if begun is None:
        raise UserError(
            f"{reference}: has no commit in common with this fork, and none with the files that it began with"
        )
    options = ["--quiet", "--allow-unrelated-histories", "--strategy", "ours"]
    git.run("merge", *options, "-m", "Join the template's history", begun)


def _merge(git: Git, template: str) -> None:
    """Merge without a commit. Conflicts are for later; raises GitError when git did not begin."""
    try:
        git.run("merge", "--no-commit", "--no-ff", template)
    except GitError:
        if not git.unmerged():
            raise


def _keep_own(git: Git) -> None:
    """Take back what the merge did to the fork's own files, those that it added among them.

    A file that git did not have before, and the merge did not bring, is not touched.
    """
    kept = git.entries("HEAD", *OWN)
    added = [path for path in git.tracked(*OWN) if path not in kept]
    if added:
        git.run("rm", "--quiet", "--force", "--", *added)
    if owned := [path for path in OWN if any(file == path or file.startswith(f"{path}/") for file in kept)]:
        git.run("checkout", "HEAD", "--", *owned)


def _lock(git: Git, template: str) -> None:
    """Lock what the merged pyproject.toml asks for, beginning with the template's versions."""
    if "pyproject.toml" in git.unmerged():
        return
    git.run("checkout", template, "--", LOCK)
    work_tree.uv("lock", "--quiet")
    git.run("add", "--", LOCK)


def _summary(git: Git) -> list[str]:
    paths = git.names("diff-index", "--cached", "--name-only", "-z", "--no-renames", "HEAD")
    changed = [path for path in paths if path != str(engine.LOCK)]
    return [
        f"upgrade: {len(changed)} files of the template changed; {', '.join(OWN)} stay yours",
        *(f"  {folder}: {', '.join(names)}" for folder, names in _by_folder(changed)),
        "",
        "Look at `git diff --cached params.yaml`: a new section is a new feature, with its defaults.",
        "",
        "Next:",
        "  make setup && uv run dvc repro",
        "  make test",
        "  git add --all && git commit --no-edit",
    ]


def _by_folder(paths: list[str]) -> list[tuple[str, list[str]]]:
    """Return each folder of the template with the names of its changed files, those after the first few as a count."""
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        parent = PurePosixPath(path).parent
        folders.setdefault("." if str(parent) == "." else f"{parent}/", []).append(PurePosixPath(path).name)
    return [
        (folder, [*names[:NAMED_FILES_MAX], *([f"{more} more"] if (more := len(names) - NAMED_FILES_MAX) > 0 else [])])
        for folder, names in folders.items()
    ]
