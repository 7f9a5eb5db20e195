#!/usr/bin/env bash
# Of three processes that start a search in an empty database at one time, one or two fail, although `load_if_exists=True`.
#
# Expected: `create_study(load_if_exists=True)` is how processes join a study, so the first one creates it and the others load it.
# Seen: the tables are created first, without a lock and without a second attempt: the slower processes end with
#   `OperationalError: table studies already exists`. The same happens in PostgreSQL, with `duplicate key value violates
#   unique constraint "pg_type_typname_nsp_index"`. With tables that exist none fails.
# Why it matters: jobs of an array or pods of a Job start at one time. Create the study once beforehand, or try again.
# Versions: optuna 5.0.0, sqlalchemy 2.1.9, SQLite of Python.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 sqlalchemy==2.1.9
cat >"$folder/join.py" <<'PY'
import sys
from multiprocessing import Barrier, Process, Queue

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def join(storage, barrier, failures):
    barrier.wait()
    try:
        optuna.create_study(storage=storage, study_name="study", load_if_exists=True)
        failures.put("")
    except Exception as error:
        failures.put(f"{type(error).__name__}: {str(error).splitlines()[0]}")


def failed(storage):
    barrier, failures = Barrier(3), Queue()
    processes = [Process(target=join, args=(storage, barrier, failures)) for _ in range(3)]
    for process in processes:
        process.start()
    results = [failures.get() for _ in processes]
    for process in processes:
        process.join()
    return [result for result in results if result]


if __name__ == "__main__":
    print("optuna", optuna.__version__)
    urls = [f"sqlite:///{sys.argv[1]}/{number}.db" for number in range(10)]
    failures = [failed(url) for url in urls]
    print("a process fails in an empty database:", any(failures))
    print("errors:", {error for each in failures for error in each if "already exists" in error} != set())
    print("a process fails where the tables exist:", any(failed(url) for url in urls))
PY
"$folder/venv/bin/python" "$folder/join.py" "$folder" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
optuna 5.0.0
a process fails in an empty database: True
errors: True
a process fails where the tables exist: False
SEEN
