"""A project whose workflows run under act, with fake programs in place of tools and a local GitHub API."""

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


class ActProject:
    """A project with the shipped workflows, and a local replacement of GitHub's API."""

    def __init__(self, project: conftest.Project, folder: Path, github: github_api.GitHub) -> None:
        self.project, self.folder, self.github = project, folder, github
        for name in (".ci", ".github"):
            shutil.copytree(ROOT / name, project.root / name, dirs_exist_ok=True)
        shutil.copy(ROOT / "params.yaml", project.root)

    def replace_tool(self, name: str, text: str) -> None:
        """Put the script `text` on the PATH in place of a tool. It may append its calls to the file $CALLS."""
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
    ) -> act.WorkflowRun:
        """Run a workflow on an event; `env` configures the fake programs."""
        home = Home(self.folder / "home")
        home.temporary.mkdir(parents=True, exist_ok=True)
        inherited = home.environment()
        path = os.pathsep.join([str(self.folder / "bin"), inherited["PATH"]])
        env = inherited | os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")} | env
        env |= {"CALLS": str(self.folder / "calls"), "GITHUB_SERVER_URL": "https://github.example"}
        env |= {"GH_HOST": self.github.address, "GH_ENTERPRISE_TOKEN": "token"}
        env |= {"SSL_CERT_FILE": self.github.certificate}
        complete = act.GitHubEvent(event, {"repository": {"full_name": act.REPOSITORY}} | payload)
        folder = self.folder / "runs" / str(len(list(self.folder.glob("runs/*"))))
        variables = {"SLIPWAY_STORE": os.environ["SLIPWAY_STORE"]} | variables
        return act.run(workflow, self.project.root, complete, folder, env=env, variables=variables, log=print)

    @property
    def calls(self) -> list[str]:
        """The calls that the fake programs recorded, in order."""
        return (self.folder / "calls").read_text().splitlines()
