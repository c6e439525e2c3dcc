"""`--watch`, on a terminal and without one, while a release changes in a real cluster."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from rich.console import Console

from provisioner.cluster import Cluster
from provisioner.commands.release import picture, watching
from provisioner.errors import ClusterError, InputError
from provisioner.release import store
from provisioner.release.model import Phase, Release
from tests.support.told import BEGUN, happened, release, written

Change = Callable[[], None]


@pytest.fixture
def begun(cluster: Cluster) -> Iterator[Release]:
    """A release that has just begun."""
    line = [happened(1, "Started", 0, message="from lane pr-4")]
    told = {"phase": Phase.PROGRESSING.value, "weight": 0, "timeline": line}
    yield written(cluster, release(f"shop-{uuid4().hex[:8]}", **told))
    for found in cluster.list("Release"):
        cluster.delete("Release", found["metadata"]["name"])


def goes_on(cluster: Cluster, begun: Release, number: int, phase: Phase, **entry: object) -> Change:
    """What makes something happen to the release."""

    def change() -> None:
        now = store.read(cluster, begun.chain, begun.name)
        assert now is not None
        new = happened(number, phase=phase.value, **entry)
        told = {"phase": phase.value, "weight": new["weight"], "timeline": [*now.status["timeline"], new]}
        store.write_status(cluster, now, {**now.status, **told})

    return change


def meanwhile(*changes: Change) -> Callable[[float], None]:
    """In place of time that goes by: the changes, one at each look."""
    line = iter(changes)
    return lambda seconds: next(line)()


def test_without_a_terminal_each_change_is_a_line(
    cluster: Cluster, begun: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    pause = meanwhile(
        lambda: None,
        goes_on(cluster, begun, 2, Phase.PROGRESSING, event="Weight", weight=10, message="step 1"),
        goes_on(cluster, begun, 3, Phase.SUCCEEDED, event="Succeeded", weight=0),
    )
    assert watching.until_over(cluster, begun, pause) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-01-02T03:04:06.000000Z Started at 0 %: from lane pr-4",
        "2026-01-02T03:04:07.000000Z Weight at 10 %: step 1",
        "2026-01-02T03:04:08.000000Z Succeeded at 0 %",
    ]


def test_a_release_that_was_taken_back_ends_with_1(cluster: Cluster, begun: Release) -> None:
    pause = meanwhile(goes_on(cluster, begun, 2, Phase.ROLLED_BACK, event="RolledBack", weight=0))
    assert watching.until_over(cluster, begun, pause) == 1


def test_who_stops_watching_is_told_that_the_release_goes_on(
    cluster: Cluster, begun: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    assert watching.until_over(cluster, begun, interrupted) == 130
    said = capsys.readouterr().err
    assert (
        f"the release goes on without being watched; to end it: laneway release abort {begun.chain}" in said
    )
    now = store.read(cluster, begun.chain, begun.name)
    assert now is not None
    assert now.aborted == ""


def test_a_release_that_somebody_deletes_is_an_error(cluster: Cluster, begun: Release) -> None:
    pause = meanwhile(lambda: assert_deleted(cluster, begun))
    with pytest.raises(InputError, match="somebody has deleted it"):
        watching.until_over(cluster, begun, pause)


def assert_deleted(cluster: Cluster, begun: Release) -> None:
    assert cluster.delete("Release", begun.object_name)


def test_a_cluster_that_does_not_answer_is_said_once_and_asked_again(
    cluster: Cluster, begun: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    flaky = _Flaky(cluster._client)
    pause = meanwhile(
        flaky.away, lambda: None, goes_on(cluster, begun, 2, Phase.SUCCEEDED), flaky.back, lambda: None
    )
    assert watching.until_over(flaky, begun, pause) == 0
    assert capsys.readouterr().err.count("cannot look: it is away") == 1


class _Flaky(Cluster):
    """A cluster that answers or not, as the test says."""

    answers = True

    def away(self) -> None:
        self.answers = False

    def back(self) -> None:
        self.answers = True

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, object] | None:
        if not self.answers:
            raise ClusterError("it is away")
        return super().get(kind, name, namespace)


@pytest.mark.parametrize(("width", "height"), [(100, 30), (80, 24), (60, 24), (40, 30)])
def test_the_picture_fits_the_terminal_and_keeps_what_matters(width: int, height: int) -> None:
    line = [happened(number, f"Event{number}") for number in range(1, 51)]
    told = {
        "phase": Phase.PROGRESSING.value,
        "weight": 10,
        "step": 0,
        "timeline": line,
        "message": "it waits",
    }
    console = Console(width=width, height=height, file=io.StringIO())
    with console.capture() as captured:
        console.print(picture.drawn(release(**told), BEGUN + timedelta(minutes=2), console))
    lines = captured.get().splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    text = " ".join(captured.get().split())
    for shown in ("release-1", "Progressing", "it waits", "10 %", "laneway release promote", "Event50"):
        assert shown in text
