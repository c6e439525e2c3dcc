"""The built-in router: the twin of the Service, EndpointSlices of copies, Lanes, and the Release. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from provisioner import labels
from provisioner.chain.model import Chain, Protocol
from provisioner.lane.model import Mode, object_name
from provisioner.routing import attached, lineage
from provisioner.routing.explain import carriers, released
from provisioner.routing.explain.carriers import Heard
from provisioner.routing.explain.story import BASELINE, NOBODY, Explanation, Json, Live, Request, Step, called
from provisioner.routing.intent import ChainIntent, Copy, Endpoint, Port, State


def explain(chain: Chain, live: Live, request: Request) -> Explanation:
    """Where the router sends a request."""
    twin = _twin(live, request)
    intent = _intent(chain, live)
    port = _port(intent, request) if twin else None
    if twin is None or port is None:
        what = "is not attached" if twin is None else f"has no listener for port {request.port}"
        step = Step(
            f"Service {request.namespace}/{request.service}", "", f"{what}: the router has no part in it"
        )
        return Explanation(BASELINE, (step,))
    start = (Step(called(twin), f"port {port.number}", f"listener {port.listener}, read as {port.protocol}"),)
    if port.protocol is not Protocol.HTTP:
        return _baseline(port, start, "passed through to the baseline, whatever the lane", "")
    heard = carriers.heard(request, chain)
    if heard.forbidden:
        refused = Step("request", "entry.untrusted", f"403: {heard.remark}")
        return Explanation(NOBODY, (*start, refused), (), f"{request.service}={NOBODY}")
    if not heard.lane:
        return _untagged(chain, live, request, intent, port, (*start, Step("request", "", heard.remark)))
    return _of_lane(chain, live, request, port, heard, start)


def _untagged(
    chain: Chain, live: Live, request: Request, intent: ChainIntent, port: Port, start: tuple[Step, ...]
) -> Explanation:
    """The baseline's, but for what a release takes where the chain is entered; the answer says nothing of
    who gave it."""
    if intent.share is None or request.service != chain.entry.service:
        return _baseline(port, start, "the baseline", "")
    share = intent.share
    found = released.dealt(request, share)
    thing = f"Release {object_name(chain.name, share.release)}"
    steps = (*start, Step(thing, f"{share.weight} percent", found.remark))
    if not found.inside:
        return _baseline(port, steps, "the baseline", "")
    heard = Heard(share.lane, "release")
    return replace(_of_lane(chain, live, request, port, heard, steps), said="")


def _twins(live: Live) -> list[Json]:
    marked = ((one["metadata"].get("labels") or {}, one) for one in live.of("Service"))
    return [one for marks, one in marked if marks.get(labels.ROLE) == BASELINE]


def _twin(live: Live, request: Request) -> Json | None:
    wanted = (request.namespace, request.service)
    return next((one for one in _twins(live) if attached.service_name(one)[1:] == wanted), None)


def _intent(chain: Chain, live: Live) -> ChainIntent:
    objects = (live.of(kind) for kind in ("EndpointSlice", "Lane", "Release"))
    return attached.build([chain], _twins(live), *objects).chains[0]


def _port(intent: ChainIntent, request: Request) -> Port | None:
    wanted = (request.namespace, request.service)
    service = next(one for one in intent.services if (one.namespace, one.name) == wanted)
    return next((one for one in service.ports if one.number == request.port), None)


def _of_lane(
    chain: Chain, live: Live, request: Request, port: Port, heard: Heard, start: tuple[Step, ...]
) -> Explanation:
    copy = next((one for one in port.copies if one.lane == heard.lane), None)
    steps = (
        *start,
        Step("request", heard.by, f"lane {heard.lane}"),
        *_lane_steps(chain, live, heard.lane),
    )
    if copy is None or copy.state is State.UNREADY:
        why = f"lane {heard.lane} has no ready copy of {request.service}, nor has an ancestor: the baseline"
        return _baseline(port, steps, why, f"{request.service}={BASELINE}")
    return _of_copy(chain, request, copy, steps)


def _lane_steps(chain: Chain, live: Live, lane: str) -> Iterator[Step]:
    routed = lineage.routed_lanes(live.of("Lane"), chain)
    thing = f"Lane {object_name(chain.name, lane)}"
    if lane not in routed:
        yield Step(thing, "", "there is none that requests may enter")
        return
    line = lineage.ancestors(lane, routed)
    over = f"; over {', '.join(line)}" if line else ""
    yield Step(thing, "mode", f"{routed[lane].mode}{over}")


def _of_copy(chain: Chain, request: Request, copy: Copy, steps: tuple[Step, ...]) -> Explanation:
    thing = f"Service {request.namespace}/{copy.name}" if copy.name else f"lane {copy.lane}"
    if copy.state is State.MISSING:
        text = lineage.lacking(chain.name, copy.lane, request.service).strip()
        return Explanation(
            NOBODY, (*steps, Step(thing, "strict", f"503: {text}")), (), f"{request.service}={NOBODY}"
        )
    who = copy.origin or copy.lane
    if copy.state is State.ASLEEP:
        step = Step(thing, "asleep", "the waker holds the request until a pod is ready")
        return Explanation(who, (*steps, step), (), f"{request.service}={who}")
    alone = copy.mode is not Mode.LOOSE and not copy.origin
    way_back = "" if alone else "; if it takes no connection: the baseline"
    told = _told(copy.endpoints)
    step = Step(thing, f"copy of {who}", f"ready: {', '.join(told)}{way_back}")
    return Explanation(who, (*steps, step), told, f"{request.service}={who}")


def _baseline(port: Port, steps: tuple[Step, ...], why: str, said: str) -> Explanation:
    told = _told(port.baseline)
    service = said.partition("=")[0]
    if not told:
        nobody = Step("baseline", "", f"{why}, which has no ready endpoint: 503")
        return Explanation(NOBODY, (*steps, nobody), (), f"{service}={NOBODY}" if said else "")
    return Explanation(BASELINE, (*steps, Step("baseline", "", f"{why}: {', '.join(told)}")), told, said)


def _told(endpoints: tuple[Endpoint, ...]) -> tuple[str, ...]:
    return tuple(f"{one.address}:{one.port}" for one in endpoints)
