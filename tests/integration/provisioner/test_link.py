"""`laneway link`, against a real API: what it prints, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
import pytest

from provisioner import cli
from provisioner.cluster import Cluster
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.routing import links
from tests.support.devcluster import Devcluster

KEY = "0123456789abcdef" * 2
CHAIN = """
chain: NAME
namespace: shop
repositories: [{url: "https://github.com/acme/shop.git"}]
services:
  frontend: {paths: [frontend/**], workload: Deployment/frontend, image: "example/frontend:{sha}"}
entry: {service: frontend, host: "{lane}.preview.example.com", link: preview}
"""


@dataclass(frozen=True)
class Ended:
    """How the command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


Link = Callable[..., Ended]


@pytest.fixture
def name(cluster: Cluster) -> Iterator[str]:
    """A chain with one lane, pr-4."""
    made = f"shop-{uuid4().hex[:8]}"
    lanes.write(cluster, Lane(chain=made, name="pr-4"))
    yield made
    cluster.delete("Lane", f"{made}.pr-4")


@pytest.fixture
def settings(tmp_path: Path, dev: Devcluster, name: str) -> dict[str, str]:
    chains, keys = tmp_path / "laneway.yaml", tmp_path / "keys"
    chains.write_text(CHAIN.replace("NAME", name))
    keys.write_text(KEY)
    return {
        "LANEWAY_KUBECONFIG": str(dev.kubeconfig),
        "LANEWAY_CHAINS": str(chains),
        "LANEWAY_LINK_KEYS_FILE": str(keys),
    }


@pytest.fixture
def link(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Link:
    """Runs `laneway link` in this process, with other settings where they are given."""

    def run(*arguments: str, **others: str) -> Ended:
        for key, value in {**settings, **others}.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setattr("sys.argv", ["laneway", "link", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


def claims_of(address: str, chain: str) -> dict[str, object]:
    (token,) = parse_qs(urlsplit(address).query)["preview"]
    (key,) = links.of_chain([KEY.encode()], chain)
    found: dict[str, object] = jwt.decode(token, key, algorithms=["HS256"], audience=chain)
    return found


def test_a_link_is_printed_alone_and_opens_its_lane_for_a_week(link: Link, name: str) -> None:
    done = link(name, "pr-4")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://pr-4.preview.example.com/?preview=")
    claims = claims_of(done.stdout.strip(), name)
    assert claims["lane"] == "pr-4"
    left = datetime.fromtimestamp(float(str(claims["exp"])), UTC) - datetime.now(UTC)
    assert timedelta(days=7, minutes=-5) < left <= timedelta(days=7)


def test_a_link_lasts_as_long_as_it_is_told(link: Link, name: str) -> None:
    claims = claims_of(link(name, "pr-4", "--for", "1h").stdout.strip(), name)
    left = datetime.fromtimestamp(float(str(claims["exp"])), UTC) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("arguments", "others", "said"),
    [
        (("pr-4", "--for", "10s"), {}, "--for: a link counts from 1m to 90d; not 10s"),
        (("pr-4", "--for", "next week"), {}, "'next week' is no duration: write 72h"),
        (("pr-5",), {}, "no lane is called 'pr-5'; did you mean pr-4?"),
        (("pr-4",), {"LANEWAY_LINK_KEYS_FILE": ""}, "LANEWAY_LINK_KEYS_FILE: there is no key to sign with"),
        (("pr-4",), {"LANEWAY_LINK_KEYS_FILE": "/nowhere"}, "LANEWAY_LINK_KEYS_FILE: /nowhere: the keys of"),
    ],
    ids=["too short", "no duration", "no such lane", "no key", "no key file"],
)
def test_what_cannot_be_linked_is_refused_with_the_reason(
    link: Link, name: str, arguments: tuple[str, ...], others: dict[str, str], said: str
) -> None:
    done = link(name, *arguments, **others)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_chain_without_links_says_which_key_makes_them(
    link: Link, name: str, settings: dict[str, str]
) -> None:
    file = Path(settings["LANEWAY_CHAINS"])
    file.write_text(file.read_text().replace(", link: preview", ""))
    done = link(name, "pr-4")
    assert done.returncode == 1
    assert f"entry.link: chain {name} has no signed links" in done.stderr
