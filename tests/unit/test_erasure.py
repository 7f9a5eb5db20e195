"""An erasure removes a data subject from every version of the data, and one that is killed can be continued."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from dvc_objects.db import ObjectDB
from pydantic import BaseModel

from slipway.dvc.files import parse_pointer
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.place import Place
from slipway.erasure import erasure_log, file_formats, logged_rows, object_stores, subject_erasure
from slipway.errors import ArgumentError, DataError, SettingError, UnreadableFileError, WorkTreeError
from slipway.git import Git
from slipway.monitoring.collect import Collection
from tests.git_repository import git

KEY = "4711"
CSV = 'subject,note\n4711,"two\nlines"\n12,x4711\n 4711 ,last\n13,"a ""b"""\n'
WITHOUT = 'subject,note\n12,x4711\n13,"a ""b"""\n'
PIPELINE = "stages: {}\nartifacts:\n  model:\n    path: model\n"


class Row(BaseModel):
    subject: str
    size: float


def parquet(*subjects: int) -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame({"subject": subjects, "size": [1.5] * len(subjects)}).to_parquet(buffer, index=False)
    return buffer.getvalue()


A, B, C, D = CSV.encode(), parquet(1, 2), parquet(4711, 5, 4711), b"subject,note\n7,only here\n"
"""Files: A and C hold the subject, B is in every version, D in the version of another branch only."""
PREPARED = b"prepared 4711"


def stored(folder: Path, content: bytes, suffix: str = "") -> str:
    """Store an object in the cache and in the remote, and return its digest."""
    digest = object_stores.md5(content)
    for place in (folder / ".dvc/cache", folder.parent / "remote"):
        path = place / "files/md5" / digest[:2] / f"{digest[2:]}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)
    return f"{digest}{suffix}"


def version(folder: Path, **files: bytes) -> str:
    """Store a version of the data with its pointer and lock, commit it, and return its digest."""
    entries = [{"md5": stored(folder, content), "relpath": name.replace("_", ".")} for name, content in files.items()]
    digest = stored(folder, subject_erasure.listing(entries), ".dir")
    size = sum(map(len, files.values()))
    out = f"- md5: {digest}\n  size: {size}\n  nfiles: {len(files)}\n  hash: md5\n  path: data\n"
    (folder / "data.dvc").write_text(f"outs:\n{out}")
    member = stored(folder, PREPARED + digest.encode())
    prepared = stored(folder, subject_erasure.listing([{"md5": member, "relpath": "train.parquet"}]), ".dir")
    stages = {
        "prepare": {"deps": [{"path": "data", "md5": digest}], "outs": [{"path": "build/prepared", "md5": prepared}]},
        "export": {"outs": [{"path": "model", "md5": stored(folder, b"model of " + digest.encode())}]},
    }
    (folder / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    git("-C", str(folder), "add", "--all")
    git("-C", str(folder), "commit", "--quiet", "--message", f"Data {digest}")
    return digest


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """Return a repository with three versions of its data, one on a branch, and two releases."""
    base = tmp_path_factory.mktemp("erasure")
    folder = base / "work"
    git("init", "--quiet", str(folder))
    git("-C", str(base), "init", "--quiet", "--bare", str(base / "origin.git"))
    git("-C", str(folder), "remote", "add", "origin", "../origin.git")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text(f"[core]\n    remote = far\n['remote \"far\"']\n    url = {base}/remote\n")
    (folder / ".gitignore").write_text("/data\n/build\n.dvc/cache\n.dvc/tmp\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    versions = {"first": version(folder, a_csv=A, b_parquet=B)}
    publish(Git(folder), "v0.1.0")
    git("-C", str(folder), "switch", "--quiet", "--create", "other")
    versions["other"] = version(folder, b_parquet=B, d_csv=D)
    publish(Git(folder), "v0.2.0")
    git("-C", str(folder), "push", "--quiet", "origin", "other")
    git("-C", str(folder), "switch", "--quiet", "-")
    git("-C", str(folder), "branch", "--quiet", "-D", "other")
    versions["newest"] = version(folder, a_csv=A, b_parquet=B, c_parquet=C)
    (base / "versions.json").write_text(json.dumps(versions))
    for name, content in {"a.csv": A, "b.parquet": B, "c.parquet": C}.items():
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / name).write_bytes(content)
    (folder / "build/prepared").mkdir(parents=True)
    (folder / "build/prepared/train.parquet").write_bytes(PREPARED)
    for release in ("v0.1.0", "v0.2.0"):
        (base / "store" / release).mkdir(parents=True)
    return base


def publish(repository: Git, release: str) -> None:
    branch, head = DeployBranch(repository), repository.head()
    branch.fetch()
    assert head
    branch.publish(f"Release {release}", (release, f"sha256:{release}", head), {}, ["environments"])


class Project:
    """A copy of the template with a prediction log."""

    def __init__(self, base: Path) -> None:
        self.base, self.folder = base, base / "work"
        self.versions: dict[str, str] = json.loads((base / "versions.json").read_text())
        self.log = Place.of("production").predictions / "predictions-1.jsonl"
        self.log.parent.mkdir(parents=True)
        rows = [("r1", "4711"), (KEY, "8"), ("r3", "9")]
        self.log.write_text("".join(line(request, subject) for request, subject in rows))
        self.collection = Collection(str(Place.of("production").collected), Row)
        self.collection.collect(self.log.parent)

    def objects(self) -> dict[str, bytes]:
        places = (self.folder / ".dvc/cache", self.base / "remote")
        files = [path for place in places for path in (place / "files/md5").rglob("*") if path.is_file()]
        return {str(path.relative_to(self.base)): path.read_bytes() for path in files}

    def data(self, digest: str) -> dict[str, bytes]:
        """Return the files of a version from the remote."""
        return {entry["relpath"]: self.remote(entry["md5"]) for entry in json.loads(self.remote(digest))}

    def remote(self, digest: str) -> bytes:
        return (self.base / "remote/files/md5" / digest[:2] / digest[2:]).read_bytes()

    def assert_erased(self) -> None:
        log = erasure_log.read()
        assert log.unfinished is None
        assert [] == [path for path, content in self.objects().items() if holds_subject(content)]
        for name in ("first", "newest"):
            successor = log.replaced[self.versions[name]]
            assert {"a.csv": WITHOUT.encode(), "b.parquet": B} == {
                file: content for file, content in self.data(successor).items() if file != "c.parquet"
            }
        pointer = parse_pointer((self.folder / "data.dvc").read_text()).outs[0]
        assert log.replaced[self.versions["newest"]] == pointer.md5
        files = self.data(pointer.md5)
        assert [5] == pq.read_table(io.BytesIO(files["c.parquet"]))["subject"].to_pylist()
        assert pointer.size == sum(map(len, files.values()))
        assert files == {path.name: path.read_bytes() for path in (self.folder / "data").iterdir()}
        assert {"b.parquet": B, "d.csv": D} == self.data(self.versions["other"])
        assert {"r3"} == {json.loads(text)["request_id"] for text in self.log.read_text().splitlines() if text.strip()}
        assert ["r3"] == self.collected()
        notes = {path.parent.name for path in (self.base / "store").rglob("erased-rows-*.json")}
        assert {"v0.1.0.evidence"} == notes
        assert ["v0.1.0"] == log.erasures[0].releases
        assert KEY not in (self.folder / "erasures.json").read_text()
        assert not (self.folder / "build/prepared/train.parquet").exists()

    def collected(self) -> list[str]:
        parts = [path for day in self.collection.days() for path in self.collection._parts(day)]
        return [
            request
            for part in parts
            for request in pq.read_table(part, partitioning=None)["log.request_id"].to_pylist()
        ]


def holds_subject(content: bytes) -> bool:
    """Return whether an object has a row of the subject; a model and a digest may have the number by chance."""
    if content.startswith(PREPARED):
        return not content.endswith(_other)
    if content.startswith(b"PAR1"):
        return KEY in map(str, pq.read_table(io.BytesIO(content))["subject"].to_pylist())
    return b"4711," in content or b" 4711 ," in content


_other = b""


def line(request: str, subject: str) -> str:
    record = {"release": "v1", "time": "2026-01-31T12:00:00.000+00:00", "request_id": request, "index": 0}
    return json.dumps(record | {"row": {"subject": subject, "size": 1.5}, "prediction": 0.5}) + "\n"


@pytest.fixture
def project(template, tmp_path, monkeypatch) -> Project:
    return opened(template, tmp_path / "copy", monkeypatch)


def opened(template: Path, base: Path, monkeypatch) -> Project:
    global _other
    shutil.copytree(template, base, symlinks=True)
    config = base / "work/.dvc/config"
    config.write_text(config.read_text().replace(str(template), str(base)))
    monkeypatch.chdir(base / "work")
    monkeypatch.setenv("SLIPWAY_HOME", str(base / "home"))
    monkeypatch.setenv("SLIPWAY_STORE", (base / "store").as_uri())
    monkeypatch.delenv("SLIPWAY_COLLECTED", raising=False)
    monkeypatch.setattr(subject_erasure.problem, "SUBJECT_KEY", "subject", raising=False)
    monkeypatch.setattr(logged_rows.problem, "Row", Row)
    project = Project(base)
    _other = project.versions["other"].encode()
    return project


def test_an_erasure_leaves_no_row_in_any_version_object_or_log(project, capsys):
    subject_erasure.erase(KEY, confirmed=True)
    project.assert_erased()
    assert "data: 4 rows in 2 files and 2 folders of all versions" in capsys.readouterr().out
    before = project.objects()
    subject_erasure.erase(KEY, confirmed=True)
    assert "nothing to erase" in capsys.readouterr().out
    assert before == project.objects()
    assert 1 == len(erasure_log.read().erasures)


def test_without_confirmation_nothing_changes(project, capsys):
    before, log = project.objects(), project.log.read_bytes()
    subject_erasure.erase(KEY, confirmed=False)
    printed = capsys.readouterr().out
    assert "prediction log of production: 4 rows" in printed
    assert "releases trained on them: v0.1.0" in printed
    assert "pass --yes" in printed
    assert (before, log) == (project.objects(), project.log.read_bytes())
    assert not Path("erasures.json").exists()


def test_the_collector_continues_after_an_erasure(project):
    size = project.log.stat().st_size
    subject_erasure.erase(KEY, confirmed=True)
    assert size == project.log.stat().st_size
    with project.log.open("a") as file:
        file.write("damaged\n" + line("r4", "10"))
    assert (1, 1) == (lambda counts: (counts.rows, counts.unreadable))(project.collection.collect(project.log.parent))
    shutil.rmtree(project.collection.url)
    counts = Collection(project.collection.url, Row).collect(project.log.parent)
    assert (2, 1) == (counts.rows, counts.unreadable)


class KilledError(BaseException):
    """The process ends before an effect."""


EFFECTS = [
    *((ObjectDB, name) for name in ("add_bytes", "delete")),
    *((subject_erasure, name) for name in ("write_bytes", "write_text", "write_json")),
    *((erasure_log, name) for name in ("write",)),
    (logged_rows.os, "pwrite"),
    (Collection, "_write"),
]
"""Every function that changes something outside of the process."""
KILL_STEP = 4  # effects from one kill to the next; 1 kills before each, in a minute of processor time


def test_a_kill_before_any_effect_can_be_continued(template, tmp_path, monkeypatch):
    kills = 0
    for number in range(1, 100, KILL_STEP):
        project, remaining = opened(template, tmp_path / str(number), monkeypatch), [number]
        with monkeypatch.context() as patch:
            for owner, name in EFFECTS:
                patch.setattr(owner, name, killing(getattr(owner, name), remaining))
            try:
                subject_erasure.erase(KEY, confirmed=True)
            except KilledError:
                kills += 1
        if remaining[0] > 0:
            break
        subject_erasure.erase(KEY, confirmed=True)
        project.assert_erased()
    assert 33 <= kills * KILL_STEP


def killing(effect: Any, remaining: list[int]) -> Any:
    def run(*arguments: Any, **options: Any) -> Any:
        remaining[0] -= 1
        if not remaining[0]:
            raise KilledError
        return effect(*arguments, **options)

    return run


def test_an_incomplete_erasure_continues_only_with_its_key(project, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(logged_rows, "erase", killing(logged_rows.erase, [1]))
        with pytest.raises(KilledError):
            subject_erasure.erase(KEY, confirmed=True)
    with pytest.raises(ArgumentError, match=r"erasures.json: the erasure of .* is incomplete"):
        subject_erasure.erase("12", confirmed=True)
    subject_erasure.erase(KEY, confirmed=True)
    project.assert_erased()


def test_a_store_in_git_is_refused(project):
    config = project.folder / ".dvc/config"
    config.write_text(config.read_text().replace(f"{project.base}/remote", "../.dvcstore"))
    with pytest.raises(SettingError, match=r"^\.dvcstore: the data is committed in git, whose commits cannot change; "):
        subject_erasure.erase(KEY, confirmed=True)


def test_a_problem_without_the_column_is_refused(project, monkeypatch):
    monkeypatch.setattr(subject_erasure.problem, "SUBJECT_KEY", "patient")
    with pytest.raises(DataError, match="no file in any version of the data has the column patient"):
        subject_erasure.erase(KEY, confirmed=True)
    monkeypatch.delattr(subject_erasure.problem, "SUBJECT_KEY")
    with pytest.raises(SettingError, match="SUBJECT_KEY is missing"):
        subject_erasure.erase(KEY, confirmed=True)


def test_an_edited_file_is_refused_before_any_effect(project):
    before = project.objects()
    (project.folder / "data/a.csv").write_text("edited")
    with pytest.raises(WorkTreeError, match=r"^data/a.csv: differs from data.dvc"):
        subject_erasure.erase(KEY, confirmed=True)
    assert before == project.objects()


@pytest.mark.parametrize("name", ["rows.json", "rows.parquet", "rows.csv.gz"])
def test_a_file_that_cannot_be_read_is_refused(name):
    with pytest.raises(UnreadableFileError, match=f"^{name}: .*nothing was changed"):
        file_formats.without_subject(name, b"{}", "subject", KEY)
