"""`slipway.files` writes every file that must survive a crash; every other writer has its reason here."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = Path("src/slipway")
METHODS = {"rename", "to_csv", "to_json", "to_parquet", "to_pickle", "tofile", "write_bytes", "write_text"}
FUNCTIONS = {
    *("OSFile", "json.dump", "np.save", "np.savez", "open_new", "pa.OSFile", "pq.write_table", "pq.ParquetWriter"),
    *(f"os.{name}" for name in ("fdopen", "link", "open", "rename", "renames", "replace")),
    *(f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copytree", "move")),
}
SCRATCH = "in a scratch folder, which nothing reads after the block"
SYNCED = "in a folder that `files.move` syncs as a whole"
TEMPORARY = "in the temporary file that `files.replacing` renames"
APPENDS = "appends to a file of the workflow's runner"
LOG = "a log, which may lose its last lines in a power failure"
LOCK = "a lock, which is only valid while its process runs"
STAGE = "an output of a stage, which DVC hashes, and produces again if it differs"
FAULT = "a fault that a test or a measurement injects into a copy"
DEMO = "of the demo, whose repository is temporary"
SITE = "installed or rendered again on request"
READS = "opens for reading"
COLLECTION = "through the method of the collection, which replaces the file in a transaction"
EXCEPTIONS: dict[str, dict[str, str]] = {
    "erasure/file_formats.py": {"_parquet": "in memory"},
    "supply_chain/audit.py": {"_pip_audit": SCRATCH},
    "lab/bench/servers.py": {"running": LOG},
    "checks/deepchecks_runner.py": {"main": SCRATCH},
    "lab/data_faults.py": {"_pending": FAULT},
    "lab/mutation/mutation_score.py": dict.fromkeys(("_outcome", "run"), FAULT),
    "lab/mutation/preloaded_tests.py": {"_run": SCRATCH},
    "lab/data_mutants.py": dict.fromkeys(("_rename", "corrupt", "the module"), FAULT),
    "checks/suites.py": dict.fromkeys(("_written", "send"), SCRATCH),
    "github/cml.py": {"_configuration": SCRATCH},
    "schema/csv_file.py": {"_stream": READS},
    "agent/processes.py": {"start": LOG},
    "release/build.py": {
        **dict.fromkeys(("_bento", "_context", "_fix_time", "_model", "_requirements"), SCRATCH),
        **dict.fromkeys(("_evidence", "_report", "_sbom", "build"), SYNCED),
    },
    "image/base.py": dict.fromkeys(("_finish", "_unpack"), SCRATCH),
    "image/build.py": dict.fromkeys(("_fill_code", "_fill_model"), SCRATCH),
    "image/cache.py": {"layer": TEMPORARY},
    "image/layout.py": {"add_file": TEMPORARY},
    "image/elf.py": {"strip": SCRATCH},
    "image/layers.py": {"pack": SCRATCH},
    "image/packages.py": {"fill": SCRATCH},
    "image/registry.py": {"_credentials": SCRATCH},
    "supply_chain/trace.py": {"dvc": SCRATCH},
    "release/evidence.py": {"_copies": SCRATCH},
    "loadtest/loadtest.py": {"_run_locust": SCRATCH, "play": SCRATCH},
    "feature_store/feast_runner.py": {"join": TEMPORARY},
    "files/locks.py": {"take": LOCK},
    "release/scratch.py": {"_hold": READS},
    "release/trial.py": {"require_start": SCRATCH},
    "release/store/files.py": {"replace": "moves the previous release away; after a power failure it is built again"},
    "release/store/folder.py": {
        **dict.fromkeys(("add_evidence", "put", "unpack_release"), SYNCED),
        "remove": "removes a release; one that survives a power failure is removed again",
    },
    "release/store/github.py": {"_create": SCRATCH},
    "release/signing/attestation.py": {"check_file": SCRATCH},
    "output.py": {"_stdout_for_document": "the stdout of the command"},
    "files/__init__.py": dict.fromkeys(("_sync_folder", "move", "write_bytes", "write_new"), "the writer itself"),
    "local/act.py": {"_append": LOG},
    "local/bytecode.py": {"_link_file": DEMO},
    "local/cml_install.py": {"_launcher": SITE, "install": APPENDS},
    "local/github_schema/excerpt.py": {"main": SITE},
    "local/images.py": {"start_registry": LOG},
    "local/npm.py": {"install": SITE},
    "local/push_rule.py": {"install": DEMO},
    "local/repository.py": {"create": DEMO},
    "local/site.py": {"build": SITE},
    "monitoring/collect.py": {
        **dict.fromkeys(("_store_lines", "remove"), "in memory"),
        "_write": "a transaction of a remote store",
        "collect": COLLECTION,
    },
    "lab/monitoring_cost.py": {"write_log": SCRATCH},
    "monitoring/job.py": dict.fromkeys(("main", "update"), COLLECTION),
    "lab/monitoring_power.py": {"_later": SCRATCH},
    "pipeline/evaluate.py": {"write_predictions": STAGE},
    "pipeline/export.py": {"_write": STAGE},
    "pipeline/prepare.py": {"_writer": STAGE},
    "pipeline/skops_file.py": {"dump": STAGE},
    "pipeline/train.py": {"train": STAGE},
    "github/comments.py": {"_with_cml": SCRATCH},
    "github/workflows.py": {"_append": APPENDS},
    "lab/backtest/stream.py": {"read": SCRATCH},
    "scaffold/measure.py": {"main": SCRATCH},
    "preloaded.py": {"started": SCRATCH},
    "scaffold/new.py": {"_import": "rows for the next step, which fails without them", "_inferred": SCRATCH},
    "scaffold/room.py": {"stored": "in memory"},
    "score/parts.py": {"save": TEMPORARY},
    "score/one_file.py": {"_prepared": SCRATCH},
    "serving/counts.py": {"_mapped": "counters of running workers, shared in memory"},
    "serving/prediction_log.py": {"_begin": LOG},
}


def writers(source: str) -> dict[str, set[str]]:
    """Return the calls that write, rename or copy a file, by the innermost function around them."""
    calls: dict[str, set[str]] = {}
    for function, call in _calls(ast.parse(source), "the module"):
        if writer := _writer(call):
            calls.setdefault(function, set()).add(writer)
    return calls


def _calls(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if isinstance(child, ast.Call):
            yield inside, child
        yield from _calls(child, inside)


def _writer(call: ast.Call) -> str | None:
    """Return the name of a call that writes. Ignores `str.replace` and renamed columns."""
    name = ast.unparse(call.func)
    if name in FUNCTIONS:
        return None if name == "pa.OSFile" and _mode(call) == "rb" else name
    if not isinstance(call.func, ast.Attribute):
        return "open" if name == "open" and _writes(call) else None
    owner, method = ast.unparse(call.func.value), call.func.attr
    replaces = method == "replace" and len(call.args) == 1 and not call.keywords
    columns = method == "rename" and any(keyword.arg == "columns" for keyword in call.keywords)
    writes = (method == "open" and _writes(call)) or replaces or (method in METHODS and not columns)
    return method if writes and owner != "files" else None


def _mode(call: ast.Call) -> str:
    """Return the mode of a call of `open`, by default for reading."""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    values = [node.value for node in arguments if isinstance(node, ast.Constant)]
    modes = (value for value in values if isinstance(value, str) and value and set(value) <= set("rwaxbt+"))
    return next(modes, "r")


def _writes(call: ast.Call) -> bool:
    return bool(set(_mode(call)) & set("wax+"))


def test_every_other_writer_has_its_reason():
    functions_by_file = {
        path.relative_to(ENGINE).as_posix(): set(writers(path.read_text(encoding="utf-8")))
        for path in ENGINE.rglob("*.py")
    }
    expected = {name: set(functions) for name, functions in EXCEPTIONS.items()}
    assert expected == {name: functions for name, functions in functions_by_file.items() if functions}


@pytest.mark.parametrize(
    ("line", "writer"),
    [
        ("path.write_text(text)", "write_text"),
        ("(folder / 'x').write_bytes(content)", "write_bytes"),
        ("aside.replace(path)", "replace"),
        ("aside.rename(path)", "rename"),
        ("os.replace(aside, path)", "os.replace"),
        ("shutil.move(aside, path)", "shutil.move"),
        ("path.open('w')", "open"),
        ("open(path, mode='ab')", "open"),
        ("frame.to_parquet(path)", "to_parquet"),
        ("os.open(path, os.O_WRONLY)", "os.open"),
    ],
)
def test_writer_is_detected(line, writer):
    assert {"save": {writer}} == writers(f"def save():\n    {line}")


@pytest.mark.parametrize(
    "line", ["text.replace('a', 'b')", "frame.rename(columns=str)", "path.open('rb')", "files.write_text(path, text)"]
)
def test_call_that_writes_no_file_is_ignored(line):
    assert {} == writers(f"def read():\n    {line}")
