"""The example of `examples/release` on a cluster with Argo Rollouts and istiod, with Laneway beside it.

Everything is in a namespace of the run's own. Laneway's worker and beat run on this machine, with the
context's rights. Where pods get no sidecar (a test cluster has istiod alone), one Envoy of this machine is
everybody's: it is told by istiod what sidecars are told, and the services' names lead to it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bench import rollouts_load
from devcluster.dev import processes
from devcluster.dev.cluster import images
from devcluster.dev.cluster.context import ClusterError, Context
from devcluster.dev.cluster.images import CHECKOUT
from tests.support import mesh
from tests.support.commands import LANEWAY, environment, process
from tests.support.valkeys import valkey

Json = dict[str, Any]

EXAMPLE = CHECKOUT / "examples" / "release"
CRDS = CHECKOUT / "charts" / "laneway" / "crds"
SERVICES = ("order", "payment", "logistics")
PORT = 8080  # as the manifests say
PATIENCE = "180s"
THREADS, USERS = 8, 2000
NEEDED = (
    "rollouts.argoproj.io",
    "virtualservices.networking.istio.io",
    "destinationrules.networking.istio.io",
)


def lacking(context: Context) -> str:
    """Which definitions the cluster lacks; empty where the example can run."""
    there = context.kubectl("get", "crd", "--output", "name")
    return ", ".join(name for name in NEEDED if f"/{name}" not in there)


@dataclass
class Site:
    """The example on one cluster. `folder` is this run's own."""

    context: Context
    folder: Path
    namespace: str = field(default_factory=lambda: f"release-demo-{uuid.uuid4().hex[:6]}")
    port: int = PORT
    aliases: tuple[Json, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)  # of Laneway's processes

    @property
    def chain(self) -> str:
        """The chain's name, which no other run has."""
        return self.namespace

    @cached_property
    def images(self) -> dict[str, str]:
        """The image of each version, `1` and `2`: what a team's CI would build of two commits."""
        builder = images.builder(self.context)
        example = builder.target("example")
        return {version: self._built(builder, example, version) for version in ("1", "2")}

    def _built(self, builder: images.Builder, example: str, version: str) -> str:
        folder = self.folder / f"version-{version}"
        shutil.copytree(EXAMPLE, folder)
        for one in SERVICES:
            file = folder / one / "app.py"
            file.write_text(file.read_text().replace('VERSION = "1"', f'VERSION = "{version}"'))
        tag = hashlib.sha256(example.encode() + b"".join(_files(folder))).hexdigest()
        return builder.commit(example, folder, tag[:40])

    @contextmanager
    def up(self) -> Iterator[None]:
        """The chain runs version 1, and Laneway knows it; removed after it."""
        context = self.context
        context.kubectl(
            "apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", str(CRDS)
        )
        with ExitStack() as stack:
            context.apply(self._namespace())
            stack.callback(context.kubectl, "delete", "namespace", self.namespace, "--wait=false")
            if not self._injects:
                stack.enter_context(self._shared_sidecar())
            context.apply(*self.objects(), client(self))
            for one in SERVICES:
                self.wait(f"rollout/{one}", "jsonpath={.status.phase}=Healthy")
            self.wait("deployment/client", "condition=Available")
            stack.enter_context(self._laneway())
            stack.callback(self._forget)
            yield

    def wait(self, what: str, until: str) -> None:
        where = ("--namespace", self.namespace, f"--timeout={PATIENCE}")
        self.context.kubectl("wait", what, f"--for={until}", *where)

    def objects(self) -> list[Json]:
        """The example's manifests, with version 1, at this site's port."""
        found = []
        for one in SERVICES:
            text = (EXAMPLE / "manifests" / f"{one}.yaml").read_text()
            found += [self._placed(made) for made in yaml.safe_load_all(text)]
        return found

    def laneway(self, *arguments: str) -> str:
        """What a `laneway` command says. ClusterError with its words when it fails."""
        done = subprocess.run(
            [*LANEWAY, *arguments],
            capture_output=True,
            text=True,
            env=environment(self.settings),
            check=False,
        )
        if done.returncode:
            raise ClusterError(
                f"laneway {' '.join(arguments)}: {done.stderr or done.stdout}", where=self.chain
            )
        return done.stdout

    @cached_property
    def _injects(self) -> bool:
        """Whether the cluster gives pods sidecars."""
        found = self.context.get("mutatingwebhookconfigurations")["items"]
        return any("sidecar-injector" in one["metadata"]["name"] for one in found)

    def _namespace(self) -> Json:
        marks = {"istio-injection": "enabled"} if self._injects else {}
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.namespace, "labels": marks},
        }

    @contextmanager
    def _shared_sidecar(self) -> Iterator[mesh.Proxy]:
        place = mesh.Place(self.context, self.namespace)
        (self.port,) = mesh.free_ports(place.host, 1)
        self.aliases = ({"ip": place.host, "hostnames": list(SERVICES)},)
        proxy = mesh.Proxy(place, "sidecar", {"app": "everybody"})
        try:
            self.context.apply(mesh.scope(self.namespace, place.host, {self.port: "HTTP"}))
            yield proxy
        finally:
            proxy.stop()

    @contextmanager
    def _laneway(self) -> Iterator[None]:
        chains = self.folder / "chains"
        chains.mkdir()
        told = yaml.safe_load((EXAMPLE / "laneway.yaml").read_text())
        told |= {"chain": self.chain, "namespace": self.namespace}
        (chains / "laneway.yaml").write_text(yaml.safe_dump(told))
        with ExitStack() as stack:
            redis = stack.enter_context(valkey(self.folder / "valkey"))
            self.settings = {
                "LANEWAY_KUBECONFIG": str(self.context.kubeconfig),
                "LANEWAY_CHAINS": str(chains),
                "LANEWAY_NAMESPACE": self.namespace,
                "LANEWAY_REDIS_URL": redis,
                "LANEWAY_MIRRORS": str(self.folder / "mirrors"),
                "LANEWAY_METRICS_PORT": "0",
            }
            for name in ("worker", "beat"):
                log = self.folder / f"{name}.log"
                stack.enter_context(process([*LANEWAY, name], self.settings, log))
            yield

    def _forget(self) -> None:
        """Takes away what the namespace does not hold, while Laneway still runs."""
        chosen = ("--selector", f"laneway.dev/chain={self.chain}", "--timeout", PATIENCE)
        self.context.kubectl("delete", "releases,lanes", *chosen)

    def _placed(self, made: Json) -> Json:
        placed = {**made, "metadata": {**made["metadata"], "namespace": self.namespace}}
        if made["kind"] == "Service":
            ports = [{**one, "port": self.port} for one in made["spec"]["ports"]]
            return {**placed, "spec": {**made["spec"], "ports": ports}}
        if made["kind"] != "Rollout":
            return placed
        pod = made["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        env = [self._at_port(one) for one in container["env"]]
        container = {**container, "image": self.images["1"], "imagePullPolicy": "IfNotPresent", "env": env}
        pod = {**pod, "containers": [container], "hostAliases": list(self.aliases)}
        template = {**made["spec"]["template"], "spec": pod}
        return {**placed, "spec": {**made["spec"], "template": template}}

    def _at_port(self, variable: Json) -> Json:
        if variable["name"] != "NEXT_URL":
            return variable
        return {**variable, "value": variable["value"].replace(f":{PORT}/", f":{self.port}/")}


def _files(folder: Path) -> Iterator[bytes]:
    for one in sorted(folder.rglob("*.py")):
        yield one.read_bytes()


def client(site: Site) -> Json:
    """The pod that users are in."""
    labels = {"app": "client"}
    container = {
        "name": "client",
        "image": site.images["1"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
    }
    pod = {"containers": [container], "hostAliases": list(site.aliases), "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "client", "namespace": site.namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


class Users:
    """The users, who ask without end; see `rollouts_load`."""

    def __init__(self, site: Site, child: subprocess.Popen[str]) -> None:
        self._site, self._child = site, child

    def take(self, *, new: bool = False) -> Json:
        """What came since the last time; with `new` there are other users from then on."""
        assert self._child.stdin and self._child.stdout
        print("new" if new else "", file=self._child.stdin, flush=True)
        line = self._child.stdout.readline()
        if not line:
            raise ClusterError("the users are gone", where=self._site.namespace)
        found: Json = json.loads(line)
        return found


@contextmanager
def users(site: Site) -> Iterator[Users]:
    """Users who ask the chain's entry while the block runs."""
    script = Path(rollouts_load.__file__).read_text()
    url = f"http://{SERVICES[0]}:{site.port}/"
    command = [
        *(str(processes.BIN / "kubectl"), "exec", "--stdin", "deployment/client"),
        *("--container", "client", "--namespace", site.namespace, "--"),
        *("python", "-c", script, url, str(THREADS), str(USERS)),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=site.context.environment()
    ) as child:
        try:
            yield Users(site, child)
        finally:
            assert child.stdin
            child.stdin.close()
            child.terminate()
