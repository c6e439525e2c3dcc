"""The example's Rollouts by their own steps: what a team has that weighs each hop by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bench.rollouts_site import SERVICES, Site
from provisioner.cluster import Cluster
from provisioner.copies import rollouts
from tests.support.waiting import until

Json = dict[str, Any]

KIND = "Rollout"
SOON, LATE = 120.0, 300.0  # seconds


class Rollouts:
    """All of the chain's, which are changed at the same moments."""

    def __init__(self, site: Site, cluster: Cluster) -> None:
        self._site, self._cluster = site, cluster

    def set_image(self, image: str) -> None:
        """Gives all of them an image."""
        for one in self._live():
            (container,) = one["spec"]["template"]["spec"]["containers"]
            spec = {"template": {"spec": {"containers": [{**container, "image": image}]}}}
            self._merge(one, {"spec": spec})

    def steps(self) -> Iterator[int]:
        """The weight of each of their steps, while all of them are at it; then all go on."""
        (steps,) = {json.dumps(one["spec"]["strategy"]["canary"]["steps"]) for one in self._live()}
        weights = [one["setWeight"] for one in json.loads(steps) if "setWeight" in one]
        for number, weight in enumerate(weights):
            index = 2 * number + 1  # each weight is followed by a pause
            until(
                lambda index=index: all(_waits_at(one, index) for one in self._live()),
                f"all at {weight} %",
                LATE,
            )
            yield weight
            self._go_on(index + 1)
        self.settle()

    def settle(self) -> None:
        """Returns when all are Healthy on their newest template."""
        until(lambda: all(map(_is_healthy, self._live())), "all Rollouts are Healthy", LATE)

    def give_at_once(self, image: str) -> None:
        """Gives all of them an image, without steps."""
        self.set_image(image)
        until(lambda: all(map(_is_seen, self._live())), "their controller has seen the image", SOON)
        for one in self._live():
            self._merge(one, {"status": {"promoteFull": True}}, "status")
        self.settle()

    def phases(self) -> set[str]:
        return {str(one["status"].get("phase")) for one in self._live()}

    def images(self) -> set[str]:
        """What their templates say."""
        return {str(one["spec"]["template"]["spec"]["containers"][0]["image"]) for one in self._live()}

    def _go_on(self, index: int) -> None:
        """Repeatable, as the controller may write at the same moment."""
        status = {"pauseConditions": None, "controllerPause": False, "currentStepIndex": index}
        for one in self._live():
            self._merge(one, {"status": status}, "status")

    def _merge(self, one: Json, patch: Json, subresource: str = "") -> None:
        name = one["metadata"]["name"]
        self._cluster.merge(KIND, name, patch, self._site.namespace, subresource)

    def _live(self) -> list[Json]:
        found = [self._cluster.get(KIND, name, self._site.namespace) for name in SERVICES]
        return [one for one in found if one is not None]


def _is_seen(rollout: Json) -> bool:
    return bool(rollout["status"].get("observedGeneration") == str(rollout["metadata"]["generation"]))


def _waits_at(rollout: Json, index: int) -> bool:
    status = rollout["status"]
    paused = status.get("controllerPause") and status.get("pauseConditions")
    return bool(_is_seen(rollout) and paused and status.get("currentStepIndex") == index)


def _is_healthy(rollout: Json) -> bool:
    status = rollout["status"]
    stable = status.get("currentPodHash") == status.get("stableRS")
    healthy = _is_seen(rollout) and stable and status.get("phase") == "Healthy"
    return healthy and rollouts.leads_to_stable(rollout)
