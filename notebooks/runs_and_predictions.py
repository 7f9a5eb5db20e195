# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Runs, releases and predictions
#
# The functions behind `slipway history` and `slipway monitor`, as data frames. Edit the `.py` file, then run `slipway notebooks --pair`.

# %%
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

import problem
from slipway.environment.place import Place
from slipway.git import Git
from slipway.history.entries import History
from slipway.monitoring import collect
from slipway.monitoring.log_columns import PREDICTION, RELEASE, TIME
from slipway.release.store import open_store
from slipway.settings import read_settings

if Path.cwd().name == "notebooks":  # Jupyter starts in the folder of the notebook
    os.chdir("..")

# %% [markdown]
# ## Runs and releases
#
# A run is a commit that changed `dvc.lock`, and a release a commit on `deploy`.

# %%
primary = f"evaluate.model.{read_settings().gates.primary}"
entries = History(Git(Path()), open_store()).entries(20)
runs = pd.DataFrame(
    {
        "name": [entry.name for entry in entries],
        "time": pd.to_datetime([entry.time for entry in entries], utc=True),
        "champion": [entry.champion for entry in entries],
        primary: [entry.files.metrics.get(primary) for entry in entries],
        "because": [entry.because for entry in entries],
    }
)
runs

# %% [markdown]
# ## Predictions of production
#
# The newest week of the collected log: `slipway collect --environment production`.

# %%
collection = collect.of_environment(Place.of("production"), problem.Row)
days = collection.days()
end = datetime.fromisoformat(days[-1]).replace(tzinfo=UTC) + timedelta(days=1) if days else datetime.now(UTC)
predictions = collection.read(end - timedelta(days=7), end)
print(f"{len(predictions):,} predictions until {end:%Y-%m-%d}")

# %%
predictions.groupby([RELEASE, predictions[TIME].dt.date])[PREDICTION].agg(["size", "first"])
