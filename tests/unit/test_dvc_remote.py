"""Tests of verified pushes: `dvc push` exits with 0 even where an object is missing on the remote."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.dvc import cache, pointers
from slipway.dvc import remote as dvc_remote
from slipway.errors import ToolError

DVC = Path(sys.executable).with_name("dvc")


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """Return a folder with two files under DVC, and an empty remote inside it."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "data").mkdir()
    for name in ("a", "b"):
        (folder / "data" / name).write_text(name * 100)
    remote = ["remote", "add", "--default", "store", "store"]
    for command in (["init", "--no-scm"], remote, ["add", "data"]):
        subprocess.run([DVC, *command, "--quiet"], cwd=folder, env=os.environ | {"DVC_NO_ANALYTICS": "1"}, check=True)
    return folder


@pytest.fixture
def project(template, tmp_path, monkeypatch) -> Path:
    """Return a copy of the template, which is the current folder."""
    shutil.copytree(template, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PATH", f"{DVC.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    return tmp_path / "project"


def test_pushed_objects_are_on_the_remote(project):
    dvc_remote.push_data(Path("data.dvc"))
    stored = {path.parent.name + path.name for path in (project / "store/files/md5").glob("*/*")}
    assert stored == set(dict(pointers.objects(Path("data.dvc"), cache.folder())).values())
    assert 3 == len(stored)


def test_an_object_that_the_cache_lacks_is_named(project):
    digest = dict(pointers.objects(Path("data.dvc"), cache.folder()))["data/b"]
    shutil.rmtree("data")
    cache.path_of(cache.folder(), digest).unlink()
    plain = subprocess.run([DVC, "push", "--quiet", "data.dvc"], check=False)
    assert 0 == plain.returncode
    with pytest.raises(dvc_remote.MissingObjectError, match=r"^data(/b)?: object \w+(\.dir)? is not on the remote"):
        dvc_remote.push_data(Path("data.dvc"))


def test_an_object_that_the_remote_lost_is_named(project):
    dvc_remote.push_data(Path("data.dvc"))
    digests = dict(pointers.objects(Path("data.dvc"), cache.folder()))
    cache.path_of(project / "store", digests["data/a"]).unlink()
    with pytest.raises(dvc_remote.MissingObjectError, match=f"^data/a: object {digests['data/a']} is not on"):
        dvc_remote.require(digests)


def test_an_unavailable_remote_is_one_line(project):
    subprocess.run([DVC, "remote", "default", "--unset", "--quiet"], check=True)
    with pytest.raises(ToolError, match=r"^dvc push data\.dvc: .*remote") as error:
        dvc_remote.push_data(Path("data.dvc"))
    assert 1 == len(str(error.value).splitlines())


def _pushes(source: str) -> bool:
    """Return whether `source` has a call that runs `dvc push`."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call | ast.List | ast.Tuple)]
    return any("dvc" in ast.unparse(call) and "'push'" in ast.unparse(call) and _is_small(call) for call in calls)


def _is_small(node: ast.AST) -> bool:
    return not any(isinstance(child, ast.Lambda | ast.FunctionDef) for child in ast.walk(node))


def test_nothing_else_in_the_engine_runs_dvc_push():
    users = {path.as_posix() for path in Path("src/slipway").rglob("*.py") if _pushes(path.read_text(encoding="utf-8"))}
    demo = {"src/slipway/local/demo.py", "src/slipway/local/repository.py"}  # they run the commands of a user
    assert {"src/slipway/dvc/remote.py"} == users - demo


@pytest.mark.parametrize("fault", ["dvc.run('push', x)", "run(['dvc', 'push'])", "command = [tool('dvc'), 'push', x]"])
def test_another_push_would_be_detected(fault):
    assert _pushes(fault)
