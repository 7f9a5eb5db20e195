"""Programs of `slipway new` run in processes that have imported their packages, and behave as in a new Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import psutil
import pytest

from slipway import preloaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]
PACKAGE = "wave"  # a module that nothing else imports


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    with preloaded.started({"PALETTE": "of the server"}, [PACKAGE]) as started:
        yield started.python


def run_by(python: Path | str, folder: Path) -> Run:
    """Return a function that runs a source as a module in `folder`."""

    def run(source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (folder / "program.py").write_text(source, encoding="utf-8")
        command = [str(python), "-m", "program", *arguments]
        variables = os.environ | {
            "COLOR": "red",
            "TZ": "UTC-3",
            "TMPDIR": str(folder),
            "PYTHONPATH": str(folder / "src"),
        }
        return subprocess.run(
            command, cwd=folder, env=variables, input="input", capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def run(server, tmp_path) -> Run:
    return run_by(server, tmp_path)


@pytest.fixture
def run_with_pydantic(tmp_path) -> Iterator[Run]:
    with preloaded.started({}, ["pydantic"]) as started:
        yield run_by(started.python, tmp_path)


def test_packages_are_imported_before_a_program_starts(run):
    assert "True\n" == run(f"import sys; print({PACKAGE!r} in sys.modules)").stdout


def test_models_can_be_defined_without_another_import(run_with_pydantic):
    source = "import gc, sys; from pydantic import BaseModel, TypeAdapter, dataclasses; before = set(sys.modules)\n"
    source += "class Model(BaseModel): value: int = 0\n"
    source += "print(sorted(set(sys.modules) - before), gc.get_freeze_count() > 1000)"
    assert "[] True\n" == run_with_pydantic(source).stdout


@pytest.mark.parametrize("module", ["problem", "slipway.settings", "slipway.errors"])
def test_nothing_that_may_depend_on_the_problem_is_imported(run, module):
    assert "False\n" == run(f"import sys; print({module!r} in sys.modules)").stdout


@pytest.mark.parametrize(
    "source",
    [
        "import os, sys; print(sys.argv, os.getcwd(), __name__)",
        "import os; print(os.environ['COLOR'], os.environ.get('PALETTE'))",
        "import sys; print(sys.stdin.read()); print('both', file=sys.stderr)",
        "import sys; sys.exit('a message')",
        "import sys; sys.exit(3)",
        "import sys; sys.exit()",
        "import atexit; atexit.register(print, 'at the end')",
        "import os; os.write(1, b'unbuffered'); print('buffered')",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()",
        "import time; print(time.tzname)",
        "import tempfile; print(tempfile.gettempdir())",
        "import sys; print(__import__('__main__').__file__, sys.path[0])",
    ],
)
def test_a_program_behaves_as_in_a_new_python(run, tmp_path, source):
    new = run_by(sys.executable, tmp_path)(source, "a", "--b")
    done = run(source, "a", "--b")
    assert (new.returncode, new.stdout, new.stderr) == (done.returncode, done.stdout, done.stderr)


def test_an_exception_ends_with_its_traceback(run):
    done = run("raise ValueError('wrong')")
    assert 1 == done.returncode
    assert "ValueError: wrong" == done.stderr.splitlines()[-1]


def test_a_killed_program_has_failed_and_the_next_one_runs(run):
    assert 1 == run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").returncode
    assert "next\n" == run("print('next')").stdout


def test_an_interrupt_ends_the_program_before_its_client(server, tmp_path):
    source = "import os, time\ntry: print(os.getpid(), flush=True); time.sleep(60)\nfinally: print('cleaned')"
    (tmp_path / "program.py").write_text(source, encoding="utf-8")
    command = [str(server), "-m", "program"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        for process in (client.pid, int(client.stdout.readline())):  # as the terminal does
            os.kill(process, signal.SIGINT)
        output, errors = client.communicate(timeout=20)
    assert ("cleaned\n", "KeyboardInterrupt") == (output, errors.split()[-1])


def test_a_program_imports_the_sources_as_they_are_then(run, tmp_path):
    for text in ("first", "second"):
        (tmp_path / "module_of_the_problem.py").write_text(f"TEXT = {text * 2!r}\n", encoding="utf-8")
        assert f"{text * 2}\n" == run("from module_of_the_problem import TEXT; print(TEXT)").stdout


def test_programs_run_while_another_one_waits_for_them(server, run):
    inner = [str(server), "-m", "platform"]
    assert 0 == run(f"import subprocess; subprocess.run({inner!r}, check=True)").returncode


def test_code_of_the_command_line_behaves_as_in_a_new_python(server):
    code = f"import sys; print(sys.argv, __name__, {PACKAGE!r} in sys.modules)\ndef f(): return sys\nf().exit(3)"
    done = subprocess.run([str(server), "-c", code, "a"], capture_output=True, text=True, check=False)
    assert (3, "['-c', 'a'] __main__ True\n") == (done.returncode, done.stdout)


def test_python_starts_for_anything_but_a_module_or_code(server):
    done = subprocess.run([str(server), "-V"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Python 3.")


def test_packages_are_imported_when_the_first_program_starts(tmp_path):
    with (
        preloaded.started({}, ["no_such_package"]) as idle,
        preloaded.started({}, ["no_such_package"], eager=True) as eager,
    ):
        psutil.Process(eager.process).wait(20)  # its imports fail
        assert psutil.STATUS_ZOMBIE != psutil.Process(idle.process).status()
        run_by(idle.python, tmp_path)("print('alone')")
        psutil.Process(idle.process).wait(20)


def test_python_starts_where_the_server_ended(tmp_path):
    with preloaded.started({}, ["no_such_package"]) as started:
        done = run_by(started.python, tmp_path)("print('alone')")
    assert (0, "alone\n") == (done.returncode, done.stdout)


def test_a_long_path_of_temporary_files_needs_no_server(tmp_path, monkeypatch):
    folder = tmp_path / ("long" * 50)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with preloaded.started({}, [PACKAGE]) as started:
        assert "False\n" == run_by(started.python, tmp_path)(f"import sys; print({PACKAGE!r} in sys.modules)").stdout
