"""The trained network: R's list as a class with R's field names, and what can be done with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from pytrainr.r_list import RList
from pytrainr.stepper import Stepper
from pytrainr.storage import load_fields, save_fields

__all__ = ["Model"]


class Model(RList):
    """What ``trainr`` returns: R's list, with R's names, in R's order and R's shapes.

    Fields are attributes and items alike: ``model.error``, ``model["error"]``; ``model.keys()`` lists them. With L
    hidden layers, n samples and T time steps:

    ``time_synapse``
        L + 1 arrays, input to hidden and last hidden to output: rnn (in, out) each; gru (in, hidden, 3) with gates
        update z, reset r, candidate; lstm (in, hidden, 4) with gates forget, input, candidate, output. The last is
        always (hidden, output).
    ``recurrent_synapse``
        L arrays (hidden, hidden), (hidden, hidden, 3) or (hidden, hidden, 4).
    ``bias_synapse``
        L + 1 arrays (hidden,), (hidden, 3) or (hidden, 4); the last (output,).
    ``time_synapse_update``, ``recurrent_synapse_update``, ``bias_synapse_update``
        the pending updates (momentum), shaped as the weights.
    ``error``
        (n, numepochs): the sum of absolute errors of each sample in each epoch.
    ``input_dim``, ``hidden_dim``, ``output_dim``, ``synapse_dim``, ``time_dim``, ``current_epoch`` and every argument
    of ``trainr`` (``learningrate`` as annealed so far), those given beyond R's own included
    ``store``, ``last_layer_error``, ``last_layer_delta``, ``store_best``
        only with ``keep_store=True``: the states of every layer for every training sample, see ``predictr``.
    """

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers of an exact network, those given as a shorthand too; see ``pytrainr.layers``."""
        return tuple(self._architecture().layers)

    def summary(self) -> str:
        """Keras's table of an exact network: layer, output shape, parameters."""
        from pytrainr.exact.layer_list import summary_of

        return summary_of(self._architecture())

    def count_params(self) -> int:
        """Keras's: how many parameters an exact network has."""
        from pytrainr.exact.layer_list import parameter_count

        return parameter_count(self._architecture())

    def _repr_html_(self) -> str | None:
        """What a notebook shows; None, and so the plain line, of fields that are no model yet."""
        from pytrainr.model_html import html_of

        try:
            return html_of(self)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError):
            return None

    def _architecture(self) -> Any:
        if not self.exact:
            raise ValueError("a model in R's arithmetic is no list of layers; those of trainr(exact=True) are")
        from pytrainr.exact.network import architecture_of

        return architecture_of(self)

    def stepper(self, samples: int = 1) -> Stepper:
        """The network as a function of one time step that remembers its state; see :class:`pytrainr.stepper.Stepper`.

        ``step = model.stepper()``; ``y = step(x)`` for each time step in turn; ``step.reset()`` begins anew.
        """
        return Stepper(self, samples)

    def save(self, path: str | os.PathLike[str], *, keep_store: bool = False) -> None:
        """Write the model to one file, without pickle; a crash half-way leaves what was there before.

        Functions (``epoch_function``, ``loss_function``) are stored by name, schedules with their state. The
        training-sized fields are left out unless ``keep_store=True``. Raises ``TypeError`` for a field that cannot be
        stored, naming it.
        """
        save_fields(self, path, keep_store=keep_store)

    def to_c(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Write the network as one file of C99 that needs only the C library and allocates nothing.

        It holds the weights, the scales of a model that keeps its normalisation, and functions whose names begin with
        ``name`` (default: the file's): ``reset``, ``step`` (where the network goes step by step) and ``predict``; with
        ``-DPYTRAINR_MAIN`` it is a program that reads CSV. Compiled with ``-O2 -ffp-contract=off`` it gives the bits of
        ``predictr`` in R's arithmetic, and of exact networks the same to 1e-12. Raises ``ValueError`` that names the
        layer that has no form in C.
        """
        from pytrainr.export.c_file import to_c

        to_c(self, path, name)

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the network as an ONNX graph (opset 17) from X (samples, steps, inputs) to Y (samples, steps, outputs).

        Any number of samples and, where the layers allow it, steps; the scales of a model that keeps its normalisation
        are inside. The precision is the network's (``dtype``). Needs the package onnx (``pip install
        'pytrainr[onnx]'``). Raises ``ValueError`` that names what ONNX cannot say: a layer, or R's recycled bias.
        """
        from pytrainr.export.onnx_graph import to_onnx

        to_onnx(self, path)

    def to_torch(self) -> Any:
        """The network as a ``torch.nn.Module`` from raw X (samples, steps, inputs) to raw Y, for any number of both.

        Outputs are those of ``predictr`` to 1e-12 (float64), and gradients the exact ones. Needs PyTorch (``pip install
        'pytrainr[torch]'``). Raises ``ValueError`` that names what it cannot say: a layer, or R's recycled bias.
        """
        try:
            from pytrainr.export.torch_module import torch_module
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError("to_torch needs PyTorch: pip install 'pytrainr[torch]'") from None
        return torch_module(self)

    def to_safetensors(self, path: str | os.PathLike[str]) -> None:
        """Write the weights as a safetensors file, under the names that :meth:`to_torch` gives them.

        Beside them are the scales of a model that keeps its normalisation, ``input_center``, ``input_scale``, …, and in
        the metadata, as JSON under "pytrainr", the layers; ``pytrainr.from_safetensors`` reads it. Needs safetensors
        (``pip install 'pytrainr[safetensors]'``). Raises ``ValueError`` for R's recycled bias.
        """
        from pytrainr.export.safetensors_file import to_safetensors

        to_safetensors(self, path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        mmap: bool = False,
        functions: Mapping[str, Callable] | None = None,
    ) -> Model:
        """Read a model that :meth:`save` wrote; ``mmap=True`` maps the arrays instead of reading them.

        ``functions`` gives the user's own epoch and loss functions by the names they had; without them the model can do
        everything but be trained on. Raises ``pytrainr.ModelFileError`` for a damaged, truncated or foreign file, and
        runs no code from it.
        """
        return cls(load_fields(path, mmap=mmap, functions=functions))
