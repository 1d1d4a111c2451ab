"""Networks trained elsewhere as models of pytrainr: PyTorch's, Keras's, safetensors files. See docs/export.md."""

from pytrainr.importing.keras_model import from_keras
from pytrainr.importing.safetensors_file import from_safetensors
from pytrainr.importing.torch_module import from_torch

__all__ = ["from_keras", "from_safetensors", "from_torch"]
