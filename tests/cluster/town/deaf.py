"""Runs in the pod of the repository: takes connections in its place and never answers one.

`python -c TEXT HOST PORT DEAF`: listens on port DEAF; prints `deaf` once HOST:PORT, a Service, leads there,
then the address of each who connects. Ends with its standard input.
"""

import os
import socket
import sys
import threading


def main(host: str, port: int, deaf: int) -> None:
    threading.Thread(target=lambda: os._exit(bool(sys.stdin.read())), daemon=True).start()
    listener = socket.create_server(("0.0.0.0", deaf))
    listener.settimeout(0.2)
    kept: list[object] = []
    while not kept:
        try:
            probe = socket.create_connection((host, port), timeout=5)
            kept += [probe, listener.accept()]
        except OSError:
            continue
    listener.settimeout(None)
    print("deaf", flush=True)
    while True:
        connection, address = listener.accept()
        kept.append(connection)
        print(address[0], flush=True)


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
