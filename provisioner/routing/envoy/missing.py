"""What answers for a copy that a strict lane lacks: 503, with the lane and the service in its text.

The endpoint of such a copy is an internal listener with this one route. It also is the second priority of a
strict lane's ready copy: of the requests that no pod took, none ends at the baseline. Over gRPC Envoy says
the same as status UNAVAILABLE, with the text as its message.
"""

from __future__ import annotations

from typing import Any

from provisioner.chain.model import Carriers
from provisioner.routing import lineage
from provisioner.routing.envoy import clusters, defaults, listeners
from provisioner.routing.envoy.resources import LISTENER, Resource, extension, from_json
from provisioner.routing.envoy.routes import CONNECT, asked, every_reply, everything, served

Json = dict[str, Any]


def listener(chain: str, service: str, port: int, carriers: Carriers) -> Resource:
    """Answers for one Service port. It depends on no lane: whose request it is, the request says."""
    name = clusters.missing_name(service, port)
    answer = {"match": {}, "direct_response": {"status": 503}}
    routes = [asked(answer, way) for way in (everything(), CONNECT)]
    manager = {
        **defaults.connection_manager(),
        "stat_prefix": name,
        "http_filters": [listeners.router()],
        "route_config": {"virtual_hosts": [{"name": service, "domains": ["*"], "routes": routes}]},
        "local_reply_config": _reply(chain, service, carriers.header),
    }
    fields = {
        "name": name,
        "internal_listener": {},
        "filter_chains": [{"filters": [extension(listeners.HTTP, listeners.HTTP_MESSAGE, manager)]}],
    }
    return from_json(LISTENER, name, fields)


def _reply(chain: str, service: str, header: str) -> Json:
    said = lineage.lacking(chain, f"%REQ({header})%", service)
    mapper = {
        "filter": every_reply(),
        "headers_to_add": [served(header, f"{service}=none")],
        "body_format_override": {
            "text_format_source": {"inline_string": said},
            "content_type": "text/plain; charset=utf-8",
        },
    }
    return {"mappers": [mapper]}
