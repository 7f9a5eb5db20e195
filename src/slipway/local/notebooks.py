"""`slipway notebooks`: executes each notebook in notebooks/, a `.ipynb` without outputs that is paired to a `.py` file.

The `.py` file is the source: reviewers read it, and linters check it. jupytext converts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import output
from slipway.errors import MissingFileError, MissingToolError, UnreadableFileError
from slipway.files import write_text
from slipway.gates import Outcome, Verdict
from slipway.results import RESULTS, recorded

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = Path("notebooks")
JOB = "notebooks"
CELL_TIMEOUT_SECONDS = 300
FIX = "run `slipway notebooks --pair`"


def execute() -> None:
    """Check and execute every notebook, and write results/notebooks/. Raises UserError unless all pass."""
    with recorded(JOB) as result:
        for source in sources():
            result.verdicts += [paired(source), executed(source)]
    result.print_verdicts()
    result.require()


def pair() -> None:
    """Write the `.ipynb` of every `.py` file, without outputs."""
    for source in sources():
        _write(source.with_suffix(".ipynb"), _read(source))
    output.result({"written": len(sources())}, f"{NOTEBOOKS}: {len(sources())} written")


def sources() -> list[Path]:
    """Return the `.py` files. Raises MissingFileError when there is none."""
    paths = sorted(NOTEBOOKS.glob("*.py"))
    if not paths:
        raise MissingFileError(f"{NOTEBOOKS}: no .py file; run this in the root of the repository")
    return paths


def paired(source: Path) -> Verdict:
    """Return the verdict on a pair: equal cells, and neither outputs nor counts of executions."""
    fault = _fault(source)
    outcome = Outcome.FAIL if fault else Outcome.PASS
    observed = "differs" if fault else "equal cells"
    return Verdict(f"{source.stem}: pair", outcome, "equal cells, no outputs", observed, fault)


def _fault(source: Path) -> str:
    path = source.with_suffix(".ipynb")
    if not path.exists():
        return f"{path}: not found; {FIX}"
    notebook = _read(path)
    if any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells):
        return f"{path}: has outputs; {FIX}"
    if _cells(notebook) != _cells(_read(source)):
        return f"{path}: differs from {source}; {FIX}"
    return ""


def _cells(notebook: NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def executed(source: Path) -> Verdict:
    """Execute a notebook from its source in the root of the repository, and write it with its outputs to results/."""
    try:
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError:
        raise _not_installed() from None
    notebook, fault = _read(source), ""
    resources = {"metadata": {"path": str(Path.cwd())}}
    client = NotebookClient(notebook, timeout=CELL_TIMEOUT_SECONDS, kernel_name="python3", resources=resources)
    try:
        client.execute()
    except CellExecutionError as error:
        fault = f"{source}: {error.ename}: {error.evalue}"
    _write(RESULTS / JOB / f"{source.stem}.ipynb", notebook)
    outcome = Outcome.FAIL if fault else Outcome.PASS
    return Verdict(f"{source.stem}: cells", outcome, "every cell runs", f"{len(notebook.cells)} cells", fault)


def _read(path: Path) -> NotebookNode:
    try:
        import jupytext
    except ImportError:
        raise _not_installed() from None
    try:
        notebook: NotebookNode = jupytext.read(path)
    except ValueError as error:
        raise UnreadableFileError(f"{path}: not a notebook ({str(error).splitlines()[0]}); {FIX}") from None
    return notebook


def _write(path: Path, notebook: Any) -> None:
    """Write a notebook; ids of cells are their positions, so that a change of one gives a small diff."""
    import jupytext

    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number}"
    write_text(path, jupytext.writes(notebook, fmt="ipynb").rstrip("\n") + "\n")


def _not_installed() -> MissingToolError:
    return MissingToolError("jupytext, nbclient: not installed; run `uv sync --group notebooks`")
