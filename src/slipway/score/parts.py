"""Checkpoints of a run, in a folder next to its output: one file per chunk, so that a killed run can resume.

Each file is renamed into place, so that it is complete if it exists. The plan records the inputs of the chunks. After a
change of the file, the model or `Row`, the checkpoints are discarded and the run starts from the beginning.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from slipway.errors import BusyError
from slipway.files import locks, make_folder, replacing, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAN = "plan.json"
SCORED, BROKEN = "scored", "broken"


class Checkpoints:
    """Checkpoints of one output, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def of(cls, output: Path, plan: dict[str, Any]) -> Iterator[Checkpoints]:
        """Lock the checkpoints of `output`, discard those of another plan, and remove all after success.

        Raises UserError if another run has locked them.
        """
        folder = output.with_name(f".{output.name}.parts")
        make_folder(folder)
        try:
            lock = locks.take(folder / "lock", wait=False)
        except locks.LockedError:
            raise BusyError(f"{output}: another run is writing it; wait until it ends") from None
        with lock:
            checkpoints = cls(folder)
            checkpoints._begin(json.dumps(plan, sort_keys=True))
            yield checkpoints
            shutil.rmtree(folder)

    def _begin(self, plan: str) -> None:
        path = self.folder / PLAN
        if path.exists() and path.read_text(encoding="utf-8") == plan:
            return
        path.unlink(missing_ok=True)
        for checkpoint in self.folder.glob("*.arrow"):
            checkpoint.unlink()
        write_text(path, plan)

    def has(self, number: int) -> bool:
        """Return whether chunk `number` is complete; its scored rows are saved last."""
        return self._path(number, SCORED).exists()

    def save(self, number: int, kind: str, table: pa.Table) -> None:
        """Save the rows of a kind of chunk `number`."""
        with (
            replacing(self._path(number, kind)) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)

    def load(self, kind: str) -> Iterator[pa.Table]:
        """Yield the rows of a kind, chunk by chunk in order."""
        for path in sorted(self.folder.glob(f"*.{kind}.arrow")):
            with pa.OSFile(str(path), "rb") as file:
                yield pa.ipc.open_file(file).read_all()

    def _path(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:08}.{kind}.arrow"
