"""The responder, as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import httpx
import pytest

from provisioner.routing import lineage
from tests.support import web
from tests.support.commands import LANEWAY, environment, program
from tests.support.ports import free_port
from tests.support.waiting import until

MISSING = {"x-laneway-missing": "shop/pr-42/payment/x-lane"}
TEXT = lineage.lacking("shop", "pr-42", "payment")


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    http, rpc = free_port(), free_port()
    settings = {
        "LANEWAY_RESPONDER_HOST": "127.0.0.1",
        "LANEWAY_RESPONDER_PORT": str(http),
        "LANEWAY_RESPONDER_GRPC_PORT": str(rpc),
    }
    with program([*LANEWAY, "responder"], env=environment(settings)) as process:
        until(lambda: _answers(http) or process.poll() is not None, "the responder answers")
        yield http, rpc
        process.terminate()
        assert process.wait(timeout=30) == 0


def _answers(port: int) -> bool:
    try:
        return web.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_it_names_lane_and_service(ports: tuple[int, int], method: str) -> None:
    answer = web.request(method, f"http://127.0.0.1:{ports[0]}/any/path?q=1", headers=MISSING)
    assert (answer.status_code, answer.text) == (503, TEXT)
    assert answer.headers["x-lane-served"] == "payment=none"


def test_a_route_may_lead_the_path_of_probes_to_it_too(ports: tuple[int, int]) -> None:
    assert web.get(f"http://127.0.0.1:{ports[0]}/healthz", headers=MISSING).status_code == 503


def test_the_offer_of_a_websocket_is_answered_alike(ports: tuple[int, int]) -> None:
    offer = {
        **MISSING,
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert web.get(f"http://127.0.0.1:{ports[0]}/chat", headers=offer).status_code == 503


@pytest.mark.parametrize(
    "said",
    [
        "",
        "shop/pr-42/payment",
        "a/b/c/d/e",
        "shop/<b>/payment/x-lane",
        "shop/pr-42//x-lane",
        "a/b/c/<b>",
        "a/b/c/date:",
    ],
)
def test_what_is_no_name_is_not_repeated(ports: tuple[int, int], said: str) -> None:
    answer = web.get(f"http://127.0.0.1:{ports[0]}/", headers={"x-laneway-missing": said})
    assert answer.status_code == 503 and "strict lane" in answer.text and "<b>" not in answer.text
    assert answer.headers["x-preview-lane-served"] == "none"


def test_grpc_gets_unavailable_with_the_reason(ports: tuple[int, int]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{ports[1]}") as channel:
        for call in (_unary(channel), _stream(channel)):
            assert call.code() is grpc.StatusCode.UNAVAILABLE
            assert call.details() == TEXT.rstrip()
            assert ("x-lane-served", "payment=none") in tuple(call.initial_metadata())


def _unary(channel: grpc.Channel) -> grpc.RpcError:
    method = channel.unary_unary("/pay.Pay/Charge")
    with pytest.raises(grpc.RpcError) as refused:
        method(b"1", metadata=tuple(MISSING.items()), timeout=30)
    return refused.value


def _stream(channel: grpc.Channel) -> grpc.RpcError:
    method = channel.stream_stream("/pay.Pay/Watch")
    answers = method(iter([b"1", b"2"]), metadata=tuple(MISSING.items()), timeout=30)
    with pytest.raises(grpc.RpcError):
        next(answers)
    return answers
