"""The applications of the conformance suite: a chain of services that say who they are and call on.

One process runs them all, each at an address of its own, and the client beside them; `python -m
tests.conformance.hops FILE` starts it. They speak HTTP/1.1, WebSocket and gRPC, and pass the lane's carriers
on as they got them, and nothing else.
"""
