"""Reading a request's body within a bound, refusing a larger one before all of it is read."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from webhooks.errors import DeliveryError, TooLargeError


async def read(request: Request, limit: int) -> bytes:
    """The raw body. Raises TooLargeError, by Content-Length or as soon as more than `limit` bytes came."""
    _announced(request.headers.get("content-length", "0"), limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise DeliveryError("the connection ended before the body did") from error
    return b"".join(chunks)


def _announced(length: str, limit: int) -> None:
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes (LANEWAY_MAX_BODY_BYTES)")
