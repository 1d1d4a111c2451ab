"""``python -m pytrainr_server``."""

import sys

from pytrainr_server.cli import main

sys.exit(main())
