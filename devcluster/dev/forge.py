"""Stands in for the forge: `python -m devcluster.dev.forge --state DIR hook|open|close`.

The bare repository's post-receive hook calls it; it keeps the pull requests in DIR/forge.json and sends
signed deliveries to the receiver. Only the standard library, since it starts with every push.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from devcluster.dev import payloads
from devcluster.dev.payloads import Delivery, Forge, Pull, Repository
from devcluster.dev.state import State, holder, locked, read_json, write_json

PATIENCE = 15.0  # seconds in which a receiver that answers 503, or not at all, is asked again
PAUSE = 0.5
ANSWER = 10.0  # seconds for one request


def main() -> int:
    """Does what the arguments say; prints a line for each delivery."""
    arguments = _arguments()
    state = State(Path(arguments.state).resolve())
    if holder(state) is None:
        print("The system is not up, so nobody is told of this. Start it with: laneway dev up")
        return 0
    with locked(state.root / "forge.lock"):
        before = _load(state)
        after = _act(arguments, before, state)
        _save(state, after)
    results = [send(one, read_json(state.endpoints)) for one in after.say]
    return 0 if all(results) else 1


def _act(arguments: argparse.Namespace, forge: Forge, state: State) -> Forge:
    about = _about(read_json(state.endpoints))
    if arguments.action == "hook":
        return payloads.receive(
            forge, payloads.parse(sys.stdin.read()), about, lambda sha: _contains(about, sha)
        )
    pull = forge.open_for(arguments.branch)
    if arguments.action == "close":
        if pull is None:
            raise SystemExit(f"There is no open pull request for the branch {arguments.branch!r}.")
        return payloads.closed(forge, pull, about, merged=False)
    if pull is not None:
        raise SystemExit(f"Pull request #{pull.number} is open for the branch {arguments.branch!r} already.")
    head = _git(about.url, "rev-parse", "--verify", payloads.HEADS + arguments.branch)
    return payloads.opened(forge, arguments.branch, head, about)


def send(delivery: Delivery, endpoints: dict[str, str]) -> bool:
    """Posts a delivery until it is taken, refused, or PATIENCE is over; prints what came of it."""
    url = f"{endpoints['hooks']}/github"
    headers, body = payloads.signed(delivery, endpoints["webhook_secret"], str(uuid.uuid4()))
    deadline = time.monotonic() + PATIENCE
    while True:
        code, answer = _post(urllib.request.Request(url, data=body, headers=headers, method="POST"))
        if code not in (0, 503) or time.monotonic() > deadline:
            break
        time.sleep(PAUSE)
    print(f"POST /hooks/github {delivery.summary} -> {code or 'no answer'} {_short(answer)}", flush=True)
    return 200 <= code < 300


def _post(request: urllib.request.Request) -> tuple[int, str]:
    """Status and text of the answer; status 0 when there was none."""
    try:
        with urllib.request.urlopen(request, timeout=ANSWER) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def _short(answer: str) -> str:
    """What the receiver did with a delivery, without the rest of its answer."""
    try:
        said = json.loads(answer)
    except ValueError:
        return answer
    return ": ".join(str(said[key]) for key in ("status", "reason") if said.get(key))


def _load(state: State) -> Forge:
    return Forge(tuple(Pull(**one) for one in read_json(state.forge).get("pulls", ())))


def _save(state: State, forge: Forge) -> None:
    write_json(state.forge, {"pulls": [asdict(one) for one in forge.pulls]})


def _about(endpoints: dict[str, str]) -> Repository:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Repository(
        full_name=endpoints["full_name"], url=endpoints["repository"], main=endpoints["base"], now=now
    )


def _contains(about: Repository, sha: str) -> bool:
    """Whether main contains a commit."""
    command = ["git", "-C", about.url, "merge-base", "--is-ancestor", sha, payloads.HEADS + about.main]
    return subprocess.run(command, check=False, capture_output=True, env=_clean()).returncode == 0


def _git(repository: str, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", repository, *arguments], check=False, capture_output=True, text=True, env=_clean()
    )
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _clean() -> dict[str, str]:
    """Our environment without what git sets for its hooks."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devcluster.dev.forge", description=__doc__)
    parser.add_argument("--state", required=True, help="the folder of the embedded system")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("hook", help="read a post-receive hook's lines from standard input")
    for name in ("open", "close"):
        actions.add_parser(name, help=f"{name} the pull request of a branch").add_argument("branch")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
