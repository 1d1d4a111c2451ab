"""The demo through a server of its own, which is started here, used through the Python client and stopped at the end.

python examples/demo.py              through a server: the same numbers, to the bit
python examples/demo.py --local      in this process, as `pytrainr demo` does
"""

import argparse
import tempfile
from pathlib import Path

from pytrainr.demo import Calls, run_demo

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--local", action="store_true", help="without a server")
parser.add_argument("--out", type=Path, default=Path("demo"), metavar="FOLDER", help="where plots go (default: demo)")
options = parser.parse_args()

if options.local:
    run_demo(options.out)
else:
    import pytrainr_client
    from pytrainr_server.local import start_local_server

    page = ["--web", "127.0.0.1:0"]
    with tempfile.TemporaryDirectory() as data, start_local_server(data, flags=page) as server:
        print(f"A server answers at {server.address}; it trains and predicts from here on.")
        print(f"Watch it in a browser while it does: {server.page}")
        remote = pytrainr_client.connect(server.address)
        run_demo(options.out, Calls(remote.trainr, remote.predictr))
    print("The server has stopped.")
