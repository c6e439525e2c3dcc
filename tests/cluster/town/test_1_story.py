"""The story of the demo with webhooks over the Service and real pods; then what only time brings: an image
that comes late, and a lane that the nightly sweep finds."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from devcluster.dev.cluster import neighbours
from devcluster.dev.cluster.neighbours import OUTSIDE
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import POD, Town
from devcluster.dev.demo.play import enact
from devcluster.dev.demo.stage import Stage
from devcluster.dev.demo.tell import Tell
from tests.cluster.town.acting import answers, commit, push
from tests.cluster.town.load import PATIENCE
from tests.support.waiting import until

Json = dict[str, Any]
REPOSITORY = f"/tmp/state/repos/{neighbours.NAME}.git"  # in the pod


def test_the_whole_story_holds(town: Town, ways: Json) -> None:
    told = StringIO()
    tell = Tell(Console(file=told, soft_wrap=True))
    try:
        enact(ClusterStage(ways, town.clone, tell, pipeline=town.pipeline))
    finally:
        print(told.getvalue())


def test_a_late_image_is_waited_for_and_its_lane_recovers(town: Town, stage: ClusterStage) -> None:
    sha = commit(stage, "late", "late", "payment")
    Stage.push(stage, "late")  # and no CI has built it
    until(lambda: state(stage, "late") == "ImagePending", "the image is said to be missing", PATIENCE)
    seen = stage.lane("late")
    assert seen is not None and seen.status["phase"] == "Deploying"
    assert stage.ask({"x-preview-lane": "late"}).lanes["payment"] == ""
    town.pipeline.build(stage.clone, sha)
    until(lambda: answers(stage, "late", "late"), "the lane answers once the image is there", PATIENCE)
    until(lambda: state(stage, "late") == "Ready", "its status says so", PATIENCE)


def state(stage: ClusterStage, lane: str) -> str:
    """What the lane's status says of payment."""
    seen = stage.lane(lane)
    told = seen.services if seen else []
    return next((one.get("state", "") for one in told if one["name"] == "payment"), "")


def test_the_nightly_job_closes_a_lane_whose_branch_went_unheard(town: Town, stage: ClusterStage) -> None:
    push(stage, "stale", "stale", "payment")
    until(lambda: answers(stage, "stale", "stale"), "the lane answers", PATIENCE)
    git = ("git", "-C", REPOSITORY, "update-ref", "-d", "refs/heads/stale")  # no hook tells of this
    town.context.kubectl("exec", "--namespace", OUTSIDE, POD, "--", *git)
    said = town.installation.job("sweep", "sweep-now")
    print(said)
    assert "stale" in said
    until(lambda: stage.lane("stale") is None, "the lane is gone", PATIENCE)
    assert stage.lane("late") is not None
