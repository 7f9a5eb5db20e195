"""The stand-in of actions/download-artifact puts files where v8.0.1 does, as read in its `src/download-artifact.ts`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from slipway.local import act

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = act.STANDINS / "actions" / "download-artifact" / "download.sh"


@pytest.fixture
def download(tmp_path):
    """Run the stand-in on the artifacts `results-build` and `results-staging`, or fewer. Returns files and output."""

    def run(
        *artifacts: str, name: str = "", pattern: str = "", path: str = "there", shared: str = "false"
    ) -> tuple[int, set[str], str]:
        for artifact in artifacts:
            (tmp_path / "artifacts" / artifact / "report").mkdir(parents=True)
            (tmp_path / "artifacts" / artifact / f"{artifact}.json").touch()
            (tmp_path / "artifacts" / artifact / "report/page.html").touch()
        env = {
            "NAME": name,
            "PATTERN": pattern,
            "FOLDER": path,
            "MERGE_MULTIPLE": shared,
            "HOME": str(tmp_path / "home"),
        }
        env |= {"SLIPWAY_ARTIFACTS": str(tmp_path / "artifacts"), "GITHUB_OUTPUT": str(tmp_path / "output")}
        env |= {"GITHUB_WORKSPACE": str(tmp_path / "work"), "PATH": "/usr/bin:/bin"}
        (tmp_path / "work").mkdir()
        done = subprocess.run(
            ["bash", str(SCRIPT)], cwd=tmp_path / "work", env=env, capture_output=True, text=True, check=False
        )
        return done.returncode, _files(tmp_path), done.stdout + done.stderr

    return run


def _files(folder: Path) -> set[str]:
    kept = (folder / "artifacts", folder / "output")
    files = (path for path in folder.rglob("*.json"))
    return {str(path.relative_to(folder)) for path in files if not any(path.is_relative_to(place) for place in kept)}


BOTH = ("results-build", "results-staging")


@pytest.mark.parametrize(
    ("artifacts", "inputs", "expected"),
    [
        (BOTH, {"name": "results-build"}, {"work/there/results-build.json"}),
        (BOTH, {"name": "results-build", "pattern": "results-s*"}, {"work/there/results-build.json"}),
        (BOTH[:1], {"pattern": "results-*"}, {"work/there/results-build.json"}),
        (BOTH, {"pattern": "*-build"}, {"work/there/results-build.json"}),
        (BOTH, {"pattern": "results-*"}, {f"work/there/{name}/{name}.json" for name in BOTH}),
        (BOTH, {"pattern": "results-*", "shared": "true"}, {f"work/there/{name}.json" for name in BOTH}),
        (BOTH, {"shared": "TRUE"}, {f"work/there/{name}.json" for name in BOTH}),
        (BOTH, {}, {f"work/there/{name}/{name}.json" for name in BOTH}),
        (BOTH, {"pattern": "other-*"}, set()),
        (BOTH[:1], {"name": "results-build", "path": ""}, {"work/results-build.json"}),
        (BOTH[:1], {"name": "results-build", "path": "~/x"}, {"home/x/results-build.json"}),
        ((), {}, set()),
    ],
)
def test_files_are_where_the_action_writes_them(download, artifacts, inputs, expected):
    code, files, _ = download(*artifacts, **inputs)
    assert (0, expected) == (code, files)


def test_no_match_succeeds_and_makes_no_folder(download, tmp_path):
    code, _, output = download(*BOTH, pattern="other-*")
    assert (0, False) == (code, (tmp_path / "work" / "there").exists())
    assert "Total of 0 artifact(s) downloaded" in output


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"name": "results-production"}, "Artifact not found for name: results-production"),
        ({"shared": "yes"}, "merge-multiple: 'yes' is not a boolean"),
        ({"pattern": "results-{build,staging}"}, "the local stand-in supports * and ? only"),
    ],
)
def test_what_the_action_rejects_fails_with_its_reason(download, inputs, reason):
    code, files, output = download(*BOTH, **inputs)
    assert (1, set()) == (code, files)
    assert reason in output
