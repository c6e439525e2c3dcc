"""A few requests to the embedded cluster's API, for bringing a system up; any Kubernetes API would do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

Json = dict[str, Any]

FIELD_MANAGER = "laneway-dev"
POLL = 0.1  # seconds between two looks


class Unready(Exception):
    """What was waited for did not come; the message says what, and what was seen last."""


class Api:
    """The API at `url`; objects are plain JSON. A refusal raises httpx.HTTPStatusError with its words."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=10.0)
        self._paths: dict[tuple[str, str], tuple[str, bool]] = {}

    async def close(self) -> None:
        await self._client.aclose()

    async def ready(self) -> bool:
        try:
            return (await self._client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def get(self, path: str) -> Json:
        return _said(await self._client.get(path))

    async def apply(self, desired: Json, namespace: str = "") -> Json:
        """Applies an object server-side; into `namespace` when it names none itself and its kind has one."""
        path = await self._path(desired, desired["metadata"].get("namespace") or namespace)
        return _said(
            await self._client.patch(
                path,
                params={"fieldManager": FIELD_MANAGER, "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                json=desired,
            )
        )

    async def _path(self, desired: Json, namespace: str) -> str:
        version, kind = desired["apiVersion"], desired["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, kind) not in self._paths:
            for one in (await self.get(root))["resources"]:
                if "/" not in one["name"]:
                    self._paths[version, one["kind"]] = (one["name"], one["namespaced"])
        plural, namespaced = self._paths[version, kind]
        scope = f"/namespaces/{namespace or 'default'}" if namespaced else ""
        return f"{root}{scope}/{plural}/{desired['metadata']['name']}"


def _said(answer: httpx.Response) -> Json:
    if answer.is_error:
        raise httpx.HTTPStatusError(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}",
            request=answer.request,
            response=answer,
        )
    data: Json = answer.json()
    return data


async def until(what: str, seconds: float, look: Callable[[], Awaitable[object]]) -> None:
    """Looks again and again until `look` gives something true. Raises Unready after `seconds`, with what the
    last look raised."""
    deadline = time.monotonic() + seconds
    last = ""
    while time.monotonic() < deadline:
        try:
            if await look():
                return
        except (httpx.HTTPError, OSError) as error:
            last = f"; last seen: {type(error).__name__}: {error}"
        await asyncio.sleep(POLL)
    raise Unready(f"{what}: not within {seconds:.0f} s{last}")
