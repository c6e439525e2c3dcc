"""What every namespace holds from its beginning: the `default` service account."""

from __future__ import annotations

from devcluster.store import Object, Record
from devcluster.writes import Options, Target, Writer


class Namespaces:
    """The hook of namespaces."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def complete(self, obj: Object, old: Object | None) -> None:
        """Nothing: a namespace is complete with its defaults."""

    def after(self, record: Record) -> None:
        resource = self.writer.resources.get("serviceaccounts")
        target = Target(resource, record.key[2], "default", "", resource.version)
        ending = "deletionTimestamp" in record.obj["metadata"]
        if not ending and not self.writer.store.get(target.key):
            self.writer.create(target, {"metadata": {"name": "default"}}, Options("devcluster"))
