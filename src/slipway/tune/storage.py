"""Storage of a study: a file of this folder, or a URL at which several machines search one study."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import sqlalchemy.exc
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from slipway.errors import MissingToolError, SettingError
from slipway.files import make_folder

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "journal:///"
ATTEMPTS = 5  # of two processes that create the tables of an empty database, one fails once
ATTEMPT_INTERVAL_SECONDS = 0.5
FIX = "fix --storage or SLIPWAY_TUNE_STORAGE"


def open_storage(url: str) -> BaseStorage:
    """Return the storage at `url`: `journal:///FILE` on a shared folder, or a database of SQLAlchemy.

    Raises UserError if it cannot be opened. The message never contains the URL, which may have a password.
    """
    if url.startswith(JOURNAL):
        path = Path("/", url.removeprefix(JOURNAL))
        make_folder(path.parent)
        return JournalStorage(JournalFileBackend(str(path)))
    for _ in range(ATTEMPTS - 1):
        with suppress(sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError):
            return _database(url)
        time.sleep(ATTEMPT_INTERVAL_SECONDS)
    try:
        return _database(url)
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise SettingError(f"tune: the storage cannot be opened ({_reason(error)}); {FIX}") from None


def _database(url: str) -> BaseStorage:
    try:
        return _Database(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise SettingError(f"tune: the storage is not a URL such as postgresql+pg8000://…; {FIX}") from None
    except ImportError:
        raise MissingToolError(
            "tune: the driver of the storage is not installed; for PostgreSQL, `uv sync --frozen --group postgresql`"
            " and a URL that starts with postgresql+pg8000://"
        ) from None


class _Database(RDBStorage):
    """A storage that closes its connections if it cannot be opened, since the next attempt has its own."""

    def __init__(self, url: str) -> None:
        try:
            super().__init__(url)
        except Exception:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise


def _reason(error: Exception) -> str:
    """Return the first line of the database's own message; pg8000 has it in a mapping."""
    cause = getattr(error, "orig", None) or error.__cause__ or error
    content = cause.args[0] if cause.args else cause
    return str(content.get("M", content) if isinstance(content, dict) else content).splitlines()[0]
