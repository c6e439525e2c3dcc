"""The example on a real cluster: what `make demo CLUSTER=CONTEXT` plays and `make test-cluster` proves.

It needs a context that was named, never the current one; images come into the cluster by its own kind of
loader; everything it makes lies in namespaces of its own.
"""
