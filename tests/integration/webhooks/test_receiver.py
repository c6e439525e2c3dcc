"""A real `laneway serve` on a real Valkey: what the forge is told, and what is in the queue then."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.webhooks.conftest import CHAIN, Receiver
from tests.support import web
from tests.support.deliveries import SECRET, body, headers, payload
from tests.support.valkeys import server
from tests.support.waiting import until
from workers.message import DELIVER, QUEUE
from workers.queue import JOBS


def queued(receiver: Receiver) -> list[Any]:
    """The arguments of the jobs in the queue, oldest first."""
    messages = [json.loads(text) for text in reversed(receiver.client.lrange(QUEUE, 0, -1))]
    assert all(one["headers"]["task"] == DELIVER for one in messages)
    return [json.loads(base64.b64decode(one["body"]))[0] for one in messages]


def told(answer: httpx.Response, status: int, error: str) -> str:
    """The message of a refusal, after its status and reason were checked."""
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    return str(answer.json()["message"])


def test_a_signed_delivery_is_in_the_queue_when_it_is_acknowledged(receiver: Receiver) -> None:
    answer = receiver.deliver("pull_request", payload("pull_request"), delivery="d-1")
    assert answer.status_code == 202
    assert answer.json() == {"delivery": "d-1", "status": "queued", "chains": ["shop"]}
    ((event, chain),) = queued(receiver)
    assert (event["delivery"], event["kind"], event["pull"], chain) == ("d-1", "opened", 7, "shop")


def test_the_same_delivery_twice_is_queued_once(receiver: Receiver) -> None:
    for status in ("queued", "duplicate"):
        answer = receiver.deliver("push", payload("push"), delivery="d-1")
        assert (answer.status_code, answer.json()["status"]) == (202, status)
    assert len(queued(receiver)) == 1


def test_a_delivery_whose_job_was_lost_is_no_duplicate(receiver: Receiver) -> None:
    receiver.deliver("push", payload("push"), delivery="d-1")
    receiver.client.delete(JOBS)
    assert receiver.deliver("push", payload("push"), delivery="d-1").json()["status"] == "queued"


def test_what_concerns_no_chain_is_ignored_with_the_reason(receiver: Receiver) -> None:
    answer = receiver.deliver("push", payload("push", repository__full_name="acme/other"))
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert "acme/other" in answer.json()["reason"]
    assert not queued(receiver)


def test_an_event_that_concerns_no_lane_is_ignored_with_the_reason(receiver: Receiver) -> None:
    answer = receiver.deliver("star", {"action": "created"})
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    assert "star" in answer.json()["reason"]


def test_a_ping_is_answered(receiver: Receiver) -> None:
    assert receiver.deliver("ping", payload("ping")).json()["status"] == "pong"


def test_a_wrong_signature_is_refused(receiver: Receiver) -> None:
    answer = receiver.deliver("push", payload("push"), secret="not the one that is configured")
    assert "LANEWAY_GITHUB_SECRETS" in told(answer, 401, "BadSignature")
    assert not queued(receiver)


def test_the_older_of_two_secrets_still_works(receiver: Receiver) -> None:
    answer = receiver.deliver("push", payload("push"), secret="an older secret of the tests")
    assert answer.json()["status"] == "queued"


def test_a_missing_field_is_named(receiver: Receiver) -> None:
    assert "ref" in told(receiver.deliver("push", {"after": "0"}), 422, "UnexpectedShape")


def test_a_body_that_is_not_json_is_told_so(receiver: Receiver) -> None:
    raw = b"<html>"
    answer = web.post(f"{receiver.url}/hooks/github", content=raw, headers=headers("push", raw))
    assert told(answer, 400, "NotJson")


def test_a_header_of_ten_thousand_characters_is_named(receiver: Receiver) -> None:
    answer = receiver.deliver("push", payload("push"), delivery="d" * 10_000)
    assert "x-github-delivery" in told(answer, 400, "BadDelivery")


def test_a_branch_of_ten_thousand_characters_is_data(receiver: Receiver) -> None:
    ref = "b" * 10_000
    receiver.deliver("push", payload("push", ref=f"refs/heads/{ref}"))
    ((event, _),) = queued(receiver)
    assert event["ref"] == ref


def test_an_unknown_forge_is_named_with_those_that_are_known(receiver: Receiver) -> None:
    assert "github" in told(web.post(f"{receiver.url}/hooks/sourceforge"), 404, "UnknownForge")


def test_another_method_is_refused(receiver: Receiver) -> None:
    answer = web.get(f"{receiver.url}/hooks/github")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def connection(receiver: Receiver) -> http.client.HTTPConnection:
    address = urlsplit(receiver.url)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)


def test_a_body_that_says_it_is_too_large_is_refused_unread(receiver: Receiver) -> None:
    asked = connection(receiver)
    asked.putrequest("POST", "/hooks/github")
    asked.putheader("Content-Length", "200001")
    asked.endheaders(b"only the first bytes of it")
    answer = asked.getresponse()
    assert answer.status == 413
    assert "200000" in json.loads(answer.read())["message"]
    asked.close()


def test_a_body_that_turns_out_too_large_is_refused_before_its_end(receiver: Receiver) -> None:
    asked = connection(receiver)
    asked.putrequest("POST", "/hooks/github")
    asked.putheader("Transfer-Encoding", "chunked")
    asked.endheaders()
    for _ in range(4):
        asked.send(b"%x\r\n%b\r\n" % (60_000, b"x" * 60_000))
    assert asked.getresponse().status == 413
    asked.close()


def test_without_valkey_a_delivery_is_handed_back_and_taken_later(receiver: Receiver) -> None:
    port, folder = receiver.valkey.port, receiver.valkey.data_dir
    receiver.valkey.stop()
    assert told(receiver.deliver("push", payload("push"), delivery="d-1"), 503, "QueueUnavailable")
    assert web.get(f"{receiver.url}/readyz").json()["problems"].keys() == {"redis"}
    again = server(folder, port)
    again.start()
    try:
        answer = receiver.deliver("push", payload("push"), delivery="d-1")
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
        assert len(queued(receiver)) == 1
    finally:
        again.terminate()


def test_a_valkey_that_hangs_costs_the_forge_three_seconds_at_most(receiver: Receiver) -> None:
    assert receiver.valkey._process is not None
    process = receiver.valkey._process.pid
    os.kill(process, signal.SIGSTOP)
    try:
        started = time.monotonic()
        answer = receiver.deliver("push", payload("push"))
        assert time.monotonic() - started < 3.5
        assert told(answer, 503, "QueueUnavailable")
        assert int(answer.headers["retry-after"]) > 0
    finally:
        os.kill(process, signal.SIGCONT)


def test_what_was_acknowledged_outlives_a_killed_valkey(receiver: Receiver) -> None:
    port, folder = receiver.valkey.port, receiver.valkey.data_dir
    for number in range(20):
        assert receiver.deliver("push", payload("push"), delivery=f"d-{number}").status_code == 202
    receiver.valkey.terminate()
    again = server(folder, port)
    again.start()
    try:
        assert [event["delivery"] for event, _ in queued(receiver)] == [f"d-{number}" for number in range(20)]
    finally:
        again.terminate()


def test_readiness_names_nothing_while_all_is_well(receiver: Receiver) -> None:
    answer = web.get(f"{receiver.url}/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": {}})
    assert web.get(f"{receiver.url}/livez").status_code == 200


def test_a_chain_file_that_changes_is_read_again(receiver: Receiver) -> None:
    file = receiver.chains / "shop.yaml"
    file.write_text(CHAIN.replace("acme/shop", "acme/market"))
    other = payload("push", repository__full_name="acme/market")
    until(lambda: receiver.deliver("push", other).json()["status"] == "queued", "the new file is in use")


def test_a_wrong_chain_file_keeps_the_last_good_one_and_is_reported(receiver: Receiver) -> None:
    (receiver.chains / "shop.yaml").write_text(CHAIN + "surprise: 1\n")

    def reported() -> str:
        receiver.deliver("ping", payload("ping"))
        receiver.deliver("push", payload("push"))
        return str(web.get(f"{receiver.url}/readyz").json()["problems"].get("chains", ""))

    assert "surprise" in until(reported, "the mistake is reported")
    assert receiver.metric("laneway_chain_files_wrong") == 1
    assert receiver.deliver("push", payload("push")).json()["status"] == "queued"


def test_deliveries_are_counted_by_event_and_result(receiver: Receiver) -> None:
    receiver.deliver("push", payload("push"))
    receiver.deliver("push", payload("push"), secret="not the one that is configured")
    receiver.deliver("x" * 40, {})
    count = 'laneway_deliveries_total{event="%s",forge="github",result="%s"}'
    assert receiver.metric(count % ("push", "queued")) == 1
    assert receiver.metric(count % ("push", "BadSignature")) == 1
    assert receiver.metric(count % ("other", "ignored")) == 1


def test_a_client_that_goes_away_in_the_middle_harms_nobody(receiver: Receiver) -> None:
    address = urlsplit(receiver.url)
    with socket.create_connection((address.hostname, address.port)) as gone:
        gone.sendall(b"POST /hooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert receiver.deliver("push", payload("push")).status_code == 202


def test_the_form_encoding_is_taken(receiver: Receiver) -> None:
    form = httpx.QueryParams({"payload": body(payload("push")).decode()})
    raw = str(form).encode()
    given = headers("push", raw, secret=SECRET) | {"content-type": "application/x-www-form-urlencoded"}
    assert web.post(f"{receiver.url}/hooks/github", content=raw, headers=given).json()["status"] == "queued"


@pytest.mark.parametrize("path", ["/hooks/github/", "/hooks", "/"])
def test_nothing_else_is_served(receiver: Receiver, path: str) -> None:
    assert web.post(receiver.url + path).status_code in (404, 405, 307)
