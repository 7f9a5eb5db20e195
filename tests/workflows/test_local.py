"""The throwaway repository, the home of a demo, and the fault that it injects."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from problem import Row
from slipway.checks import files
from slipway.errors import ArgumentError, SettingError, WorkTreeError
from slipway.lab import data_mutants, demo_fault
from slipway.local import demo
from slipway.local.home import Home, homes, processes, stop_all
from slipway.local.repository import Repository, uncommitted

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]

BREEDER = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(1, flush=True)
for _ in range(500):
    subprocess.Popen(["sleep", "60"])
    time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def home(tmp_path):
    with Home.create(tmp_path / "demos") as created:
        yield created


@pytest.fixture
def source(tmp_path, home) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / ".gitignore").write_text("ignored\n", encoding="utf-8")
    (folder / "ignored").write_text("but committed", encoding="utf-8")
    for command in (["init", "--quiet"], ["add", "--force", "."], ["commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *command], cwd=folder, env=home.environment(), check=True)
    return folder


@pytest.fixture
def repository(home, source) -> Repository:
    created = Repository(home.root, home.environment())
    created.create(source)
    return created


def change(repository: Repository, text: str) -> None:
    repository.branch("topic")
    (repository.author / "file").write_text(text, encoding="utf-8")
    repository.commit("Change")


def test_origin_has_committed_files_even_if_ignored(repository):
    assert [".gitignore", "engine.lock", "ignored"] == repository.git("ls-tree", "--name-only", "origin/main").split()


def test_merge_commit_of_a_pull_request_has_its_change(repository, tmp_path):
    change(repository, "new")
    pull = repository.open_pull_request("Title")
    tree = repository.checkout(tmp_path / "tree", "refs/pull/1/merge")
    assert (pull.merge, "new") == (
        repository.git("rev-parse", "HEAD", cwd=tree),
        (tree / "file").read_text(encoding="utf-8"),
    )


def test_open_pull_request_does_not_change_main(repository):
    change(repository, "new")
    pull = repository.open_pull_request("Title")
    assert pull.base == repository.push_event().payload["after"]


def test_merge_moves_main_to_a_commit_with_both_parents(repository):
    change(repository, "new")
    pull = repository.open_pull_request("Title")
    merged = repository.merge(pull)
    assert [pull.base, pull.head] == repository.git("rev-parse", f"{merged}^1", f"{merged}^2").split()
    assert merged == repository.push_event().payload["after"]


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run(["dvc", *arguments, "--quiet"], cwd=folder, check=True)


def test_data_is_pushed_to_the_local_remote_only(home, source, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", home.environment()["PATH"])
    dvc(source, "init")
    (source / "data").mkdir()
    (source / "data/rows").write_text("original", encoding="utf-8")
    dvc(source, "remote", "add", "--default", "ours", str(tmp_path / "ours"))
    dvc(source, "add", "data")
    dvc(source, "push")
    before = sorted((tmp_path / "ours").rglob("*"))
    subprocess.run(["git", "add", "."], cwd=source, check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", "Data"], cwd=source, env=home.environment(), check=True)
    repository = Repository(home.root, home.environment())
    repository.create(source)
    repository.use_local_remote()
    tree = repository.checkout(tmp_path / "tree", "refs/heads/main")
    dvc(tree, "pull")
    assert "original" == (tree / "data/rows").read_text(encoding="utf-8")
    (tree / "data/rows").write_text("changed", encoding="utf-8")
    dvc(tree, "add", "data")
    dvc(tree, "push")
    assert before == sorted((tmp_path / "ours").rglob("*"))


def test_uncommitted_files_are_named(source):
    (source / "new").touch()
    assert ["new"] == uncommitted(source)


def test_folder_without_a_repository_is_rejected(tmp_path):
    with pytest.raises(WorkTreeError, match="not a git repository with a commit"):
        uncommitted(tmp_path)


def test_two_demos_have_two_homes(home, tmp_path):
    with Home.create(tmp_path / "demos") as other:
        assert {home, other} == set(homes(tmp_path / "demos"))


def test_next_demo_removes_the_home_of_a_finished_one(tmp_path):
    with Home.create(tmp_path) as finished:
        pass
    with Home.create(tmp_path) as new:
        assert [new] == homes(tmp_path)
    assert not finished.root.exists()


def leave_running(demos: Path, *, complete: bool) -> tuple[Home, subprocess.Popen[bytes]]:
    """Return the home of a demo that was `complete` or killed, and a process of it that still runs."""
    with Home.create(demos) as home:
        process = subprocess.Popen(SLEEP, env=home.environment())
    if complete:
        home.summary.touch()
    return home, process


def test_home_with_running_services_is_kept(tmp_path):
    home, process = leave_running(tmp_path, complete=True)
    with Home.create(tmp_path) as new:
        assert {home, new} == set(homes(tmp_path))
    home.stop()
    process.wait()


def test_next_demo_stops_the_processes_of_a_killed_one(tmp_path):
    _, process = leave_running(tmp_path, complete=False)
    with Home.create(tmp_path) as new:
        assert [new] == homes(tmp_path)
    assert not psutil.pid_exists(process.pid)
    process.wait()


def test_next_demo_removes_a_home_that_was_killed_during_creation_or_removal(tmp_path):
    with Home.create(tmp_path) as home:
        process = subprocess.Popen(SLEEP, env=home.environment())
    home.lock.unlink()
    with Home.create(tmp_path):
        assert not home.root.exists()
    assert not psutil.pid_exists(process.pid)
    process.wait()


def test_a_process_is_found_although_its_environment_is_exposed_late(home, monkeypatch):
    process = subprocess.Popen(SLEEP, env=home.environment())
    exposed, environ = set(), psutil.Process.environ

    def late(running: psutil.Process) -> dict[str, str]:
        is_exposed = running.pid in exposed
        exposed.add(running.pid)
        return environ(running) if is_exposed else {}

    time.sleep(0.1)
    monkeypatch.setattr(psutil.Process, "environ", late)
    assert [process.pid] == [running.pid for running in processes(home)]
    process.kill()
    process.wait()


def test_stop_ends_processes_that_start_meanwhile(home, monkeypatch):
    monkeypatch.setattr("slipway.local.home.STOP_TIMEOUT_SECONDS", 0.1)
    parent = subprocess.Popen([sys.executable, "-c", BREEDER], env=home.environment(), stdout=subprocess.PIPE)
    parent.stdout.readline()
    home.stop()
    assert [] == processes(home)
    parent.communicate()


def test_temporary_files_of_a_demo_are_removed_with_it(tmp_path):
    with Home.create(tmp_path / ".demo") as home:
        created = subprocess.run(["mktemp"], env=home.environment(), capture_output=True, text=True, check=True).stdout
    assert Path(created.strip()).exists()
    assert ".demo" not in Path(created).parts  # BentoML cannot build in a hidden folder
    home.stop()
    assert not Path(created).parent.exists()


def test_running_demo_is_identified_by_its_process(home):
    assert os.getpid() == home.runner()


def test_stop_ends_every_process_of_the_demo_and_no_other(tmp_path):
    with Home.create(tmp_path) as home:
        ours = subprocess.Popen(SLEEP, env=home.environment(), start_new_session=True)
    other = subprocess.Popen(SLEEP)
    assert 1 == stop_all(tmp_path)
    assert [False, True] == [psutil.pid_exists(ours.pid), psutil.pid_exists(other.pid)]
    other.kill()
    other.wait()
    ours.wait()


def test_grandchild_inherits_the_process_label(home):
    nested = f"import subprocess; subprocess.run({SLEEP!r})"
    parent = subprocess.Popen([sys.executable, "-c", nested], env=home.environment())
    deadline = time.monotonic() + 10
    while len(processes(home)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 2 == home.stop()
    parent.wait()


def test_pull_requests_share_the_types_of_packages_and_a_fault_of_the_second_is_found(home, tmp_path):
    codes = []
    for name, text in (("good", "size: int = 1\n"), ("bad", 'size: int = "one"\n')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text(text, encoding="utf-8")
        done = subprocess.run(["mypy", "module.py"], cwd=tmp_path / name, env=home.environment(), check=False)
        codes.append(done.returncode)
        assert not (tmp_path / name / ".mypy_cache").exists()
    assert [0, 1] == codes


def test_environment_has_no_variables_of_a_surrounding_run(home, monkeypatch):
    for name in ("GH_TOKEN", "GITHUB_STEP_SUMMARY", "GIT_DIR", "SLIPWAY_STORE", "STAGING_URL", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "another")
    assert "another" not in home.environment().values()


def test_folder_with_a_space_is_rejected(tmp_path):
    with pytest.raises(ArgumentError, match="pass another one with --folder"):
        demo.demo(tmp_path, tmp_path / "with space", leave_running=False)


def test_parameter_grows_by_a_quarter(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("seed: 1\n\nmodel:  # of the estimator\n  # why\n  depth: 8  # levels\n  rate: 0.1\n")
    assert "Change depth from 8 to 10" == demo.grow_parameter(params)
    assert "  depth: 10  # levels\n  rate: 0.1\n" in params.read_text(encoding="utf-8")


def test_parameters_without_a_number_are_rejected(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("model:\n  kind: linear\n", encoding="utf-8")
    with pytest.raises(SettingError, match="model: its first value is not a number"):
        demo.grow_parameter(params)


def test_shipped_parameters_can_be_changed(tmp_path):
    shutil.copy("params.yaml", tmp_path)
    assert demo.grow_parameter(tmp_path / "params.yaml").startswith("Change ")


def test_injected_unit_error_violates_the_contract(tmp_path, monkeypatch):
    newest = files.listed(Path("data"))[-1]
    path = Path(shutil.copy(Path("data") / newest, tmp_path))
    monkeypatch.setattr("problem.next_batch", lambda _: None)
    before = data_mutants.read(path)
    demo_fault.break_newest(tmp_path)
    after = data_mutants.read(path)
    (changed,) = [name for name in before if not before[name].equals(after[name])]
    with pytest.raises(ValidationError, match=changed):
        Row.model_validate({changed: after[changed].max().item()})


def test_data_of_an_unknown_format_is_rejected(tmp_path, monkeypatch):
    (tmp_path / "new.txt").touch()
    monkeypatch.setattr("problem.next_batch", lambda _: None)
    with pytest.raises(SettingError, match="mutants need"):
        demo_fault.break_newest(tmp_path)
