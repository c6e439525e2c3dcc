"""How a Service port is read: as HTTP, which is routed by lane, or as TCP, which is passed through. Pure.

What the chain file says of a port comes first, then the port's own words (appProtocol, the prefix of its
name), then what its number is used for everywhere, and HTTP is what remains.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from provisioner.chain.model import Protocol

Json = dict[str, Any]

UNSAID: Mapping[int, Protocol] = MappingProxyType({})

# What appProtocol or the prefix of a port's name says. Any other appProtocol is passed through as TCP.
HTTP_NAMES = frozenset(
    {"http", "http2", "h2c", "grpc", "grpc-web", "ws", "kubernetes.io/h2c", "kubernetes.io/ws"}
)
TCP_PREFIXES = frozenset(
    {
        *("tcp", "tls", "ssl", "https", "wss", "ssh", "smtp", "ldap", "ldaps"),
        *(
            "mysql",
            "mysqlx",
            "mariadb",
            "postgres",
            "postgresql",
            "pgsql",
            "mssql",
            "sql",
            "cassandra",
            "cql",
        ),
        *("redis", "rediss", "valkey", "mongo", "mongodb", "memcache", "memcached", "bolt"),
        *("amqp", "amqps", "kafka", "mqtt", "nats", "stomp", "zookeeper"),
    }
)
# Of ports that say nothing: numbers that are registered, or used everywhere, for a protocol that is not HTTP
# or that hides HTTP in TLS. Read as HTTP they would not work at all.
TCP_NUMBERS = frozenset(
    {
        *(21, 22, 25, 110, 143, 465, 587, 993, 995),  # files, shells, mail
        *(53, 88, 389, 464, 636),  # names and directories
        *(443, 6443, 8443),  # HTTP in TLS
        *(1433, 1521, 3306, 33060, 5432, 6432, 26257),  # SQL
        *(6379, 6380, 16379, 26379, 11211, 27017, 27018, 27019, 7687, 9042, 9142),  # other stores
        *(1883, 8883, 4222, 5671, 5672, 6650, 9092, 61613, 61616, 2181),  # queues
    }
)


def protocol(port: Json, said: Mapping[int, Protocol] = UNSAID) -> Protocol:
    """How a Service port is read: by what the chain file says of its number (`said`), else by appProtocol,
    else by the prefix of its name, else by its number, else as HTTP."""
    number = int(port["port"])
    return said.get(number) or _declared(port) or _customary(number)


def _declared(port: Json) -> Protocol | None:
    """What the port itself says; None when it says nothing."""
    if declared := str(port.get("appProtocol") or "").lower():
        return Protocol.HTTP if declared in HTTP_NAMES else Protocol.TCP
    prefix = str(port.get("name") or "").split("-")[0].lower()
    if prefix in HTTP_NAMES:
        return Protocol.HTTP
    return Protocol.TCP if prefix in TCP_PREFIXES else None


def _customary(number: int) -> Protocol:
    return Protocol.TCP if number in TCP_NUMBERS else Protocol.HTTP
