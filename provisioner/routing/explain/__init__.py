"""Where a request goes and why, told from the cluster's live objects by the rules of whoever routes it. Pure.

Each driver has a matcher of its own, which reads the objects as the data plane is told of them and not as
Laneway meant them: what somebody edited is explained as it is. The conformance suite holds the matchers to
what real data planes did with the same requests.

| module | its job |
|---|---|
| `story` | what is asked, and what an explanation says |
| `matching` | headers and paths held against the matches of routes |
| `lots` | what a rule of a mesh does of a release |
| `carriers` | which lane a request names, as the built-in router reads it |
| `released` | what a release makes of a request that names none |
| `envoy`, `gateway_api`, `istio` | the matchers |
| `explainers` | the table of them |
"""

from __future__ import annotations

from provisioner.routing.explain.explainers import explain
from provisioner.routing.explain.story import Explanation, Live, Request, Step

__all__ = ["Explanation", "Live", "Request", "Step", "explain"]
