"""Real workers under Celery: one is killed in the middle of a job, another one ends it soon after."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from provisioner.events import Kind
from tests.support.commands import LANEWAY, process
from tests.support.crashes import Moment
from tests.support.stage import Stage
from tests.support.waiting import until

pytestmark = pytest.mark.proof

DYING = (sys.executable, "-m", "tests.support.dyingworker")
TAKEN_OVER = 60.0  # seconds within which another worker must have ended the job

POINTS = (
    ("POST /apis/laneway.dev/v1alpha1/lanes", Moment.AFTER),
    (".git fetch", Moment.BEFORE),
    ("deployments/payment--", Moment.AFTER),
)


def environment(stage: Stage, **more: str) -> dict[str, str]:
    return {
        "LANEWAY_REDIS_URL": stage.settings.redis_url,
        "LANEWAY_CHAINS": str(stage.settings.chains),
        "LANEWAY_KUBECONFIG": stage.settings.kubeconfig,
        "LANEWAY_MIRRORS": str(stage.settings.mirrors),
        "LANEWAY_METRICS_PORT": "0",
        "LANEWAY_METRICS_HOST": "127.0.0.1",
        "LANEWAY_LOCK_SECONDS": "2",
        **more,
    }


@pytest.mark.parametrize(("where", "when"), POINTS)
def test_a_killed_worker_s_job_is_ended_by_another(
    stage: Stage, folder: Path, where: str, when: Moment
) -> None:
    branch = f"whole-{POINTS.index((where, when))}"
    stage.shop.origin.branch(branch, {"payment/app.py": "2"})
    here = stage.apart(branch)
    with process(
        DYING, environment(here, DIE_WHERE=where, DIE_WHEN=when.name), folder / "dying.log"
    ) as dying:
        here.tell(Kind.OPENED, branch, 0)
        dying.wait(timeout=40)
    assert dying.returncode == -signal.SIGKILL
    with process([*LANEWAY, "worker"], environment(here), folder / "worker.log"):
        until(lambda: not here.breaches(branch), "the law holds", TAKEN_OVER)
