"""Users of the example chain, in a pod of the cluster: this file alone runs there, by the standard library.

`python rollouts_load.py URL THREADS USERS` asks without end, each time as one of the users, who keep their
cookies. A line on its standard input has it print, as one line of JSON, what came since the one before: how
many chains had which versions, hop by hop (`1-1-2`), what failed and why, and how many users were given an
older version than they had. After the line `new` there are other users. The end of its input is its end.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PATIENCE = 30.0  # seconds that an answer may take


@dataclass
class User:
    cookies: dict[str, str] = field(default_factory=dict)
    version: str = ""  # of the first hop, the last time

    def heard(self, answer: http.client.HTTPResponse) -> None:
        for line in answer.headers.get_all("set-cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value

    @property
    def headers(self) -> dict[str, str]:
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}


class Tally:
    """What came, until it is taken. `generation` says which users there are; what those of before were still
    answered does not count. Safe to share between threads."""

    def __init__(self) -> None:
        self.generation = 0
        self._lock = threading.Lock()
        self._chains: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._back = 0

    def chain(self, versions: str, generation: int, *, back: bool) -> None:
        with self._lock:
            if generation == self.generation:
                self._chains[versions] += 1
                self._back += back

    def failure(self, why: str) -> None:
        with self._lock:
            self._failed[why] += 1

    def take(self, *, new: bool = False) -> str:
        with self._lock:
            self.generation += new
            found = {"chains": self._chains, "failed": self._failed, "back": self._back}
            self._chains, self._failed, self._back = Counter(), Counter(), 0
        return json.dumps(found)


def asking(url: str, count: int, tally: Tally) -> None:
    """Asks as so many users, whom nobody else is."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
    generation, users = 0, [User() for _ in range(count)]
    while True:
        if generation != tally.generation:
            generation, users = tally.generation, [User() for _ in range(count)]
        user = random.choice(users)
        try:
            connection.request("GET", place.path or "/", headers=user.headers if user.cookies else {})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            tally.failure(type(error).__name__)
            connection.close()
            continue
        if answer.status == 200:
            user.heard(answer)
            note(user, [hop["version"] for hop in json.loads(body)["hops"]], tally, generation)
        else:
            tally.failure(f"{answer.status} {reason(body)}")


def reason(body: bytes) -> str:
    """Why there was no whole answer, as the hop said it that could not ask the next."""
    try:
        return str(json.loads(body)["error"])[:200]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def note(user: User, versions: list[str], tally: Tally, generation: int) -> None:
    back = versions[0] < user.version
    user.version = versions[0]
    tally.chain("-".join(versions), generation, back=back)


def main() -> None:
    url, threads, users = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    tally = Tally()
    for _ in range(threads):
        mine = max(1, users // threads)
        threading.Thread(target=asking, args=(url, mine, tally), daemon=True).start()
    for line in sys.stdin:
        print(tally.take(new=line == "new\n"), flush=True)


if __name__ == "__main__":
    main()
