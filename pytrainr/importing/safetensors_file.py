"""``from_safetensors``: a file of ``model.to_safetensors``, or one with the weights of a PyTorch module."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from pytrainr.exact.layer_list import layers_from
from pytrainr.export.safetensors_file import KEY, safetensors
from pytrainr.importing.building import NotImportableError
from pytrainr.importing.torch_module import from_named_weights, from_torch
from pytrainr.model import Model

__all__ = ["from_safetensors"]


def from_safetensors(
    path: str | os.PathLike[str], layers: Sequence[Any] | None = None, steps: int | None = None, **options: Any
) -> Model:
    """The model of a safetensors file that ``model.to_safetensors`` wrote, or with the names of a PyTorch module.

    ``layers``, ``steps`` and ``options`` as for ``from_torch``; a file of ours says them itself. Needs safetensors
    (``pip install 'pytrainr[safetensors]'``). Raises ``ValueError`` for what cannot be taken over, by its name.
    """
    safetensors()
    from safetensors import safe_open

    with safe_open(os.fspath(path), framework="numpy") as file:
        about = (file.metadata() or {}).get(KEY)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    if about is not None:
        said = json.loads(about)
        kept = layers_from(said["layers"]) if layers is None else layers
        return from_named_weights(
            tensors, kept, int(said["input_dim"]), steps or int(said["steps"]), {**said["options"], **options}
        )
    if steps is None:
        raise NotImportableError("from_safetensors: the file does not say how many steps; give steps=")
    return from_torch(tensors, steps, layers, in_order=False, **options)
