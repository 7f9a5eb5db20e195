"""Tests of recovery: a training that is killed, fails on a full disk or meets another does not break the next.

On the pipeline of this repository, in a copy of a trained clone:
TRAINING_KILLS=20 TRAINED=. pytest tests/pipeline/test_recovery.py -k killed -s
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.pipeline.conftest import SLIPWAY, Project, environment, poison

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = int(os.environ.get("TRAINING_KILLS", "3"))
TRAINED = os.environ.get("TRAINED")
KILL_TIMEOUT_SECONDS = 300  # per kill, on the pipeline of this repository and a busy machine
TARGETS = ("the session", "slipway", "DVC")
SEED = 11
HOLD = """
import time, zc.lockfile
held = zc.lockfile.LockFile(".dvc/tmp/lock")
print(1, flush=True)
time.sleep(99)
"""


@pytest.fixture
def pipeline(project, tmp_path) -> Project:
    """Return the small project, or a copy of the clone in $TRAINED."""
    if not TRAINED:
        return project
    clone = Project(tmp_path / "clone")
    subprocess.run(["git", "clone", "--quiet", TRAINED, str(clone.root)], check=True)
    shutil.copytree(Path(TRAINED) / ".dvc/cache", clone.root / ".dvc/cache")
    clone.train()
    return clone


def _start(project: Project, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command or [*SLIPWAY, "train"],
        cwd=project.root,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[str], target: str) -> None:
    """Send SIGKILL to the session, to `slipway train`, whose DVC continues, or to DVC, whose stage continues."""
    with suppress(ProcessLookupError, psutil.Error):
        if target == "the session":
            os.killpg(process.pid, signal.SIGKILL)
        elif target == "slipway":
            process.kill()
        else:
            for child in psutil.Process(process.pid).children():
                child.kill()


@pytest.mark.timeout(KILLS * KILL_TIMEOUT_SECONDS)
def test_a_killed_training_is_recovered_by_the_next(pipeline, tmp_path):
    draw = random.Random(SEED)
    clean = pipeline.copy(tmp_path / "clean")
    clean.change(2)
    start = time.monotonic()
    clean.train()
    seconds, expected = time.monotonic() - start, clean.hashes()
    for kill in range(KILLS):
        target, moment = TARGETS[kill % len(TARGETS)], draw.uniform(0, seconds)
        killed = pipeline.copy(tmp_path / f"killed {kill}")
        killed.change(2)
        process = _start(killed)
        time.sleep(moment)
        _kill(process, target)
        lost = [name for name in expected if not (killed.root / name).exists()]
        process.stdout.close()
        process.wait()
        killed.train()
        assert expected == killed.hashes()
        print(f"killed {target} after {moment:.1f} of {seconds:.1f} s: {len(lost)} files missing, then all restored")
        shutil.rmtree(killed.root)


@contextmanager
def _dead(project: Project) -> Iterator[int]:
    """Yield the id of a process that was killed and that its parent does not reap."""
    process = subprocess.Popen(["sleep", "99"])
    os.utime(project.root / ".dvc/tmp/rwlock")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


@contextmanager
def _reused(project: Project) -> Iterator[int]:
    """Yield the id of a process that started long after DVC had last used a path."""
    os.utime(project.root / ".dvc/tmp/rwlock", (1e9, 1e9))
    yield os.getpid()


@pytest.mark.parametrize("user", [_dead, _reused])
def test_paths_in_use_by_a_dead_process_are_released(project, user):
    before = project.hashes()
    entry = {"pid": 0, "cmd": f"{sys.executable} dvc repro"}
    rwlock = project.root / ".dvc/tmp/rwlock"
    rwlock.touch()
    project.change(2)
    with user(project) as entry["pid"]:
        written = rwlock.stat().st_mtime
        data = str(project.root / "data")
        rwlock.write_text(json.dumps({"read": {data: [entry]}, "write": {data: entry}}))
        os.utime(rwlock, (written, written))
        project.train()
    assert before != project.hashes()


@pytest.mark.parametrize("left", ["schema: '2.0'\nstages:\n  prepare:\n    deps: []\n", "half"])
def test_a_truncated_lock_file_is_restored(project, left):
    before, text = project.hashes(), (project.root / "dvc.lock").read_text()
    (project.root / "dvc.lock").write_text(text[: len(text) // 2] if left == "half" else left)
    (project.root / ".dvc/tmp/rwlock").write_text('{"wri')
    project.train()
    assert before == project.hashes()


def test_a_full_disk_keeps_the_previous_outputs_and_is_reported(project):
    before = project.hashes()
    project.change(2)
    with (project.root / "stage.py").open("a") as stage:
        stage.write('open(pathlib.Path("large").absolute(), "w").write("x" * 3_000_000)\n')
    command = ["bash", "-c", 'ulimit -f 2000; exec "$@"', "bash", *SLIPWAY, "train"]
    done = project.attempt(*command)
    (reported,) = done.stderr.splitlines()
    assert 2 == done.returncode
    message = f"slipway: dvc repro --no-run-cache evaluate: {project.root}: File too large; raise the file size limit"
    assert message in reported
    assert before == project.hashes()
    assert "File too large" in (project.root / "results/train.json").read_text()


def test_a_read_only_cache_keeps_the_previous_outputs_and_is_reported(project):
    before = project.hashes()
    project.change(2)
    folders = [path for path in (project.root / ".dvc/cache").rglob("*") if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    message = project.refused("train", unprivileged=True)
    for folder in folders:
        folder.chmod(0o755)
    assert message.startswith(f"dvc repro --no-run-cache evaluate: {project.root}/.dvc/cache/files/md5/")
    assert ": Permission denied; give this user write permission there" in message
    assert before == project.hashes()


def test_a_failed_stage_keeps_the_previous_model(project):
    before = project.hashes()
    with (project.root / "stage.py").open("a") as stage:
        stage.write('stage.name == "export" and sys.exit("no")\n')
    assert "failed to reproduce 'export'" in project.refused("train")
    kept = ("model/", "metrics/export.json", "build/evaluated/", "metrics/evaluate.json")
    after = project.hashes()
    assert {name: digest for name, digest in before.items() if name.startswith(kept)} == {
        name: digest for name, digest in after.items() if name.startswith(kept)
    }


def test_of_two_trainings_in_a_folder_the_second_waits_for_the_first(project, tmp_path):
    clean = project.copy(tmp_path / "clean")
    for copy in (clean, project):
        copy.change(2)
    clean.train()
    outputs = [process.communicate()[0] for process in [_start(project), _start(project)]]
    assert 1 == sum("is running here; waiting until it ends" in output for output in outputs), outputs
    assert 4 == sum(output.count("Running stage") for output in outputs)
    assert clean.hashes() == project.hashes()


def test_two_clones_with_one_cache_do_not_mix(project, tmp_path):
    shutil.move(project.root / ".dvc/cache", tmp_path / "shared")
    project.run("dvc", "cache", "dir", "--local", str(tmp_path / "shared"))
    clones, alone = {}, {}
    for seed in (2, 3):
        clones[seed], alone[seed] = project.copy(tmp_path / f"clone {seed}"), project.copy(tmp_path / f"alone {seed}")
        clones[seed].change(seed)
        alone[seed].change(seed)
    for process in [_start(clone) for clone in clones.values()]:
        assert (process.communicate()[1], process.returncode) == (None, 0)
    for seed, clone in alone.items():
        clone.train()
        assert clone.hashes() == clones[seed].hashes()


def test_another_running_dvc_is_one_line(project):
    with _start(project, sys.executable, "-c", HOLD) as holder:
        assert "1" in holder.stdout.readline()
        message = project.refused("train")
        holder.kill()
    assert "another DVC is running in this folder" in message


def test_a_poisoned_copy_of_a_future_output_is_not_used(project, tmp_path):
    """An attacker who knows the output of a training could store another object under its name."""
    made = project.copy(tmp_path / "made")
    made.change(2)
    made.train()
    for path in made.objects(""):
        poison(path)
    for path in made.objects():
        target = project.root / path.relative_to(made.root)
        target.unlink(missing_ok=True)  # read-only, so only root could write over it
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    project.change(2)
    project.train()
    assert made.hashes() == project.hashes()
