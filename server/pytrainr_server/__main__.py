"""``python -m pytrainr_server`` and the command ``pytrainr-server``."""

import sys

from trainr import extras


def main() -> int:
    """Run the command; where the extra is not installed, say so instead."""
    try:
        extras.require("pytrainr-server", "server", extras.SERVER)
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    from pytrainr_server import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
