"""Notices of releases: a real cluster's Release on one side, a real HTTP server on the other."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from provisioner.chain.model import Chain
from provisioner.chain.strategy import Strategy
from provisioner.cluster import Cluster
from provisioner.errors import ConfigError
from provisioner.git import Repositories
from provisioner.release import notices, store
from provisioner.release.model import Release
from provisioner.settings import Settings
from provisioner.world import World
from tests.support.ports import free_port
from tests.support.routing import chain
from tests.support.told import BEGUN, Listener, happened, listener, release, written

KEY = "0123456789abcdef" * 2
PAGE = Path(__file__).parents[3] / "docs" / "releases.md"


@pytest.fixture
def taker() -> Iterator[Listener]:
    with listener() as found:
        yield found


@pytest.fixture
def world(tmp_path: Path, cluster: Cluster) -> World:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    settings = Settings(mirrors=tmp_path / "mirrors", notify_key_file=key)
    repositories = Repositories(settings.mirrors, max_bytes=settings.mirror_bytes, timeout=20)
    return World(cluster, repositories, settings, lambda: BEGUN + timedelta(seconds=60))


def running(world: World, *urls: str, entries: int = 3) -> Release:
    """A release with this many entries in its timeline that these URLs are to be told of."""
    line = [happened(number) for number in range(1, entries + 1)]
    wanted = release(f"shop-{uuid4().hex[:8]}", strategy=Strategy(notify=urls), timeline=line)
    return written(world.cluster, wanted)


def tell(world: World, told: Release) -> notices.Told:
    return notices.tell(listing(told), told.name, world)


def listing(told: Release) -> Chain:
    """A chain whose file lists the same URLs."""
    return replace(chain(), name=told.chain, release=told.strategy)


def happens(world: World, told: Release, number: int) -> None:
    """One more entry comes into the timeline."""
    now = store.read(world.cluster, told.chain, told.name)
    assert now is not None
    line = [*now.status["timeline"], happened(number)]
    store.write_status(world.cluster, now, {**now.status, "timeline": line})


def test_a_listener_gets_each_change_once_and_in_order(world: World, taker: Listener) -> None:
    told = running(world, taker.url)
    assert tell(world, told) == notices.Told(taken=3, failed=0, again=None)
    assert tell(world, told) == notices.Told()
    happens(world, told, 4)
    assert tell(world, told).taken == 1
    assert taker.sequences == [1, 2, 3, 4]


def test_every_notice_is_signed(world: World, taker: Listener) -> None:
    tell(world, running(world, taker.url))
    for one in taker.got:
        expected = hmac.new(KEY.encode(), one.body, hashlib.sha256).hexdigest()
        assert one.headers["X-Laneway-Signature-256"] == f"sha256={expected}"


def test_a_receiver_checks_a_notice_as_the_page_about_releases_says(world: World, taker: Listener) -> None:
    recipe = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert recipe
    known: dict[str, Any] = {}
    exec(recipe[1], known)
    tell(world, running(world, taker.url))
    body, header = taker.got[0].body, taker.got[0].headers["X-Laneway-Signature-256"]
    assert known["is_from_laneway"](body, header, KEY.encode())
    assert not known["is_from_laneway"](body + b" ", header, KEY.encode())
    assert not known["is_from_laneway"](body, header, b"another key")


def test_what_is_not_taken_is_told_again_and_nothing_overtakes_it(world: World, taker: Listener) -> None:
    told = running(world, taker.url)
    answers = iter([204, 500])
    taker.answers = lambda: next(answers)
    found = tell(world, told)
    assert (found.taken, found.failed) == (1, 1)
    assert found.again == pytest.approx(29)
    taker.answers = lambda: 200
    assert tell(world, told) == notices.Told(taken=2)
    assert taker.sequences == [1, 2, 2, 3]


def test_a_job_that_dies_before_it_notes_what_was_taken_tells_it_again(world: World, taker: Listener) -> None:
    told = running(world, taker.url)
    deaf = replace(world, cluster=_Unwritable(world.cluster._client))
    with pytest.raises(_Died):
        tell(deaf, told)
    tell(world, told)
    assert taker.sequences == [1, 2, 3, 1, 2, 3]
    assert len({one.told["id"] for one in taker.got}) == 3


def test_one_that_nobody_answers_for_keeps_no_other_waiting(world: World, taker: Listener) -> None:
    told = running(world, f"http://127.0.0.1:{free_port()}/hook", taker.url)
    found = tell(world, told)
    assert (found.taken, found.failed) == (3, 1)
    assert taker.sequences == [1, 2, 3]
    assert tell(world, told).taken == 0


def test_what_is_logged_of_a_listener_tells_no_secret_of_its_address(world: World, taker: Listener) -> None:
    taker.answers = lambda: 500
    with capture_logs() as logs:
        tell(world, running(world, taker.url.replace("//", "//somebody:a-password@")))
    (failed,) = [one for one in logs if one["event"] == "notice.failed"]
    assert failed["to"] in taker.url
    assert not any(secret in str(logs) for secret in ("somebody", "a-password", "secret-path"))


def test_one_that_never_answers_is_given_up_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "ANSWER_SECONDS", 0.3)
    ended = threading.Event()
    with listener() as silent:
        silent.answers = lambda: 204 if ended.wait(30) else 500
        try:
            began = time.monotonic()
            assert tell(world, running(world, silent.url)).failed == 1
            assert time.monotonic() - began < 10
        finally:
            ended.set()


def test_nobody_is_sent_on_to_another_address(world: World, taker: Listener) -> None:
    taker.answers = lambda: 302
    assert tell(world, running(world, taker.url)).failed == 1
    assert taker.sequences == [1]


def test_a_notice_changes_nothing_else_of_the_release(world: World, taker: Listener) -> None:
    told = running(world, taker.url)
    tell(world, told)
    after = store.read(world.cluster, told.chain, told.name)
    assert after is not None
    assert {**after.status, "notified": None} == {**told.status, "notified": None}
    assert after.spec() == told.spec()


def test_a_url_that_the_chain_file_does_not_list_is_not_asked(world: World, taker: Listener) -> None:
    told = running(world, taker.url)
    elsewhere = replace(listing(told), release=Strategy(notify=("https://hooks.example.com",)))
    assert notices.tell(elsewhere, told.name, world) == notices.Told()
    assert taker.got == []


def test_without_a_key_nothing_is_sent(world: World, taker: Listener) -> None:
    unset = replace(world, settings=world.settings.model_copy(update={"notify_key_file": None}))
    with pytest.raises(ConfigError, match=r"LANEWAY_NOTIFY_KEY_FILE.*openssl rand -hex 32"):
        tell(unset, running(world, taker.url))
    assert taker.got == []


def test_a_key_that_can_be_guessed_is_refused(world: World, taker: Listener, tmp_path: Path) -> None:
    weak = tmp_path / "weak"
    weak.write_text("secret\n")
    guessable = replace(world, settings=world.settings.model_copy(update={"notify_key_file": weak}))
    with pytest.raises(ConfigError, match="guessed"):
        tell(guessable, running(world, taker.url))
    assert taker.got == []


def test_of_a_release_that_is_gone_nobody_is_told(world: World, taker: Listener) -> None:
    told = running(world, taker.url)
    world.cluster.delete("Release", told.object_name)
    assert tell(world, told) == notices.Told()


class _Died(Exception):
    """The process ended."""


class _Unwritable(Cluster):
    """A cluster at whose next write the process dies."""

    def merge(self, *arguments: object, **options: object) -> dict[str, object]:
        raise _Died
