"""Following a list and its changes: resumed where it ended, listed anew when it must be, never silent."""

from __future__ import annotations

import threading

import pytest

from provisioner.errors import ClusterError, ConflictError, PermanentError
from provisioner.routing.router.feed import Changed, Follower, Listed, Query, Sink, queries
from tests.support.routing import chain

QUERY = Query("Lane", "", "")


def obj(version):
    return {"kind": "Lane", "metadata": {"name": "shop.a", "resourceVersion": version}}


class Script:
    """A source that plays its answers: each is a list of watch events, or an error to raise."""

    def __init__(self, stop, *answers):
        self._stop, self._answers = stop, list(answers)
        self.asked = []

    def snapshot(self, kind, namespace="", labels=""):
        self.asked.append("list")
        return [obj("5")], "7"

    def watch(self, kind, namespace="", labels="", since=""):
        self.asked.append(f"watch {since}")
        if not self._answers:
            self._stop.set()
            return
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield from answer


def play(*answers):
    """What was asked of the source, and what was delivered."""
    stop, delivered = threading.Event(), []
    source = Script(stop, *answers)
    Follower(source, QUERY, Sink(delivered.append, delivered.append), stop).run()
    return source.asked, delivered


def test_a_watch_goes_on_from_the_last_version():
    asked, delivered = play([("ADDED", obj("8")), ("DELETED", obj("9"))], [])
    assert asked == ["list", "watch 7", "watch 9", "watch 9"]
    assert delivered == [
        Listed(QUERY, [obj("5")]),
        Changed(QUERY, obj("8"), False),
        Changed(QUERY, obj("9"), True),
    ]


def test_a_bookmark_moves_the_version_and_delivers_nothing():
    asked, delivered = play([("BOOKMARK", obj("12"))])
    assert asked[-1] == "watch 12"
    assert len(delivered) == 1


def test_a_version_that_is_too_old_leads_to_a_new_list():
    asked, delivered = play(ConflictError("too old", reason="Expired"))
    assert asked == ["list", "watch 7", "list", "watch 7"]
    assert len(delivered) == 2


def test_an_outage_takes_nothing_away_and_needs_no_new_list():
    asked, delivered = play(ClusterError("no answer"), [])
    assert asked == ["list", "watch 7", "watch 7", "watch 7"]
    assert len(delivered) == 1


def test_an_error_that_nobody_expected_is_told():
    stop, told = threading.Event(), []
    source = Script(stop, ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        Follower(source, QUERY, Sink(lambda change: None, told.append), stop).run()
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_whom_it_told_may_be_gone_once_it_is_to_stop():
    stop = threading.Event()

    def gone(*_):
        stop.set()
        raise RuntimeError("the loop is closed")

    Follower(Script(stop, []), QUERY, Sink(gone, gone, gone), stop).run()


def test_a_watch_that_breaks_is_said_until_the_cluster_is_heard_of_again():
    stop, told = threading.Event(), []
    lost = ClusterError("it does not answer")
    source = Script(stop, lost, [("BOOKMARK", obj("8"))], [])
    sink = Sink(lambda change: None, lambda error: None, lambda query, error: told.append((query, error)))
    Follower(source, QUERY, sink, stop).run()
    assert told == [(QUERY, lost), (QUERY, None)]


ABSENT = PermanentError("the server could not find the requested resource", reason="NotFound")
FORBIDDEN = PermanentError("may not list releases", reason="Forbidden")


class Lacking(Script):
    """The first lists are refused, so many times."""

    def __init__(self, stop, error, times, *answers):
        super().__init__(stop, *answers)
        self._error, self._times = error, times

    def snapshot(self, kind, namespace="", labels=""):
        if self._times:
            self._times -= 1
            raise self._error
        return super().snapshot(kind, namespace, labels)


@pytest.mark.parametrize("error", [ABSENT, FORBIDDEN], ids=["no kind", "no right"])
def test_of_a_kind_that_the_cluster_may_lack_there_is_none_until_it_comes(error):
    optional = Query("Release", "", "", optional=True)
    stop, delivered, silent = threading.Event(), [], []
    source = Lacking(stop, error, 2, [])
    sink = Sink(delivered.append, delivered.append, lambda query, why: silent.append(why))
    Follower(source, optional, sink, stop).run()
    assert delivered == [Listed(optional, ()), Listed(optional, [obj("5")])], (
        "said once, though refused twice"
    )
    assert silent == []


def test_a_kind_that_goes_takes_its_objects_along_and_a_right_that_goes_does_not():
    optional = Query("Release", "", "", optional=True)
    for error, expected in ((ABSENT, [[obj("5")], ()]), (FORBIDDEN, [[obj("5")]])):
        stop, delivered = threading.Event(), []
        source = Script(stop, error)
        Follower(source, optional, Sink(delivered.append, delivered.append), stop).run()
        assert [one.objects for one in delivered][: len(expected)] == expected


def test_every_router_watches_releases_but_does_not_depend_on_them():
    assert [one.optional for one in queries([chain()]) if one.kind == "Release"] == [True]
    assert {one.kind for one in queries([chain()]) if not one.optional} == {
        "Lane",
        "Service",
        "EndpointSlice",
    }
