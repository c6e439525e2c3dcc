"""Tells the URLs of `release.notify` what happened to a release.

Each gets its notices one after the other, and the URLs are told beside one another, so that one that does not
answer keeps no other waiting. Nothing of a release waits for any of them: this is a job of its own. What was
taken is noted in the release's status afterwards; a job that dies in between tells the same once more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import structlog

from provisioner.chain.model import Chain
from provisioner.cluster import Cluster, NotFoundError
from provisioner.errors import ConfigError
from provisioner.release import outbox, store
from provisioner.release.model import Release
from provisioner.release.outbox import Notice
from provisioner.routing import links
from provisioner.world import World

SETTING = "LANEWAY_NOTIFY_KEY_FILE"
ANSWER_SECONDS = 5.0  # how long a listener may take for one notice, from the connection to the answer's head
TELL_SECONDS = 20.0  # after this long no further notice is begun

log = structlog.get_logger()


@dataclass(frozen=True)
class Told:
    """What became of one run: how many notices were taken, how many listeners took one no more, and in how
    many seconds to try the rest."""

    taken: int = 0
    failed: int = 0
    again: float | None = None


def tell(chain: Chain, name: str, world: World) -> Told:
    """Tells all that is to be told of a release now. ConfigError where there is no right key to sign with.

    Only URLs that the chain's file lists are asked, too: who may write Releases is not thereby somebody who
    may have requests sent anywhere.
    """
    release = store.read(world.cluster, chain.name, name)
    todo = outbox.pending(release, chain.release.notify, world.now()) if release else {}
    if release is None or not todo:
        return Told()
    key = signing_key(world.settings.notify_key_file)
    taken = asyncio.run(_tell_all(todo, key))
    _note(world.cluster, release, taken)
    left = {url: notices[len(taken[url]) :] for url, notices in todo.items()}
    failed = sum(1 for notices in left.values() if notices)
    return Told(sum(map(len, taken.values())), failed, outbox.again(left, world.now()))


def signing_key(file: Path | None) -> bytes:
    """The key in the file of the settings; of two lines the first. ConfigError where there is none."""
    if file is None:
        raise ConfigError(
            "release.notify is told in signed notices, and there is no key to sign with: write one "
            "(`openssl rand -hex 32`) into a Secret and name its file",
            where=SETTING,
        )
    where = f"{SETTING}: {file}"
    try:
        return links.read_keys(file.read_text("utf-8"), where)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key of notices cannot be read: {error}", where=where) from error


async def _tell_all(todo: Mapping[str, Sequence[Notice]], key: bytes) -> dict[str, list[Notice]]:
    """The notices that each listener took."""
    deadline = time.monotonic() + TELL_SECONDS
    async with httpx.AsyncClient(follow_redirects=False) as client:
        taken = await asyncio.gather(*(_tell(client, one, key, deadline) for one in todo.values()))
    return dict(zip(todo, taken, strict=True))


async def _tell(
    client: httpx.AsyncClient, notices: Sequence[Notice], key: bytes, deadline: float
) -> list[Notice]:
    """Up to the first that is not taken: the next ones must not overtake it."""
    taken: list[Notice] = []
    for one in notices:
        if time.monotonic() > deadline or not await _is_taken(client, one, key):
            break
        taken.append(one)
    return taken


async def _is_taken(client: httpx.AsyncClient, notice: Notice, key: bytes) -> bool:
    """Whether the listener answers 2xx in time. Nothing of its answer but the number is read."""
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            client.stream("POST", notice.url, content=notice.body, headers=notice.headers(key)) as answer,
        ):
            problem = "" if answer.is_success else f"it answered {answer.status_code}"
    except TimeoutError:
        problem = f"no answer within {ANSWER_SECONDS:g} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        # a path may be a secret, as those of chat systems are, and so is what comes before the host
        place = urlsplit(notice.url).netloc.rpartition("@")[2]
        log.warning("notice.failed", to=place, id=notice.id, problem=problem)
    return not problem


def _note(cluster: Cluster, release: Release, taken: Mapping[str, Sequence[Notice]]) -> None:
    """Writes what was taken, and nothing else, whatever happened to the release meanwhile."""
    now_known = outbox.noted(one for notices in taken.values() for one in notices)
    if not now_known:
        return
    patch = {"metadata": {"uid": release.uid}, "status": {"notified": now_known}}
    try:
        cluster.merge("Release", release.object_name, patch, subresource="status")
    except NotFoundError:
        log.info("notice.moot", release=release.object_name)
