"""What a run has done so far, in a folder beside its output: a file for each chunk, so that a killed run can go on.

A part is written aside and renamed, so that one that is there is whole. The plan says what the parts were made of:
with another file, model or `Row` they are of no use, and the run begins anew.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from slipway.errors import UserError
from slipway.files import make_folder, replacing, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAN = "plan.json"
SCORED, BROKEN = "scored", "broken"


class Parts:
    """The folder of one output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def of(cls, output: Path, plan: dict[str, Any]) -> Iterator[Parts]:
        """Hold the parts of `output`, those of another plan thrown away; they are removed when the block is left well.

        Raises UserError while another run holds them.
        """
        folder = output.with_name(f".{output.name}.parts")
        make_folder(folder)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{output}: another run is writing it; wait for that one") from None
            parts = cls(folder)
            parts._begin(json.dumps(plan, sort_keys=True))
            yield parts
            shutil.rmtree(folder)

    def _begin(self, plan: str) -> None:
        path = self.folder / PLAN
        if path.exists() and path.read_text(encoding="utf-8") == plan:
            return
        path.unlink(missing_ok=True)
        for part in self.folder.glob("*.arrow"):
            part.unlink()
        write_text(path, plan)

    def has(self, number: int) -> bool:
        """Whether chunk `number` is done: its scored part is written last."""
        return self._path(number, SCORED).exists()

    def put(self, number: int, kind: str, table: pa.Table) -> None:
        """Keep a part of chunk `number`."""
        with (
            replacing(self._path(number, kind)) as aside,
            pa.OSFile(str(aside), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)

    def get(self, kind: str) -> Iterator[pa.Table]:
        """Every part of a kind, in the order of the chunks."""
        for path in sorted(self.folder.glob(f"*.{kind}.arrow")):
            with pa.OSFile(str(path), "rb") as file:
                yield pa.ipc.open_file(file).read_all()

    def _path(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:08}.{kind}.arrow"
