"""What turns the summed gradients of a group into its update: functions that take the model and return it."""

from __future__ import annotations

from typing import Any, TypeVar

__all__ = ["loss_L1"]

AnyModel = TypeVar("AnyModel", bound=Any)


def loss_L1(model: AnyModel) -> AnyModel:  # noqa: N802  # R's name
    """Every pending update times the learning rate, in place: Δ = Δ × learningrate.

    That includes what momentum kept of the group before, which is scaled once more, as in R.
    """
    for name in ("time_synapse_update", "recurrent_synapse_update", "bias_synapse_update"):
        for update in model[name]:
            update *= model.learningrate
    return model
