"""Temporal convolutional networks (Bai et al. 2018), as a stack of residual blocks."""

from __future__ import annotations

from collections.abc import Sequence

from pytrainr.argument_errors import wrong_type
from pytrainr.exact.layers.activation import Activation
from pytrainr.exact.layers.conv1d import Conv1D
from pytrainr.exact.layers.dropout import SpatialDropout1D
from pytrainr.exact.layers.last_steps import LastSteps
from pytrainr.exact.layers.layer import Layer
from pytrainr.exact.layers.residual import Residual
from pytrainr.exact.layers.sequential import Sequential

__all__ = ["TCN"]


def TCN(  # noqa: N802 - stands among the layers
    filters: int = 64,
    kernel_size: int = 3,
    dilations: Sequence[int] = (1, 2, 4, 8, 16, 32),
    dropout: float = 0.0,
    activation: str = "relu",
    return_sequences: bool = False,
) -> Sequential:
    """A residual stack of causal convolutions, one level for each of the ``dilations``.

    A level is y = f(x + conv(conv(x))): two causal convolutions of that dilation, each with its activation and spatial
    dropout, and a projection where widths differ. A step sees 1 + 2·(kernel_size − 1)·Σ dilations steps back. Without
    ``return_sequences`` only the last step comes out.
    """
    if not isinstance(dilations, (list, tuple)) or not dilations:
        should = "TCN: dilations should be a list of whole numbers such as [1, 2, 4, 8], it is {value}"
        raise wrong_type("layers", should, value=dilations)
    levels: list[Layer] = []
    for dilation in dilations:
        conv = Conv1D(filters, kernel_size, padding="causal", dilation_rate=dilation, activation=activation)
        once: list[Layer] = [conv, SpatialDropout1D(dropout)] if dropout else [conv]
        levels += [Residual(Sequential((*once, *once))), Activation(activation)]
    return Sequential((*levels, *([] if return_sequences else [LastSteps(1)])))
