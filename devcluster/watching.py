"""A watch over HTTP: initial events, changes, bookmarks, until the client goes or its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson

from devcluster.answers import Presenter
from devcluster.api import Api, Watch
from devcluster.errors import ApiError, bad_request
from devcluster.requests import Call

DEFAULT_SECONDS = 1800
BOOKMARK_SECONDS = 30.0


def lines(api: Api, call: Call, presenter: Presenter) -> AsyncIterator[bytes]:
    """The lines of the watch that `call` asks for. It stands when this returns; ApiError 400 for a malformed
    one.
    """
    initial, since = _start(call)
    fields = call.query.get("fieldSelector", "")
    if call.name:
        fields = f"metadata.name={call.name}"
    try:
        watch = api.watch(
            call.resource,
            call.namespace,
            since=since if not initial else "",
            labels=call.query.get("labelSelector", ""),
            fields=fields,
            initial=initial,
        )
    except ApiError as error:
        if error.code != 410:
            raise
        return _refused(error)
    return _stream(api, call, presenter, watch)


def _start(call: Call) -> tuple[bool, str]:
    """Whether all that is there comes first, and the revision to go on from ("" for now)."""
    since = call.query.get("resourceVersion", "")
    if since and not since.isdigit():
        raise bad_request(f"Invalid value: {since!r}: resourceVersion must be a number")
    if "sendInitialEvents" in call.query:
        return call.flag("sendInitialEvents"), "" if since == "0" else since
    return since in ("", "0"), since


async def _refused(error: ApiError) -> AsyncIterator[bytes]:
    yield orjson.dumps({"type": "ERROR", "object": error.status()}) + b"\n"


async def _stream(api: Api, call: Call, presenter: Presenter, watch: Watch) -> AsyncIterator[bytes]:
    bookmarks = call.flag("allowWatchBookmarks")
    end = asyncio.get_running_loop().time() + call.number("timeoutSeconds", DEFAULT_SECONDS)
    try:
        first = watch.initial()
        if first:
            yield b"".join(presenter.event("ADDED", record) for record in first)
        if call.query.get("sendInitialEvents") and call.flag("sendInitialEvents") and bookmarks:
            yield presenter.bookmark(watch.revision, initial_end=True)
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                    kind, record = await watch.record()
            except TimeoutError:
                if bookmarks:
                    yield presenter.bookmark(api.store.revision)
                continue
            except StopAsyncIteration:
                return
            await api.store.durable()
            yield presenter.event(kind, record)
    finally:
        watch.close()
