"""The responder: answers requests for a copy that is missing in a strict lane, where a mesh's routes cannot.

An HTTPRoute can give an empty 500 at best. So such requests are led here, with a header that says whose copy
is missing, and get what the built-in router answers: 503 with the reason, or UNAVAILABLE in gRPC. It knows
nothing of the cluster and keeps nothing: any number of it may run.
"""
