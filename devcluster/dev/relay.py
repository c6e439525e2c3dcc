"""`python -m devcluster.dev.relay PORT HOST:PORT`: leads a port of this machine to the chain's entry.

Browsers and curl take every name below `localhost` for this machine, so a lane's preview host opens there,
and the router gets the name as it was asked for. Nothing of a request is read or changed.
"""

from __future__ import annotations

import argparse
import asyncio

from devcluster.dev.ports import HOST
from devcluster.kubelet.serviceproxy import Frontend


async def relay(port: int, host: str, entry: int) -> None:
    """Until it is ended. OSError when somebody else has the port."""
    await Frontend(HOST, port).update([(host, entry)], sticky=0)
    await asyncio.get_running_loop().create_future()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devcluster.dev.relay", description=__doc__)
    parser.add_argument("port", type=int, help=f"of {HOST}")
    parser.add_argument("entry", metavar="HOST:PORT", help="where connections are led to")
    arguments = parser.parse_args()
    host, _, entry = arguments.entry.rpartition(":")
    asyncio.run(relay(arguments.port, host, int(entry)))


if __name__ == "__main__":
    main()
