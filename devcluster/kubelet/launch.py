"""From a container's spec to what is executed: folder, command, environment, log file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devcluster.controllers.view import Object
from devcluster.kubelet import images, logs, volumes
from devcluster.kubelet.environment import ConfigError, Sources, environment, expand
from devcluster.kubelet.host import HOST_IP, Host
from devcluster.kubelet.images import ImageError
from devcluster.kubelet.supervisor import Launch


@dataclass(frozen=True)
class Placed:
    """A pod that has its address and folder."""

    host: Host
    pod: Object
    ip: str

    @property
    def folder(self) -> Path:
        return self.host.pod_folder(self.pod)

    @property
    def key(self) -> str:
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    def sources(self) -> Sources:
        namespace = self.pod["metadata"]["namespace"]
        view = self.host.view
        services = view.all("services", namespace)
        return Sources(
            self.pod, self.ip, HOST_IP, services, lambda kind, name: view.get(kind, (namespace, name))
        )

    def logs(self, container: str) -> Path:
        return self.folder / "logs" / container


async def image_folder(placed: Placed, container: Object, tell: Callable[[str, str], None]) -> Path:
    """The folder that the container's image is; `tell(reason, message)` hears what happens.

    :raises ImageError: it cannot be had now
    """
    image = images.parse(container["image"])
    if image is None:
        scratch = placed.folder / "scratch" / str(container["name"])
        scratch.mkdir(parents=True, exist_ok=True)
        return scratch
    if (folder := placed.host.images.present(image)) is not None:
        tell("Pulled", f'Container image "{container["image"]}" already present on machine')
        return folder
    tell("Pulling", f'Pulling image "{container["image"]}"')
    if container.get("imagePullPolicy") == "Never":
        raise ImageError(f'Container image "{container["image"]}" is not present with pull policy of Never')
    folder = await placed.host.images.pull(image)
    tell("Pulled", f'Successfully pulled image "{container["image"]}"')
    return folder


def prepare(placed: Placed, container: Object, folder: Path, attempt: int) -> Launch:
    """What to execute for one attempt.

    :raises ConfigError: the environment or the volumes name something that does not exist
    :raises ImageError: there is no command
    """
    sources = placed.sources()
    home, scratch = (placed.folder / one / container["name"] for one in ("home", "tmp"))
    for one in (home, scratch):
        one.mkdir(parents=True, exist_ok=True)
    volume_folder = placed.folder / "volumes"
    volumes.materialise(volumes.Volumes(volume_folder, placed.host.claims, sources))
    given = {
        "PATH": placed.host.path,
        "HOME": str(home),
        "TMPDIR": str(scratch),  # goes with the pod, as a container's own /tmp does
        "LANG": "C.UTF-8",
        "HOSTNAME": placed.pod["spec"].get("hostname") or placed.pod["metadata"]["name"],
        volumes.VARIABLE: str(volume_folder),
    }
    env = {**given, **environment(container, sources)}
    return Launch(
        ident=f"{placed.pod['metadata']['uid']}/{container['name']}/{attempt}",
        argv=[expand(word, env) for word in _command(container, folder)],
        env=env,
        cwd=folder / container.get("workingDir", ""),
        log=logs.file_of(placed.logs(container["name"]), attempt),
    )


def _command(container: Object, folder: Path) -> list[str]:
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if container.get("command"):
        return words
    if os.access(folder / "run", os.X_OK):
        return [str(folder / "run"), *words]
    raise ConfigError(
        f'container "{container["name"]}" has no command, and its image has no executable file "run"'
    )
