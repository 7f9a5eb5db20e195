"""Jobs are skipped for a change of documentation only, never for another change or without a base."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slipway.pull_request import branch_changes, jobs
from tests import hostile_git
from tests.git_repository import commit, git

FILES = {
    "README.md": "read me\n",
    "docs/index.md": "page\n",
    "docs/table.md": "read by a stage\n",
    "docs/card.md": "part of the release\n",
    "docs/picture.svg": "<svg/>\n",
    "src/problem/suites.py": "suites = 1\n",
    "src/problem/prompt.md": "read by the problem\n",
    "tests/unit/golden/report.md": "expected\n",
    "params.yaml": "seed: 1\n",
    "data.dvc": "outs:\n- md5: a.dir\n  path: data\n",
    ".github/workflows/pull-request.yaml": "on: pull_request\n",
    "dvc.yaml": "stages:\n  train:\n    cmd: train\n    deps:\n    - src/problem\n    - ./docs/table.md\n",
    "bentofile.yaml": "include:\n- docs/c*.md\n",
}
PAGES = ["README.md", "docs/index.md", "docs/picture.svg"]
OTHERS = sorted(set(FILES) - set(PAGES))
PLACES = ["docs/", "docs/examples/", "", "src/problem/", "docs/.hidden/", "tests/"]
NAMES = ["moved.md", "suites.py", "moved.svg", "ünï cödé.md", "*.md", ":(top)x.md", "a\tb.md", "dvc.yaml", "CNAME"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet", "--initial-branch=main", "--template=")
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    commit()
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    git("checkout", "--quiet", "-b", "change")


@pytest.fixture
def reset(repository):
    """Undo the changes of a case."""

    def back() -> None:
        git("reset", "--quiet", "--hard", "origin/main")
        git("clean", "-ffdxq")

    return back


def only() -> bool:
    return branch_changes.documentation_only("origin/main")


@pytest.mark.parametrize("committed", [True, False])
def test_no_move_of_another_file_is_documentation(reset, committed):
    @settings(max_examples=25)
    @given(st.sampled_from(OTHERS), st.sampled_from(PLACES), st.sampled_from(NAMES), st.booleans())
    def holds(path: str, place: str, name: str, with_page: bool) -> None:
        assume(path != f"{place}{name}")
        reset()
        Path(place).mkdir(parents=True, exist_ok=True)
        git("mv", "-f", path, f"{place}{name}")
        if with_page:
            Path("README.md").write_text("changed\n")
        if committed:
            commit()
        assert not only()
        assert {path, f"{place}{name}"} <= set(branch_changes.since("origin/main").files)

    holds()


@pytest.mark.parametrize("path", OTHERS)
@pytest.mark.parametrize("change", ["edited", "deleted", "mode"])
def test_no_change_of_another_file_is_documentation(repository, path, change):
    Path("docs/index.md").write_text("changed\n")
    alter(path, change)
    commit()
    assert not only()


def alter(path: str, change: str) -> None:
    if change == "edited":
        Path(path).write_text("changed: 1\n")
    elif change == "deleted":
        Path(path).unlink()
    else:
        Path(path).chmod(0o755)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("change", ["edited", "deleted", "moved"])
def test_a_change_of_a_page_is(repository, path, change):
    if change == "moved":
        git("mv", path, f"docs/moved{Path(path).suffix}")
    else:
        alter(path, change)
    commit()
    assert only()


def test_both_paths_of_a_renamed_page_are_changed_pages(repository):
    git("mv", "README.md", "docs/moved.md")
    Path("docs/index.md").write_text("changed\n")
    commit()
    assert ["README.md", "docs/index.md", "docs/moved.md"] == branch_changes.changed_pages("origin/main")
    Path("src/problem/extra.py").write_text("new\n")
    assert [] == branch_changes.changed_pages("origin/main")


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("kind", ["link", "folder link", "program", "submodule", "pipeline", "configuration", "source"])
def test_a_file_that_is_not_a_regular_page_is_not_documentation(repository, kind, committed):
    place = Path("docs/page.md")
    if kind == "link":
        place.symlink_to("../src/problem/suites.py")
    elif kind == "folder link":
        shutil.rmtree("docs")
        Path("docs").symlink_to("src")
    elif kind == "program":
        hostile_git.program(place, "true")
    elif kind == "submodule":
        git("init", "--quiet", str(place))
        git("-C", str(place), "commit", "--quiet", "--allow-empty", "--message", "Inner")
    else:
        names = {"pipeline": "docs/dvc.yaml", "configuration": "docs/.gitattributes", "source": "docs/conftest.py"}
        Path(names[kind]).write_text("changed\n")
    if committed:
        commit()
    assert not only()


def test_a_page_that_a_stage_of_the_base_reads_is_not_documentation(repository):
    Path("docs/table.md").write_text("changed\n")
    commit()
    assert not only()
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    Path("dvc.yaml").write_text("stages: {}\n")
    commit()
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    Path("docs/table.md").write_text("changed again\n")
    commit()
    assert only()


def test_an_untracked_source_file_is_a_change_of_code(repository):
    Path("docs/index.md").write_text("changed\n")
    commit()
    Path("src/problem/extra.py").write_text("new\n")
    assert not only()


def test_the_git_settings_of_a_user_do_not_matter(repository, tmp_path_factory, monkeypatch):
    git("mv", "src/problem/suites.py", "docs/suites.md")
    commit()
    hostile_git.apply(tmp_path_factory.mktemp("user") / "settings", monkeypatch)
    assert not only()


# A base that cannot be read.


def no_branch() -> None:
    git("update-ref", "-d", "refs/remotes/origin/main")


def no_commit_in_common() -> None:
    git("checkout", "--quiet", "--orphan", "fresh")
    commit()


def lost(revision: str) -> None:
    name = git("rev-parse", revision)
    Path(f".git/objects/{name[:2]}/{name[2:]}").unlink()


def broken_pipeline() -> None:
    git("checkout", "--quiet", "-B", "change", "origin/main")
    Path("dvc.yaml").write_text("stages: [\n")
    commit()
    git("update-ref", "refs/remotes/origin/main", "HEAD")


BASES = {
    "no branch": (no_branch, "no such branch in this clone; run `git fetch origin`"),
    "nothing in common": (no_commit_in_common, "lacks the merge base"),
    "commit lost": (lambda: lost("origin/main"), "this clone cannot read "),
    "tree lost": (lambda: lost("origin/main^{tree}"), "could not|Could not|unable to read|not a tree"),
    "folder lost": (lambda: lost("origin/main:docs"), "could not|Could not|unable to read|not a tree"),
    "pipeline lost": (lambda: lost("origin/main:dvc.yaml"), "dvc.yaml"),
    "pipeline broken": (broken_pipeline, "line"),
}


@pytest.mark.parametrize("case", BASES)
def test_a_base_that_cannot_be_read_is_reported_and_nothing_is_skipped(repository, case, capsys):
    Path("docs/index.md").write_text("changed\n")
    commit()
    break_base, words = BASES[case]
    break_base()
    if case == "pipeline broken":
        Path("docs/index.md").write_text("changed again\n")
        commit()
    ran = []
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setenv("SLIPWAY_BASE", "main")
        jobs.unless_documentation_only("train", lambda: ran.append("train"))
    assert ["train"] == ran
    output = capsys.readouterr().err
    assert "so nothing is skipped" in output
    assert any(word in output for word in words.split("|")), output


def test_a_shallow_clone_skips_nothing(repository, tmp_path, monkeypatch, capsys):
    for text in ("one\n", "two\n"):
        Path("docs/index.md").write_text(text)
        commit()
    git("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{tmp_path}", str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    git("update-ref", "refs/remotes/origin/main", "refs/remotes/origin/main")
    assert not only()
    assert "`git fetch --unshallow`, so nothing" in capsys.readouterr().err.replace("), so", ", so")


# Changes in the report.


def test_each_changed_file_has_its_kind_of_change(repository):
    git("mv", "src/problem/suites.py", "docs/suites.py")
    git("rm", "--quiet", "params.yaml")
    Path("data.dvc").chmod(0o755)
    Path("README.md").write_text("changed\n")
    Path("new.py").write_text("new\n")
    commit()
    since = branch_changes.since("origin/main")
    assert sorted(since.kinds) == since.files
    assert since.kinds == {
        "README.md": "modified",
        "data.dvc": "mode changed",
        "docs/suites.py": "renamed",
        "new.py": "added",
        "params.yaml": "deleted",
        "src/problem/suites.py": "renamed",
    }
    assert {"docs/suites.py": "src/problem/suites.py"} == since.renamed


def test_an_uncommitted_edit_is_modified_and_no_rename(repository):
    Path("README.md").write_text("changed\n")
    git("rm", "--quiet", "params.yaml")
    Path("new.py").write_text("new\n")
    git("add", "new.py")
    since = branch_changes.since("origin/main")
    assert {"README.md": "modified", "new.py": "added", "params.yaml": "deleted"} == since.kinds
    assert {} == since.renamed


@pytest.mark.parametrize("text", ["seed: [", "- a list\n", "\t"])
def test_parameters_of_an_unreadable_base_do_not_count_as_new(repository, text):
    Path("params.yaml").write_text(text)
    commit()
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    Path("params.yaml").write_text("seed: 2\n")
    commit()
    since = branch_changes.since("origin/main")
    assert ({}, 1) == (since.parameters, len(since.problems))
    assert since.problems[0].startswith("params.yaml: ")


def test_without_a_base_the_report_has_the_reason(repository):
    no_branch()
    assert "origin/main: no such branch in this clone" in branch_changes.since("origin/main").problems[0]


# Tests that still run.

EXEMPT = {
    **dict.fromkeys(
        [f"test_{name}.py" for name in ("changes", "documentation_only", "git", "page_readers", "remedies")]
        + [f"test_{name}.py" for name in ("report", "scaffold_upgrade", "source_tree")],
        "writes its own pages and repositories",
    ),
    "test_checkout.py": "clones the commit; test_reference.py has the property of pages",
    "test_policy.py": "skips pages among the files of git",
    "test_python_versions.py": "names a group of packages",
    "test_words.py": "the job `lint` runs it for pages",
}
"""Why a quick test that names a page, or lists the files of git, need not run where only pages change."""


def reads_page(source: str, pages: set[str]) -> bool:
    """Return whether a test names a page or the folder with the pages, or lists or clones the files of git."""
    values = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    strings = [value for value in values if isinstance(value, str)]
    return any(
        string in pages or string in {"clone", "ls-files"} or re.search(r"(^|[\s`])docs(/|$)", string)
        for string in strings
    )


def test_every_quick_test_that_reads_a_page_runs_where_only_pages_change():
    listed = ["git", "ls-files", ":(glob)*.md"]
    pages = set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split())
    places = [Path(place) for place in jobs.QUICK_TESTS]
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("test_*.py"))]
    slow = {Path(place) for place in jobs.SLOW_TESTS}
    quick = [file for file in files if not slow & {file, *file.parents} and file.name not in EXEMPT]
    readers = {str(file) for file in quick if reads_page(file.read_text(encoding="utf-8"), pages)}
    assert {"tests/docs/test_reference.py"} <= readers <= set(jobs.DOCUMENTATION_TESTS)


@pytest.mark.parametrize(
    "source", ['Path("README.md")', 'ROOT / "docs/security.md"', 'Path("docs").glob("*.md")', 'git("ls-files")']
)
def test_a_test_that_reads_a_page_is_found(source):
    assert reads_page(source, {"README.md"})
