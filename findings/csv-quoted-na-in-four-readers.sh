#!/usr/bin/env bash
# `NA` is declared to mean missing: one of four CSV readers keeps the `"NA"` in quotation marks, and empty fields change, too.
#
# Expected: R writes a missing value as NA and the text NA (Namibia's country code) as "NA", so a reader that is told
#   `NA` means missing keeps the quoted one; and an empty field, missing by default, stays so.
# Seen: only pyarrow can keep the quoted one (`quoted_strings_can_be_null=False`). pandas, polars and DuckDB make both missing. And
#   the declaration replaces the default: an empty field is no longer missing, but an empty text, in pandas (with
#   `keep_default_na=False`), pyarrow and DuckDB. polars keeps an empty field missing, and `""` in quotation marks text.
# Why it matters: the same file with the same option has other missing values in each reader, and Namibia is gone from three.
# Versions: pandas 3.1.1, pyarrow 26.0.0, polars 2.1.0, duckdb 2.0.1, all of PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 pyarrow==26.0.0 polars==2.1.0 duckdb==2.0.1
cd "$folder"
printf 'country,row\n"NA",1\nNA,2\n"",3\n,4\n' >rows.csv
cat >read.py <<'PY'
import duckdb
import pandas as pd
import polars as pl
import pyarrow.csv

options = pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True, quoted_strings_can_be_null=False)
seen = {
    "pandas": pd.read_csv("rows.csv", keep_default_na=False, na_values=["NA"])["country"].tolist(),
    "pyarrow": pyarrow.csv.read_csv("rows.csv", convert_options=options)["country"].to_pylist(),
    "polars": pl.read_csv("rows.csv", null_values=["NA"])["country"].to_list(),
    "duckdb": [row[0] for row in duckdb.sql("select country from read_csv('rows.csv', nullstr='NA')").fetchall()],
}
print("pandas", pd.__version__, "pyarrow", pyarrow.__version__, "polars", pl.__version__, "duckdb", duckdb.__version__)
for name, values in seen.items():
    print(f"{name}:", *("missing" if pd.isna(value) else repr(value) for value in values))
PY
venv/bin/python -W ignore read.py | tee seen
diff - seen <<'SEEN'
pandas 3.1.1 pyarrow 26.0.0 polars 2.1.0 duckdb 2.0.1
pandas: missing missing '' ''
pyarrow: 'NA' missing '' ''
polars: missing missing '' missing
duckdb: missing missing '' ''
SEEN
