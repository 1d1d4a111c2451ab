"""Loaded before the rest of the client: where its extra is not installed, one line says so instead of a traceback."""

from trainr import extras

extras.require("pytrainr_client", "client", extras.CLIENT)
