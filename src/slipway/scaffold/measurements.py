"""What `slipway.scaffold.measure` measures of a new problem, in a process of its own."""

from __future__ import annotations

from slipway.evaluation.compared import Interval
from slipway.gates.convergence_evidence import ConvergenceEvidence
from slipway.schema.bounds import Evidence, Number


class ImportedFiles(Evidence):
    """The files in data/, oldest first."""

    files: list[str]


class TrainingMeasurement(Evidence):
    """Trainings on the new data."""

    trees: int
    """Number of trees with the lowest loss on held-out training rows."""
    convergence: ConvergenceEvidence
    """With this number of trees."""


class ProbeMeasurement(Evidence):
    """The label probe, measured on each file with the files before it."""

    skill: Number
    """Minimum over all files, or some of many."""


class ComparisonMeasurement(Evidence):
    """The trained model, compared with the baselines."""

    rows: int
    """Test rows."""
    metrics: dict[str, dict[str, Number]]
    """By model and baseline, then by metric."""
    gains: dict[str, Interval]
    """Gain of the model in the primary metric, by baseline."""
    calibration: Number
    """Mean gap between predicted and observed rate."""
