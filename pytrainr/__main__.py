"""``python -m pytrainr`` is the command line."""

import sys

from pytrainr.cli import main

sys.exit(main())
