"""The built-in driver: compiles an intent to what Envoy is told over discovery. Pure.

The layout, per Service port (`payment:8080`):

cluster `payment:8080`             the baseline, and nothing else
cluster `payment:8080/lanes/N`     shard N of the lanes: the pods of each copy with their lane as metadata,
                                   the baseline as the default subset, and as second priority, for each
                                   lane, a way back to the baseline (in a strict lane, to 503)
listener `payment:8080`            the Lua filter that finds the lane; two routes: with a lane, and without
routes `payment:8080/HEADER`       where the chain is entered, these routes: apart from the listener, because
                                   they say which requests without a lane a release takes
listener `payment:8080/baseline`   internal: what the second priority leads to
listener `payment:8080/waker`      internal: holds requests until the copy that they are for is awake
listener `payment:8080/missing`    internal: says 503 for copies that strict lanes lack
listener `ready`                   answers the readiness probe, once all listeners are there that the pod was
                                   started for

Promises: only endpoints change when lanes do, and only these routes when a release's share does, so that no
connection is ended; a request without a lane can reach no copy but those of a release; equal intents give
equal resources, byte for byte, in one order.
"""

from __future__ import annotations

from provisioner.routing.envoy.compile import Compiler, compile_intent
from provisioner.routing.envoy.node import Node
from provisioner.routing.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resource, Resources

__all__ = [
    "CLUSTER",
    "ENDPOINTS",
    "LISTENER",
    "ROUTES",
    "Compiler",
    "Node",
    "Resource",
    "Resources",
    "compile_intent",
]
