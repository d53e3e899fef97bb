"""Measures one row in the network that it was started in, and prints what it finds as JSON in the last line."""

import argparse
import json
import sys

from .. import Trouble, interrupts, servers
from . import clusters, network


def main(row, given):
    interrupts.install()
    try:
        network.bring_up()
        print(json.dumps(clusters.ISOLATED[row](argparse.Namespace(**json.loads(given))).as_json()))
        return 0
    except (Trouble, OSError) as trouble:
        print(f"{row}: {trouble}", file=sys.stderr)
        return 3
    except interrupts.Interrupted as interrupted:
        return 128 + interrupted.number
    finally:
        servers.end_all()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
