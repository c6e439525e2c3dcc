"""Answers as the documentation of Prometheus' API has them, and others, from a small server in its place."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from provisioner.chain.strategy import Analysis, Metric, Provider, Strategy
from provisioner.release.analysis import sampling
from provisioner.release.observed import Measured, Opinion
from tests.support.analysed import Watched, shop, world
from tests.support.ports import free_port
from tests.support.standin import Answer, said, standing, vector

OWN = Metric("own", 'x{chain="{chain}",lane="{lane}",ns="{namespace}"}[{window}]', maximum=5)


def drips(request: BaseHTTPRequestHandler) -> None:
    """One byte now and then, for ever: no single one is late."""
    request.send_response(200)
    request.end_headers()
    gone = threading.Event()
    while not gone.wait(0.2):
        try:
            request.wfile.write(b" ")
        except OSError:
            gone.set()


def floods(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    try:
        for _ in range(64):
            request.wfile.write(b" " * 2**20)
    except OSError:
        return


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late, and well."""
    monkeypatch.setattr(sampling, "SECONDS", 20.0)


def measured(folder: Path, url: str, *metrics: Metric) -> Measured:
    """What a release is found to be when nothing inconclusive is borne and the first window is over."""
    wanted = Analysis(Provider.PROMETHEUS, url, inconclusive=0, metrics=metrics or (OWN,))
    watched = Watched(shop("istio"), world(folder), wanted)
    watched.look()
    return watched.look(120)


def test_the_query_is_asked_as_it_was_written_with_its_placeholders_put_in(tmp_path: Path) -> None:
    with standing(said(200, vector("3"))) as (url, asked):
        found = measured(tmp_path, url + "/")

    assert found.opinion is Opinion.GOOD
    parts = urlsplit(asked[0])
    assert parts.path == "/api/v1/query"
    assert parse_qs(parts.query)["query"] == ['x{chain="shop",lane="pr-4",ns="shop-ns"}[1m]']


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_a_value_that_is_no_number_is_inconclusive(tmp_path: Path, value: str) -> None:
    with standing(said(200, vector(value))) as (url, _):
        found = measured(tmp_path, url)

    assert found.opinion is Opinion.INCONCLUSIVE
    assert found.rows[0]["lane"] is None, "JSON has no such value"


REFUSED = {"status": "error", "errorType": "bad_data", "error": "1:3: parse error: unexpected end of input"}
BUSY = {"status": "error", "errorType": "timeout", "error": "query timed out in expression evaluation"}
HISTOGRAM = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {}, "histogram": []}]},
}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (said(400, REFUSED), "refuses the query: bad_data: 1:3: parse error: unexpected end of input"),
        (said(503, BUSY), "refuses the query: timeout: query timed out in expression evaluation"),
        (said(422, {"status": "error"}), "refuses the query"),
        (said(401, "who are you"), "refuses with HTTP 401: it wants other credentials"),
        (said(404, "<html>not here</html>"), "answers HTTP 404, and not as Prometheus does"),
        (said(200, "<html>a proxy's page</html>"), "answers HTTP 200, and not as Prometheus does"),
        (said(200, []), "not as Prometheus does"),
        (said(200, {"status": "success"}), "not as Prometheus does"),
        (
            said(200, {"status": "success", "data": {"resultType": "vector", "result": [{"value": []}]}}),
            "not as",
        ),
        (said(200, vector("many")), "not as Prometheus does"),
        (said(200, HISTOGRAM), "use histogram_quantile(...)"),
        (said(302, "", location="http://127.0.0.1:1/login"), "answers HTTP 302, and not as Prometheus does"),
        (floods, "not as Prometheus does"),
    ],
)
def test_what_is_no_answer_is_inconclusive_and_says_what_it_was(
    tmp_path: Path, answer: Answer, told: str
) -> None:
    with standing(answer) as (url, _):
        found = measured(tmp_path, url)

    assert found.opinion is Opinion.INCONCLUSIVE
    assert told in found.message


def test_an_answer_that_drips_in_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SECONDS", 1.0)
    with standing(drips) as (url, _):
        start = time.monotonic()
        found = measured(tmp_path, url)
        took = time.monotonic() - start

    assert "does not answer in time" in found.message
    assert took < 20


@pytest.mark.parametrize(
    "url", ["prometheus:9090", "ftp://127.0.0.1", "http://", "http://[::1", "https://127.0.0.1:1"]
)
def test_an_address_that_is_none_is_inconclusive(tmp_path: Path, url: str) -> None:
    found = measured(tmp_path, url)

    assert found.opinion is Opinion.INCONCLUSIVE
    assert "see that it runs" in found.message


def test_no_server_is_asked_but_that_of_the_chains_file(tmp_path: Path) -> None:
    with standing(said(200, vector("3"))) as (url, asked):
        of_file = Analysis(Provider.PROMETHEUS, "", inconclusive=0, metrics=(OWN,))
        watched = Watched(shop("istio"), world(tmp_path), of_file)
        watched.release = replace(watched.release, strategy=Strategy(analysis=replace(of_file, url=url)))
        watched.look()
        found = watched.look(120)

    assert found.opinion is Opinion.INCONCLUSIVE
    assert "the chain's file names no Prometheus" in found.message
    assert asked == []


def test_a_server_that_is_not_there_is_told_with_its_address_but_not_its_password(tmp_path: Path) -> None:
    found = measured(tmp_path, f"http://ada:secret@127.0.0.1:{free_port()}/prometheus")

    assert "Prometheus at http://127.0.0.1:" in found.message
    assert "cannot be reached" in found.message and "NetworkPolicy" in found.message
    assert "secret" not in found.message


def test_many_metrics_are_asked_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(6)  # breaks when they come one after the other

    def answer(request: BaseHTTPRequestHandler) -> None:
        together.wait(20)
        said(200, vector("1"))(request)

    metrics = [Metric(f"m{number}", f"up{number}", maximum=2) for number in range(6)]
    with standing(answer) as (url, _):
        found = measured(tmp_path, url, *metrics)

    assert found.opinion is Opinion.GOOD
