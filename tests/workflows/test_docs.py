"""docs.yaml under act: it builds the site, and publishes it from `main` if the repository is configured for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from slipway.local import act
from slipway.local.home import Home

ROOT = Path(__file__).parents[2]
FILES = ("pyproject.toml", "uv.lock", "zensical.toml", "README.md", ".ci", ".github", "docs", "src", "build/mermaid")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A work tree with the files that the workflow needs, and the environment of its runs."""
    tree = tmp_path_factory.mktemp("docs") / "tree"
    for name in FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / name, tree / name)
    (tree / ".gitignore").write_text(".venv/\nbuild/\nresults/\n", encoding="utf-8")
    with Home.create(tree.parent / "demos") as home:
        env = home.environment()
        for command in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "All"]):
            subprocess.run(["git", *command], cwd=tree, env=env, check=True)
        yield tree, env
        home.stop()


@pytest.mark.tool("npm")
def test_main_is_published_if_pages_is_true(repository, tmp_path):
    tree, env = repository
    event = act.GitHubEvent("push", {"ref": "refs/heads/main"})
    run = act.run("docs.yaml", tree, event, tmp_path, env=env, variables={"PAGES": "true"}, log=print)
    assert ["success", "success"] == [job.result for job in run.jobs.values()]
    assert (run.artifact("github-pages-1") / "first-pull-request.html").is_file()
    assert (run.artifact("github-pages-1") / "assets" / "mermaid.min.js").is_file()
    assert (run.artifact("results-docs") / "docs.json").is_file()


def test_publication_requires_main_and_pages():
    publish = yaml.safe_load(Path(".github/workflows/docs.yaml").read_text(encoding="utf-8"))["jobs"]["publish"]
    assert ("docs", "github.ref == 'refs/heads/main' && vars.PAGES == 'true'") == (publish["needs"], publish["if"])
