"""One function runs git: its output does not depend on the user's settings, and no exit status is ignored."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.errors import UserError
from slipway.git import Git, GitError, GitReadError, PushRaceError, PushRejectedError, command, refused_push
from slipway.git.changed_paths import renamed
from slipway.git.command import UnreachableRemoteError
from slipway.git.history import parse
from tests import hostile_git

AUTHOR = ["-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org"]
NAMES = ["a.txt", "docs/with space.md", "docs/ünï.md", "src/[x]*.py", "src/crlf.py", "src/tab\tname"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *AUTHOR, *arguments]
    done = subprocess.run(command, cwd=folder, env=hostile_git.without(), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "Change", **options: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path):
    """A repository with two commits, and its bare origin."""
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main", "--template=")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"one\r\ntwo\n")
    commit(root, "Begin")
    (root / "docs/ünï.md").rename(root / "docs/other.md")
    (root / "a.txt").write_text("changed\n")
    commit(root, "Change ä\n\nA body.\n\nDigest: sha256:1\nBuilt-from: c\n")
    git(root, "init", "--quiet", "--bare", "--initial-branch=main", "--template=", str(tmp_path / "origin.git"))
    git(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(root, "push", "--quiet", "origin", "main")
    return root


def answers(root: Path) -> dict[str, object]:
    """Return the output of every reading function, with untracked and edited files in the work tree."""
    (root / "a.txt").write_text("edited\n")
    (root / "new/file.py").parent.mkdir(exist_ok=True)
    (root / "new/file.py").write_text("new\n")
    repository = Git(root)
    head = str(repository.head())
    with tarfile.open(fileobj=io.BytesIO(repository.archive(head))) as tar:
        files = {member.name: (member.mode, tar.extractfile(member).read()) for member in tar if member.isfile()}
    return {
        "head": head,
        "history": repository.history("HEAD"),
        "history of a path": repository.history("HEAD", paths=["docs/other.md"]),
        "entries": repository.entries(head),
        "content": {name: repository.read(head, name) for name in [*NAMES, "docs/other.md", "nothing"]},
        "changed": repository.changed(f"{head}~", head),
        "edited": repository.edited(),
        "tracked": repository.tracked("docs"),
        "untracked": repository.untracked("new"),
        "archive": files,
        "remote": repository.remote_refs("origin"),
        "ancestor": (repository.is_ancestor(f"{head}~", head), repository.is_ancestor(head, f"{head}~")),
        "porcelain": repository.run("log", "--format=%H %s"),
    }


def test_settings_variables_and_hooks_of_the_user_change_no_output(root, tmp_path, monkeypatch):
    plain = answers(root)
    hostile_git.apply(tmp_path / "user", monkeypatch)
    assert plain == answers(root)


@pytest.mark.parametrize("name", ["log.showSignature", "status.showUntrackedFiles", "color.branch", "core.quotePath"])
def test_a_setting_that_is_not_pinned_changes_the_output(root, tmp_path, monkeypatch, name):
    """The comparison above can fail: each of these settings has an effect when it is not pinned."""
    plain = plainly(root)
    hostile_git.apply(tmp_path / "user", monkeypatch)
    monkeypatch.setattr(command, "PINNED", {key: value for key, value in command.PINNED.items() if key != name})
    assert plain != plainly(root)


def plainly(root: Path) -> list[str]:
    signed = Git(root).run("hash-object", "-t", "commit", "-w", "--stdin", stdin=SIGNED.replace("TREE", _tree(root)))
    (root / "new").mkdir(exist_ok=True)
    (root / "new/file.py").write_text("new\n")
    read = [["log", "-1", "--format=%s", signed], ["status", "--porcelain"], ["branch"], ["ls-tree", "-r", "HEAD~"]]
    return [Git(root).run(*arguments) for arguments in read]


def _tree(root: Path) -> str:
    return git(root, "rev-parse", "HEAD^{tree}")


SIGNED = """\
tree TREE
author Ada Lovelace <ada@example.org> 1770000000 +0545
committer Ada Lovelace <ada@example.org> 1770000000 -0330
gpgsig -----BEGIN SSH SIGNATURE-----
 tree of another
 -----END SSH SIGNATURE-----

Retrain

Retraining: drift
"""


def test_a_signed_commit_is_parsed_without_its_signature():
    signed = parse("c" * 40, SIGNED.encode())
    assert ("TREE", (), "Retrain", {"Retraining": "drift"}) == (
        signed.tree,
        signed.parents,
        signed.subject,
        signed.trailers,
    )
    assert ("2026-02-02T08:25:00+05:45", "2026-02-01T23:10:00-03:30") == (
        signed.authored.isoformat(),
        signed.committed.isoformat(),
    )


def test_a_message_in_another_encoding_is_decoded():
    identity = "Zoë <z@example.org> 1 +0000"
    content = f"tree t\nauthor {identity}\ncommitter {identity}\nencoding ISO-8859-1\n\nÄnderung\n"
    decoded = parse("c" * 40, content.encode("iso-8859-1"))
    assert ("Zoë", "Änderung") == (decoded.author, decoded.subject)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Subject: alone", {}),
        ("Subject\n\nbody", {}),
        ("Subject\n\nbody\n\nA: 1\nB: 2\n", {"A": "1", "B": "2"}),
        ("Subject\n\nA: 1\n  more\nB: 2\n\n\n", {"A": "1 more", "B": "2"}),
        ("Subject\n\nA: 1\n\nplain words\n", {}),
        ("Subject\n\nplain words\nA: 1\n", {}),
        ("Subject\n\nsmoke: rows: pass (a; b)\n\nA: https://example.org/x\n", {"A": "https://example.org/x"}),
    ],
)
def test_trailers_are_the_last_paragraph_as_git_reads_them(root, message, expected):
    git(root, "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "--message", message)
    trailers = Git(root).read_commit("HEAD").trailers
    printed = git(root, "log", "-1", "--format=%(trailers:only,unfold)").splitlines()
    assert expected == trailers
    assert all(f"{key}: {value}" in printed for key, value in trailers.items())


def test_reading_a_file_returns_content_or_none_or_raises(root):
    repository, blob = Git(root), git(root, "rev-parse", "HEAD:a.txt")
    assert b"changed\n" == repository.read("HEAD", "a.txt")
    assert repository.read("HEAD", "b.txt") is None
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitReadError, match=f"HEAD:a.txt: .*{blob}"):
        repository.read("HEAD", "a.txt")


@pytest.mark.parametrize("lost", ["HEAD:docs", "HEAD^{tree}"])
def test_a_folder_that_cannot_be_read_is_not_an_absent_file(root, lost):
    tree = git(root, "rev-parse", lost)
    (root / ".git/objects" / tree[:2] / tree[2:]).unlink()
    for path in ("docs/other.md", "docs/nothing.md"):
        with pytest.raises(GitReadError):
            Git(root).read("HEAD", path)


def test_a_branch_whose_commit_is_missing_is_not_an_absent_branch(root):
    repository, head = Git(root), git(root, "rev-parse", "HEAD")
    assert repository.resolve("origin/nothing") is None
    (root / ".git/objects" / head[:2] / head[2:]).unlink()
    for read in (repository.resolve, repository.read_commit, repository.history):
        with pytest.raises(GitReadError):
            read("main")


def test_reading_outside_of_a_repository_is_an_error(tmp_path):
    for read in (Git(tmp_path).head, Git(tmp_path).edited, Git(tmp_path / "nothing").tracked):
        with pytest.raises(GitError, match="fatal: "):
            read()


def test_a_machine_without_git_is_an_error(root, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GitError, match="git: not found; install it"):
        Git(root).head()


def test_a_remote_that_is_not_there_is_one_line_with_what_to_check(root):
    message = "away: not reached \\(fatal: 'away' does not appear to be a git repository\\); check its address"
    with pytest.raises(UnreachableRemoteError, match=message):
        Git(root).remote_refs("away")


def test_a_command_that_hangs_is_ended(root, tmp_path):
    hostile_git.program(tmp_path / "origin.git/hooks/pre-receive", "sleep 5")
    commit(root)
    with pytest.raises(GitError, match=r"git push: no answer in 0\.2 s"):
        Git(root).run("push", "origin", "main:refs/heads/main", seconds=0.2)


def test_a_shallow_clone_ends_at_a_commit_that_has_parents(root, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{tmp_path}/origin.git", "shallow")
    shallow = Git(tmp_path / "shallow")
    assert shallow.is_shallow()
    assert shallow.is_shallow_boundary(shallow.read_commit("HEAD"))
    assert [False, True] == [Git(root).is_shallow(), not Git(root).is_shallow_boundary(Git(root).read_commit("HEAD"))]


def test_paths_of_a_folder_inside_a_repository_begin_with_a_dot(root):
    inner = Git(root / "docs")
    assert inner.read("HEAD", "./other.md") == inner.read("HEAD", "docs/other.md") == b"one\r\ntwo\n"
    assert inner.read("HEAD", "./a.txt") is None


@pytest.mark.parametrize("path", ["a.txt", "docs/with space.md", "docs/other.md", "docs", "src/[x]*.py", "none"])
def test_a_file_of_several_commits_is_what_each_of_them_has(root, path):
    commits = [commit.id for commit in Git(root).history("HEAD")]
    assert [Git(root).read(commit, path) for commit in commits] == Git(root).read_each(commits, path)


def test_a_file_of_an_unknown_commit_is_refused(root):
    with pytest.raises(GitReadError):
        Git(root).read_each(["HEAD", "f" * 40], "a.txt")


def test_both_paths_of_a_rename_are_returned(root):
    changes = Git(root).changed("HEAD~", "HEAD")
    assert {"a.txt": "modified", "docs/other.md": "added", "docs/ünï.md": "deleted"} == {
        change.path: change.kind for change in changes
    }
    assert {"docs/other.md": "docs/ünï.md"} == renamed(changes)


@settings(max_examples=15)
@given(st.dictionaries(st.sampled_from(["b", "docs/b", "a.txt"]), st.binary(max_size=20) | st.none()))
def test_a_tree_is_the_base_with_the_changed_files(tmp_path_factory, files):
    repository = Git(tmp_path_factory.mktemp("bare"))  # not their parent, in which others would find a repository
    repository.run("init", "--quiet", "--bare")
    base = repository.tree(None, {"a.txt": b"a", "c": b"c"})
    kept = {"a.txt": b"a", "c": b"c", **files}
    entries = repository.entries(repository.tree(base, files))
    assert {name for name, content in kept.items() if content is not None} == set(entries)


# Pushes.

GH013 = """\
error: GH013: Repository rule violations found for refs/heads/deploy.
Review all repository rules at https://bot:ghs_0123456789012345678901234567890123456789@example.org/rules

- Cannot update this protected ref.
"""
GH001 = """\
error: GH001: Large files detected. You may want to try Git Large File Storage - https://git-lfs.github.com.
error: File model.skops is 123.00 MB; this exceeds the file size limit of 100.00 MB
"""


def refuse(tmp_path: Path, words: str) -> None:
    hostile_git.program(tmp_path / "origin.git/hooks/pre-receive", f"cat >&2 <<'END'\n{words}END\nexit 1")


@pytest.mark.parametrize("words", [GH013, GH001])
def test_a_refusal_quotes_the_remote_without_credentials(root, tmp_path, words):
    refuse(tmp_path, words)
    commit(root)
    with pytest.raises(PushRejectedError) as error:
        Git(root).push("origin", "main:refs/heads/deploy")
    text = str(error.value)
    assert text.startswith("origin: refused the push to deploy: pre-receive hook declined; remote: error: GH0")
    assert all(line.strip().partition("https://")[0] in text for line in words.splitlines())
    assert "ghs_" not in text
    assert "bot" not in text
    assert "\n" not in text


def races(root: Path, origin: Path) -> dict[str, list[str]]:
    """Return refspecs that lose a race against another push, by git's reason."""
    other = root.parent / "other"
    git(root.parent, "clone", "--quiet", str(origin), str(other))
    theirs = commit(other, "Theirs")
    git(other, "tag", "v1")
    git(other, "push", "--quiet", "origin", "main", "v1")
    git(root, "tag", "v1")
    commit(root, "Ours")
    return {
        "fetch first": ["main:refs/heads/main"],
        "already exists": ["main:refs/heads/free", "v1:refs/tags/v1"],
        "stale info": ["main:refs/heads/main", f"--force-with-lease={theirs}"],
    }


@pytest.mark.parametrize("reason", ["fetch first", "already exists", "stale info", "non-fast-forward"])
def test_a_push_that_loses_a_race_changes_nothing(root, tmp_path, reason):
    if reason == "non-fast-forward":
        refspecs, lease = ["main~:refs/heads/main"], None
    else:
        refspecs = [word for word in races(root, tmp_path / "origin.git")[reason] if ":" in word]
        lease = f"refs/heads/main:{'1' * 40}" if reason == "stale info" else None
    before = Git(root).remote_refs("origin")
    with pytest.raises(PushRaceError, match=rf"\({reason}\); nothing was changed, run it again"):
        Git(root).push("origin", *refspecs, lease=lease)
    assert before == Git(root).remote_refs("origin")


def test_a_missing_remote_is_neither_a_race_nor_a_refusal(root):
    with pytest.raises(GitError, match="does not appear to be a git repository") as error:
        Git(root).push(str(root / "nowhere"), "main:refs/heads/main")
    assert GitError is type(error.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("!\tc:refs/heads/deploy\t[rejected] (non-fast-forward)", PushRaceError),
        ("!\tc:refs/heads/deploy\t[rejected] (needs force)", PushRaceError),
        ("!\tc:refs/tags/v1\t[rejected] (atomic push failed)", PushRaceError),
        ("!\tc:refs/heads/deploy\t[remote rejected] (refusing to allow a GitHub App)", PushRejectedError),
        ("!\tc:refs/heads/deploy\t[remote rejected] (non-fast-forward)", PushRejectedError),
        ("!\tc:refs/heads/deploy\t[remote failure] (remote failed to report status)", PushRejectedError),
        ("!\tc:refs/heads/deploy\t[no match]", PushRejectedError),
        ("=\tc:refs/heads/deploy\t[up to date]", type(None)),
        ("fatal: unable to access", type(None)),
    ],
)
def test_only_what_git_itself_rejected_is_a_race(line, expected):
    assert expected is type(refused_push.error("origin", f"To origin\n{line}\nDone\n", ""))


def test_a_refusal_next_to_a_race_is_a_refusal():
    lines = "!\ta:refs/heads/a\t[rejected] (fetch first)\n!\tb:refs/heads/b\t[remote rejected] (hook declined)\n"
    assert isinstance(refused_push.error("origin", lines, ""), PushRejectedError)


def test_every_error_of_git_is_a_user_error():
    assert all(issubclass(error, UserError) for error in (GitError, GitReadError, PushRaceError, PushRejectedError))
