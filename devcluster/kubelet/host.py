"""What every pod on this node shares: the API, the supervisor, images, addresses, folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devcluster.controllers.events import Recorder
from devcluster.controllers.view import Object, View
from devcluster.kubelet.addresses import PodAddresses
from devcluster.kubelet.images import ImageStore
from devcluster.kubelet.supervisor import Supervisor

NODE_NAME = "devcluster"
HOST_IP = "127.0.0.1"


@dataclass(frozen=True)
class Host:
    """One node. `path` is the PATH that containers get."""

    view: View
    events: Recorder
    supervisor: Supervisor
    images: ImageStore
    addresses: PodAddresses
    folder: Path
    path: str

    def pod_folder(self, pod: Object) -> Path:
        return self.folder / "pods" / str(pod["metadata"]["uid"])

    @property
    def claims(self) -> Path:
        return self.folder / "claims"
