"""Tables, one row per sample and time: CSV files and data frames, and the 3-D arrays that `trainr` takes of them."""

from pytrainr.tables.table import Table, trainr_table

__all__ = ["Table", "trainr_table"]
