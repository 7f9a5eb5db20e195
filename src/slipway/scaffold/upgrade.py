"""The verb `upgrade`: a later template is merged into this fork, and what is the fork's own stays as it is.

A `.gitattributes` that says so would hold for every merge, so also for the fork's own pull requests, whose data and
numbers it would throw away in silence. A verb says it of this merge alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from slipway.errors import UserError
from slipway.scaffold import work_tree
from slipway.scaffold.work_tree import git

OWN = ("src/problem", "tests/problem", "metrics", ".dvcstore", "data.dvc", "dvc.lock", "README.md")
"""The fork's own. All else is the template's, or both's: params.yaml and pyproject.toml are merged line by line."""

LOCK, PARAMS = "uv.lock", "params.yaml"


def upgrade(reference: str) -> None:
    """Merge `reference`, such as `template/main`, and leave the merge to be looked at and committed.

    Raises UserError when the work tree is not clean, when there is no such reference, or when both sides changed the
    same lines of a file that neither owns.
    """
    work_tree.require_clean()
    if not _succeeds("rev-parse", "--quiet", "--verify", f"{reference}^{{commit}}"):
        raise UserError(f"{reference}: no such branch; `git remote add template URL`, then `git fetch template`")
    _join(reference)
    if _succeeds("merge-base", "--is-ancestor", reference, "HEAD"):
        print(f"upgrade: {reference} is merged already")
        return
    _succeeds("merge", "--no-commit", "--no-ff", reference)
    _keep_own()
    _lock(reference)
    if conflicts := git("diff", "--name-only", "--diff-filter=U").split():
        raise UserError(f"{', '.join(conflicts)}: changed on both sides; mend, `git add`, and `git commit`")
    _require_valid_params()
    print("\n".join(_summary()))


def _require_valid_params() -> None:
    """Raise UserError where the merged params.yaml is not what the merged engine reads, which is not this process."""
    if not Path("src/slipway/settings").is_dir():
        return
    command = [sys.executable, "-m", "slipway.settings"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": "src"}, capture_output=True, text=True, check=False)
    line = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode and line.startswith(PARAMS):  # else it needs packages that `make setup` brings
        raise UserError(f"{line}; fix it, `git add {PARAMS}`, and `git commit`")


def _join(reference: str) -> None:
    """Give a repository that was made by "Use this template", so without history, the template's, where it began."""
    if _succeeds("merge-base", "HEAD", reference):
        return
    first = git("rev-list", "--max-parents=0", "HEAD").split()[-1]
    tree = git("rev-parse", f"{first}^{{tree}}").strip()
    commits = (line.split() for line in git("log", "--format=%H %T", reference).splitlines())
    begun = next((commit for commit, its_tree in commits if its_tree == tree), "")
    if not begun:
        raise UserError(
            f"{reference}: has no commit in common with this fork, and none with the files that it began with"
        )
    git(
        "merge",
        "--quiet",
        "--allow-unrelated-histories",
        "--strategy",
        "ours",
        "-m",
        "Join the template's history",
        begun,
    )


def _keep_own() -> None:
    """Take back what the merge did to the fork's own files, those that it added among them."""
    merged = [path for path in OWN if git("ls-files", "--", path) or Path(path).exists()]
    git("rm", "-r", "--quiet", "--cached", "--force", "--ignore-unmatch", "--", *merged)
    kept = [path for path in OWN if git("ls-tree", "--name-only", "HEAD", "--", path)]
    git("checkout", "HEAD", "--", *kept)
    git("clean", "-fd", "--quiet", "--", *OWN)


def _lock(reference: str) -> None:
    """Lock what the merged pyproject.toml asks for, beginning with the template's versions."""
    if "pyproject.toml" in git("diff", "--name-only", "--diff-filter=U").split():
        return
    git("checkout", reference, "--", LOCK)
    work_tree.uv("lock", "--quiet")
    git("add", LOCK)


def _succeeds(*arguments: str) -> bool:
    return subprocess.run(["git", *arguments], capture_output=True, check=False).returncode == 0


def _summary() -> list[str]:
    changed = git("diff", "--cached", "--name-only").split()
    return [
        f"upgrade: {len(changed)} files of the template changed; {', '.join(OWN)} stay yours",
        "",
        "Look at `git diff --cached params.yaml`: a new section is a new feature, with its defaults.",
        "",
        "Next:",
        "  make setup && uv run dvc repro",
        "  make test",
        "  git add --all && git commit --no-edit",
    ]
