#!/usr/bin/env bash
# Rows of a CSV file, but not its header, end with a comma: pandas alone shifts every column by one, and says nothing.
#
# Expected: an error, since each row has one field more than the header has names, or an empty column without a name. Exports of
#   banks, transit systems and sensors are written like that.
# Seen: pandas takes the first column for an index, so each name stands over its neighbor's values and the last column is
#   empty. With `index_col=False`, or as DuckDB reads it, the names are right. pyarrow, pandas with `engine="pyarrow"` and
#   polars refuse the file.
# Why it matters: a model of the shifted table trains without a complaint, on the wrong columns; what scores the file later with
#   another reader has another table.
# Versions: pandas 3.1.1, pyarrow 26.0.0, polars 2.1.0, duckdb 2.0.1, all of PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 pyarrow==26.0.0 polars==2.1.0 duckdb==2.0.1
cd "$folder"
printf 'city,price,visitors\nOslo,10,3,\nBergen,20,4,\n' >rows.csv
cat >read.py <<'PY'
import duckdb
import pandas as pd
import polars as pl
import pyarrow.csv

READERS = {
    "pandas": lambda: pd.read_csv("rows.csv").to_dict("list"),
    "pandas, index_col=False": lambda: pd.read_csv("rows.csv", index_col=False).to_dict("list"),
    "pandas, engine='pyarrow'": lambda: pd.read_csv("rows.csv", engine="pyarrow").to_dict("list"),
    "pyarrow": lambda: pyarrow.csv.read_csv("rows.csv").to_pydict(),
    "polars": lambda: pl.read_csv("rows.csv").to_dict(as_series=False),
    "duckdb": lambda: {name: list(values) for name, values in duckdb.sql("from 'rows.csv'").fetchnumpy().items()},
}
print("pandas", pd.__version__, "pyarrow", pyarrow.__version__, "polars", pl.__version__, "duckdb", duckdb.__version__)
for name, read in READERS.items():
    try:
        seen = {column: [str(value) for value in values] for column, values in read().items()}
    except Exception as error:
        seen = f"refused, {type(error).__name__}"
    print(f"{name}: {seen}")
PY
venv/bin/python -W ignore read.py | tee seen
diff - seen <<'SEEN'
pandas 3.1.1 pyarrow 26.0.0 polars 2.1.0 duckdb 2.0.1
pandas: {'city': ['10', '20'], 'price': ['3', '4'], 'visitors': ['nan', 'nan']}
pandas, index_col=False: {'city': ['Oslo', 'Bergen'], 'price': ['10', '20'], 'visitors': ['3', '4']}
pandas, engine='pyarrow': refused, ParserError
pyarrow: refused, ArrowInvalid
polars: refused, ComputeError
duckdb: {'city': ['Oslo', 'Bergen'], 'price': ['10', '20'], 'visitors': ['3', '4']}
SEEN
