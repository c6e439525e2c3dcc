"""What a rule of a mesh does of a release: whose header it sets, and how it deals requests out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provisioner.routing.explain.story import BASELINE, Request, Step

Part = tuple[int, str]  # weight, and the lane whose header a destination sets; empty for none


def steps(
    thing: str, header: str, request: Request, parts: Iterable[Part], cookie: str = ""
) -> Iterator[Step]:
    """What is to be said of a rule that leads a request to several places, or tells it of a lane that it did
    not name. `cookie` is the one that keeps it where the lot has sent it."""
    weights: dict[str, int] = {}
    for weight, lane in parts:
        weights[lane] = weights.get(lane, 0) + weight
    lanes = [lane for lane in weights if lane]
    if not lanes:
        return
    if len(weights) == 1:
        if not request.values(header):
            yield Step(thing, "request", f"sets {header}: {lanes[0]}")
        return
    whole = sum(weights.values())
    said = [
        f"{100 * weight / whole:g} % to {f'lane {lane}' if lane else BASELINE}"
        for lane, weight in sorted(weights.items())[::-1]
    ]
    kept = f"; the cookie {cookie} keeps it there" if cookie else ""
    yield Step(thing, "by lot", ", ".join(said) + kept)
