#!/usr/bin/env bash
# A resumed Optuna study with a seeded sampler evaluates the points of its first trials again; so do two machines.
#
# Expected: a study that is loaded from its storage continues where it stopped: `load_if_exists=True` finds four trials, and the
#   next four have other parameters. Two processes that search one study share the work.
# Seen: the storage holds trials and not the sampler's generator. A new `TPESampler(seed=1)` draws its first points again, bit by
#   bit, as long as the study has fewer than `n_startup_trials`; `RandomSampler` forever. Two processes with one seed
#   evaluate every point twice. Optuna reports nothing.
# Why it matters: a seed is what a reproducible search sets, and a search that is killed twice has spent two thirds of its
#   trials on known points. Derive the seed from the number of trials, and on several machines from the machine.
# Versions: optuna 5.0.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
cat >"$folder/resume.py" <<'PY'
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
print("optuna", optuna.__version__)


def load(name, sampler):
    storage = f"sqlite:///{sys.argv[1]}/{name}.db"
    return optuna.create_study(storage=storage, study_name="study", load_if_exists=True, sampler=sampler)


def draw(study, trials):
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) ** 2, n_trials=trials)
    return [trial.params["x"] for trial in study.trials[-trials:]]


for sampler in (optuna.samplers.TPESampler, optuna.samplers.RandomSampler):
    first, resumed = (draw(load(sampler.__name__, sampler(seed=1)), 4) for _ in range(2))
    print(f"{sampler.__name__}, resumed after 4 trials: {sum(x in first for x in resumed)} of the next 4 points are old")

machines = [load("machines", optuna.samplers.TPESampler(seed=1)) for _ in range(2)]
points = [draw(study, 1)[0] for _ in range(4) for study in machines]
print(f"two machines in turns: {len(set(points))} different points in {len(points)} trials")
PY
"$folder/venv/bin/python" "$folder/resume.py" "$folder" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
optuna 5.0.0
TPESampler, resumed after 4 trials: 4 of the next 4 points are old
RandomSampler, resumed after 4 trials: 4 of the next 4 points are old
two machines in turns: 4 different points in 8 trials
SEEN
