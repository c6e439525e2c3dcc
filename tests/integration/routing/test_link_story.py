"""A signed link from `laneway link` to the lane's own answer: every process and every file for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from provisioner import cli
from provisioner.cluster import Cluster
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.commands import process
from tests.support.devcluster import devcluster
from tests.support.loops import LoopThread
from tests.support.routerprocess import ROUTER, places
from tests.support.routing import (
    NAMESPACE,
    Envoy,
    Upstream,
    endpoint_slice,
    get,
    twin,
    wait_until,
)

CHAIN = """
chain: shop
namespace: shop
repositories: [{url: "https://example.com/acme/shop.git"}]
services:
  payment: {paths: [payment/**], workload: Deployment/payment, image: "example/payment:{sha}"}
entry:
  service: payment
  host: "{lane}.preview.example.com"
  link: preview
  trust: signed
  untrusted: forbidden
"""
KEY, NEW = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@dataclass
class Visitor:
    """A browser with one cookie at most."""

    envoy: Envoy
    cookie: str = ""

    def visit(self, host: str, path: str) -> tuple[int, dict[str, str]]:
        sent = {"host": host, **({"cookie": self.cookie} if self.cookie else {})}
        status, headers, _ = get(self.envoy.address, path=path, headers=sent)
        if "set-cookie" in headers:
            self.cookie = headers["set-cookie"].split(";")[0]
        return status, headers

    def follow(self, link: str) -> tuple[int, dict[str, str]]:
        parts = urlsplit(link)
        return self.visit(parts.netloc, f"{parts.path}?{parts.query}")


@dataclass
class Installation:
    envoy: Envoy
    keys: Path
    link: Callable[[], str]


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Installation]:
    """A chain whose lanes are for holders of links, its router and its Envoy, with the lane pr-4."""
    (tmp_path / "shop.yaml").write_text(CHAIN)
    (tmp_path / "keys").write_text(KEY)
    with ExitStack() as stack:
        api = stack.enter_context(devcluster(tmp_path, "--no-node"))
        write(api.cluster, stack)
        settings = {
            "LANEWAY_CHAINS": str(tmp_path / "shop.yaml"),
            "LANEWAY_KUBECONFIG": str(api.kubeconfig),
            "LANEWAY_LINK_KEYS_FILE": str(tmp_path / "keys"),
            **places(),
        }
        stack.enter_context(process(ROUTER, settings, tmp_path / "router.log"))
        envoy = Envoy(int(settings["LANEWAY_DISCOVERY_PORT"]), (FIRST_LISTENER,))
        stack.callback(envoy.stop)
        envoy.wait_ready()

        def link() -> str:
            for key, value in settings.items():
                monkeypatch.setenv(key, value)
            monkeypatch.setattr("sys.argv", ["laneway", "link", "shop", "pr-4"])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            out, err = capsys.readouterr()
            assert not ended.value.code, err
            return out.strip()

        yield Installation(envoy, tmp_path / "keys", link)


def write(cluster: Cluster, stack: ExitStack) -> None:
    """The chain as attaching leaves it, and a lane with a ready copy."""
    loop = LoopThread()
    stack.callback(loop.close)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, force=True)
    cluster.apply(twin("payment"), force=True)
    lanes.write(cluster, Lane(chain="shop", name="pr-4"))
    for name in ("", "pr-4"):
        upstream = Upstream(loop, name or "baseline")
        stack.callback(upstream.kill)
        cluster.apply(
            {"addressType": "IPv4", **endpoint_slice("payment", [upstream.address], name)}, force=True
        )


def test_who_follows_a_link_is_in_the_lane_until_they_leave_and_nobody_else_is(
    installed: Installation,
) -> None:
    visitor, stranger = Visitor(installed.envoy), Visitor(installed.envoy)
    host = "pr-4.preview.example.com"
    wait_until(lambda: visitor.follow(installed.link())[0] == 302, what="the link")

    wait_until(lambda: visitor.visit(host, "/")[1].get("x-preview-lane-served") == "payment=pr-4")
    assert stranger.visit(host, "/")[0] == 403
    assert visitor.visit(host, "/?preview=off")[0] == 302
    assert visitor.cookie == "laneway-preview="
    assert visitor.visit(host, "/")[0] == 403


def test_a_new_key_in_the_file_ends_what_the_old_one_signed(installed: Installation) -> None:
    visitor, old = Visitor(installed.envoy), installed.link()
    wait_until(lambda: visitor.follow(old)[0] == 302, what="the old key")

    installed.keys.write_text(f"{NEW}\n{KEY}\n")
    wait_until(lambda: visitor.follow(installed.link())[0] == 302, what="the new key")
    assert visitor.follow(old)[0] == 302

    installed.keys.write_text(f"{NEW}\n")
    wait_until(lambda: visitor.follow(old)[0] == 403, what="the end of the old key")
    assert visitor.follow(installed.link())[0] == 302
