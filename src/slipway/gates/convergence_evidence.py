"""Evidence of the checks of training; a field has the name of the functions that measure and judge it."""

from __future__ import annotations

from slipway.schema.bounds import Evidence, Number


class LossFall(Evidence):
    """Loss at the start and at the end of training."""

    over: str
    """`iterations`, or `training rows` for an estimator that does not train in stages."""
    first: Number
    last: Number


class SmallSampleLoss(Evidence):
    """Loss on a small sample of the estimator and of a dummy, both fitted on it."""

    model: Number
    dummy: Number


class ShuffledSkill(Evidence):
    """Mean skill on held-out rows after training on shuffled labels."""

    skill: Number


class Digests(Evidence):
    """SHA-256 of the held-out predictions of two trainings with one seed."""

    digests: tuple[str, str]


class ConvergenceEvidence(Evidence):
    """Evidence of all checks of training."""

    loss_falls: LossFall
    overfits: SmallSampleLoss
    shuffled: ShuffledSkill
    finite: dict[str, int | str]
    """For each kind of unusual input the number of predictions that are not finite, or the error."""
    repeats: Digests
    beats_baselines: dict[str, Number]
    """Skill on held-out rows of the `model` and of each baseline."""
