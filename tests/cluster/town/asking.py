"""Runs in the pod outside: asks the chain's entry without end, each time on a connection of its own.

`python -c TEXT HOST PORT LANE...`: plain requests, and with the header of each lane. Prints for each what
came back as a line of JSON: lane, status (0: no answer), who says to have served, and the body or the error.
Ends with its standard input.
"""

import http.client
import json
import os
import sys
import threading

THREADS = 2


def ask(host: str, port: int, lane: str) -> list[str | int]:
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", "/", headers={"x-preview-lane": lane} if lane else {})
        answer = connection.getresponse()
        served = answer.getheader("x-preview-lane-served") or ""
        return [lane, answer.status, served, answer.read().decode(errors="replace")]
    except (OSError, http.client.HTTPException) as error:
        return [lane, 0, "", f"{type(error).__name__}: {error}"]
    finally:
        connection.close()


def repeat(host: str, port: int, lanes: list[str]) -> None:
    while True:
        for lane in ("", *lanes):
            os.write(1, json.dumps(ask(host, port, lane)).encode() + b"\n")  # whole, whoever else writes


for _ in range(THREADS):
    arguments = (sys.argv[1], int(sys.argv[2]), sys.argv[3:])
    threading.Thread(target=repeat, args=arguments, daemon=True).start()
sys.stdin.read()
os._exit(0)
