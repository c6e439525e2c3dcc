"""The waker: Envoy asks it what to do with a request for a copy that sleeps, and gets the answer once there
is one. The request itself stays in Envoy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.type.v3 import http_status_pb2
from google.protobuf import struct_pb2
from google.rpc import code_pb2, status_pb2

from provisioner.routing.envoy.waking import ENDPOINT, SERVED
from provisioner.routing.intent import Endpoint
from provisioner.routing.router import metrics, refusal
from provisioner.routing.router.holds import Ending, Holds, Result, Target
from provisioner.routing.router.state import RoutingState


class Waker(external_auth_pb2_grpc.AuthorizationServicer):
    """Answers each question when its wait is over."""

    def __init__(self, state: RoutingState, holds: Holds) -> None:
        self._state, self._holds = state, holds

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        attributes = request.attributes
        target = await self._target(attributes, context)
        started = time.monotonic()
        ending = await self._holds.wait(target)
        metrics.WAITS.labels(ending.result.value).observe(time.monotonic() - started)
        if ending.result is Result.LEFT:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this router ends")
        if ending.endpoint is not None:
            return passed(ending.endpoint, ending.served)
        return _refused(ending, target, attributes.request.http)

    async def _target(self, attributes: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Target:
        """What the request is for; the call ends with INVALID_ARGUMENT, and the request with 503, when it
        does not come from a listener of ours."""
        told: Mapping[str, str] = dict(attributes.context_extensions)
        try:
            carriers = self._state.chains[told["chain"]].carriers
            lane = attributes.request.http.headers[carriers.header.lower()]
            return Target(told["chain"], told["namespace"], told["service"], int(told["port"]), lane)
        except (KeyError, ValueError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no request for a lane: {error!r}")
            raise


def passed(endpoint: Endpoint, served: str) -> Any:
    """The answer that has a request passed to a pod, of whose owner `served` tells."""
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    said = struct_pb2.Struct()
    said.update({ENDPOINT: f"{host}:{endpoint.port}", SERVED: served})
    return external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code_pb2.OK), dynamic_metadata=said)


def _refused(ending: Ending, target: Target, http: Any) -> Any:
    told = refusal.told(ending.result, target, http.method, http.headers.get("accept", ""))
    denied = external_auth_pb2.DeniedHttpResponse(
        status=http_status_pb2.HttpStatus(code=http_status_pb2.StatusCode.ServiceUnavailable),
        headers=[_header(key, value) for key, value in told.headers.items()],
        body=told.body,
    )
    return external_auth_pb2.CheckResponse(
        status=status_pb2.Status(code=code_pb2.UNAVAILABLE), denied_response=denied
    )


def _header(key: str, value: str) -> Any:
    overwrite = base_pb2.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=key, value=value), append_action=overwrite
    )
