"""The systemd unit of the agent: systemd accepts it, and the services outlive a restart of the agent."""

from __future__ import annotations

import subprocess
from pathlib import Path

UNIT = Path(__file__).parents[2] / "deploy/systemd/slipway-agent@.service"
SLIPWAY = "/opt/slipway/.venv/bin/slipway"


def _problems(program: str, folder: Path, text: str) -> str:
    """Return what systemd reports about a unit whose program is installed."""
    unit = folder / "slipway-agent@production.service"
    unit.write_text(text.replace(f"ExecStart={SLIPWAY}", "ExecStart=/bin/true"), encoding="utf-8")
    return subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, check=False).stderr


def test_systemd_accepts_the_unit_and_would_report_an_unknown_setting(tool, tmp_path):
    program, text = tool("systemd-analyze"), UNIT.read_text(encoding="utf-8")
    assert "" == _problems(program, tmp_path, text)
    assert "Unknown key" in _problems(program, tmp_path, text.replace("KillMode=", "KillsMode="))


def test_services_continue_when_the_agent_restarts():
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert {"KillMode=process", "Restart=always", f"ExecStart={SLIPWAY} agent --environment %i"} <= {*lines}
