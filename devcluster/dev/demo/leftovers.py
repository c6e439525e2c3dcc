"""Every object in the cluster that belongs to a lane of one chain, of whatever kind: what a teardown must
leave empty. Lanes of other chains are somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from provisioner import labels

Json = dict[str, Any]


def of_lanes(api: httpx.Client, chain: str) -> list[str]:
    """`kind namespace/name` of every object with the label of one of the chain's lanes, or owned by one;
    sorted."""
    found = []
    for path in _lists(api):
        answer = api.get(path)
        if answer.is_error:  # a resource without a list, such as an access review
            continue
        for one in answer.json().get("items", ()):
            if _belongs(one["metadata"], chain):
                metadata = one["metadata"]
                found.append(f"{path.rpartition('/')[2]} {metadata.get('namespace', '')}/{metadata['name']}")
    return sorted(found)


def _belongs(metadata: Json, chain: str) -> bool:
    marks = metadata.get("labels") or {}
    owners = (one["name"] for one in metadata.get("ownerReferences", ()) if one["kind"] == "Lane")
    labelled = labels.LANE in marks and marks.get(labels.CHAIN, chain) == chain
    return labelled or any(name.startswith(f"{chain}.") for name in owners)


def _lists(api: httpx.Client) -> Iterator[str]:
    """The path of every resource that can be listed, from discovery."""
    groups = api.get("/apis").raise_for_status().json()["groups"]
    roots = ["/api/v1", *(f"/apis/{one['preferredVersion']['groupVersion']}" for one in groups)]
    for root in roots:
        for resource in api.get(root).raise_for_status().json()["resources"]:
            if "/" not in resource["name"] and "list" in resource["verbs"]:
                yield f"{root}/{resource['name']}"
