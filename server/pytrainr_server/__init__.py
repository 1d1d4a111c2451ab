"""pytrainr_server: training and prediction over gRPC that never loses a job.

The command ``pytrainr-server`` runs it; :func:`start_local_server` starts one of one's own beside a program.
"""

from pytrainr_server.local import LocalServer, start_local_server

__all__ = ["LocalServer", "start_local_server"]
