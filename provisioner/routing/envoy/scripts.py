"""The Lua filter of a listener: which scripts it has, and with which settings. They depend on no lane, and on
no release: routes say when the script that knows of releases is run, so that otherwise it costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from provisioner.chain.model import Carriers
from provisioner.routing.envoy import clusters
from provisioner.routing.envoy import entrance as entering
from provisioner.routing.envoy.entrance import Entrance
from provisioner.routing.envoy.resources import extension
from provisioner.routing.envoy.routes import LUA, LUA_MESSAGES, SHARING, TARGET
from provisioner.routing.intent import Port, Service

Json = dict[str, Any]


@dataclass(frozen=True)
class Lanes:
    """What a listener has to know of how requests name their lanes. `entered`: the chain is, there, so that a
    release may take requests; `entrance` is None where only header, baggage and host name lanes."""

    carriers: Carriers
    shards: int
    entered: bool = False
    entrance: Entrance | None = None

    @property
    def header(self) -> str:
        return self.carriers.header


def lane_filter(service: Service, port: Port, lanes: Lanes) -> Json:
    """The filter that finds the lane of a request."""
    settings = _settings(service, port, lanes)
    fields: Json = {"default_source_code": _source(settings, _usual(lanes))}
    if lanes.entered:
        fields["source_codes"] = {SHARING: _source(settings, (*_usual(lanes), "share.lua"))}
    return extension(LUA, f"{LUA_MESSAGES}.Lua", fields)


def _settings(service: Service, port: Port, lanes: Lanes) -> Json:
    constants = {
        "HEADER": lanes.carriers.header.lower(),
        "KEY": lanes.carriers.baggage,
        "DOMAIN": service.domain.lower(),
        "CLUSTER": clusters.shard_prefix(service.name, port.number),
        "SHARDS": lanes.shards,
        "TARGET": TARGET,
    }
    if lanes.entrance:
        constants |= entering.constants(lanes.entrance, service.name, lanes.carriers)
    return constants


def _usual(lanes: Lanes) -> Iterator[str]:
    yield "carriers.lua"
    if lanes.entered:
        yield "cookies.lua"
    if lanes.entrance:
        yield from ("addresses.lua", "entry.lua")


def _source(settings: Json, names: Iterable[str]) -> Json:
    values = ", ".join(map(_literal, settings.values()))
    return {"inline_string": f"local {', '.join(settings)} = {values}\n{''.join(map(_script, names))}"}


def _literal(value: Any) -> str:
    """As Lua writes it: JSON's strings, whole numbers and truth are Lua's, as long as they are ASCII."""
    return f"{{{', '.join(map(_literal, value))}}}" if isinstance(value, list) else json.dumps(value)


@cache
def _script(name: str) -> str:
    return (files("provisioner.routing") / name).read_text("ascii")
