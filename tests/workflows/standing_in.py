"""Runs of the workflows of a project on GitHub, in which programs of our own stand in for tools."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.local import act
from slipway.local.home import Home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests import github_api
    from tests.delivery import conftest

ROOT = Path(__file__).parents[2]


class OnGitHub:
    """A project with the workflows as they are shipped, and the stand-in of GitHub's API."""

    def __init__(self, project: conftest.Project, folder: Path, github: github_api.GitHub) -> None:
        self.project, self.folder, self.github = project, folder, github
        for name in (".ci", ".github"):
            shutil.copytree(ROOT / name, project.root / name, dirs_exist_ok=True)
        shutil.copy(ROOT / "params.yaml", project.root)

    def stand_in(self, name: str, text: str) -> None:
        """Let the program `text` be found in the place of a tool; it may note in the file $ASKED what it is asked."""
        tool = self.folder / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(text)
        tool.chmod(0o755)

    def act(
        self,
        workflow: str,
        event: str,
        payload: Mapping[str, Any],
        env: Mapping[str, str],
        variables: Mapping[str, str],
    ) -> act.Run:
        """Run a workflow on an event; `env` is what the programs that stand in are told."""
        home = Home(self.folder / "home")
        home.temporary.mkdir(parents=True, exist_ok=True)
        known = home.environment()
        path = os.pathsep.join([str(self.folder / "bin"), known["PATH"]])
        env = known | os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")} | env
        env |= {"ASKED": str(self.folder / "asked"), "GITHUB_SERVER_URL": "https://github.example"}
        env |= {"GH_HOST": self.github.address, "GH_ENTERPRISE_TOKEN": "token"}
        env |= {"SSL_CERT_FILE": self.github.certificate}
        told = act.Event(event, {"repository": {"full_name": act.REPOSITORY}} | payload)
        folder = self.folder / "runs" / str(len(list(self.folder.glob("runs/*"))))
        variables = {"SLIPWAY_STORE": os.environ["SLIPWAY_STORE"]} | variables
        return act.run(workflow, self.project.root, told, folder, env=env, variables=variables, log=print)

    @property
    def asked(self) -> list[str]:
        """What the programs that stand in noted, in order."""
        return (self.folder / "asked").read_text().splitlines()
