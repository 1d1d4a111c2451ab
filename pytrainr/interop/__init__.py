"""Between R and Python: R's model files, and the cross-check of what R's own ``trainr`` computed."""

from pytrainr.interop.r_models import RModelFileError, read_r_model, write_r_model

__all__ = ["RModelFileError", "read_r_model", "write_r_model"]
