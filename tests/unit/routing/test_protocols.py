"""How a Service port is read."""

from __future__ import annotations

import pytest

from provisioner.chain.model import Protocol
from provisioner.routing.attached import build
from provisioner.routing.protocols import TCP_NUMBERS, protocol
from tests.support.routing import chain, endpoint_slice, twin

HTTP, TCP = Protocol.HTTP, Protocol.TCP


@pytest.mark.parametrize("number", [3306, 5432, 6379, 5672, 9092, 27017, 11211, 443, 25, 22])
def test_a_port_that_says_nothing_is_what_its_number_is_used_for(number):
    assert protocol({"port": number}) is TCP
    assert protocol({"port": number, "name": "main"}) is TCP


@pytest.mark.parametrize("number", [80, 3000, 5000, 8000, 8080, 8888, 9090, 50051])
def test_any_other_that_says_nothing_is_http(number):
    assert protocol({"port": number}) is HTTP
    assert protocol({"port": number, "name": "main"}) is HTTP


@pytest.mark.parametrize("name", ["http", "http-web", "grpc", "grpc-web", "h2c", "http2-x", "ws", "HTTP"])
def test_a_name_of_http_counts_more_than_the_number(name):
    assert protocol({"port": 9092, "name": name}) is HTTP


@pytest.mark.parametrize(
    "name", ["tcp-x", "https", "mysql", "postgresql", "tcp-redis", "redis", "mongodb", "tls"]
)
def test_a_name_of_another_protocol_counts_more_than_the_number(name):
    assert protocol({"port": 8080, "name": name}) is TCP


@pytest.mark.parametrize("app", ["http", "HTTP", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws"])
def test_an_app_protocol_counts_more_than_the_name(app):
    assert protocol({"port": 5432, "name": "tcp-x", "appProtocol": app}) is HTTP


@pytest.mark.parametrize("app", ["https", "kubernetes.io/wss", "mysql", "example.com/own", "tcp"])
def test_an_app_protocol_that_is_not_of_http_passes_through(app):
    assert protocol({"port": 80, "name": "http", "appProtocol": app}) is TCP


def test_the_chain_file_counts_most():
    port = {"port": 80, "name": "http", "appProtocol": "http"}
    assert protocol(port, {80: TCP}) is TCP
    assert protocol({"port": 5432, "appProtocol": "tcp"}, {5432: HTTP}) is HTTP
    assert protocol({"port": 5432}, {80: HTTP}) is TCP, "what is said of another port"


def test_no_number_is_one_that_http_servers_use():
    assert not TCP_NUMBERS & {80, 3000, 4000, 5000, 8000, 8008, 8080, 8081, 8888, 9000, 9090, 50051}


def test_the_intent_of_a_service_follows_its_chain_file():
    wanted = chain(protocols={"payment": ((8080, TCP),)})
    objects = [twin("payment", name="", number=8080)], [endpoint_slice("payment", ["192.0.2.7"], name="")]
    (service,) = build([wanted], *objects, []).chains[0].services
    assert [one.protocol for one in service.ports] == [TCP]
    (service,) = build([chain()], *objects, []).chains[0].services
    assert [one.protocol for one in service.ports] == [HTTP]
