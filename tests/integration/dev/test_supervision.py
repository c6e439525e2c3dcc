"""A system that is up stays up: what dies comes back, and lanes still open."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from devcluster.dev import processes
from devcluster.dev.ports import HOST
from devcluster.dev.repository import git
from devcluster.dev.state import State, read_json
from tests.support import web
from tests.support.waiting import until

LANEWAY = str(processes.BIN / "laneway")
LANES = "/apis/laneway.dev/v1alpha1/lanes"
KEPT = ("serve", "worker", "beat", "router", "valkey", "devcluster")


def a_lane(system: State, clone: Path, name: str) -> None:
    """Pushes a branch that changes payment, and returns when its lane answers."""
    git(clone, "switch", "--quiet", "--create", name, "origin/main")
    (clone / "payment" / "app.py").write_text((clone / "payment" / "app.py").read_text() + f"# {name}\n")
    git(clone, "commit", "--quiet", "--all", "--message", name)
    git(clone, "push", "--quiet", "origin", name)
    until(lambda: the_lane_answers(system, name), "the lane answers", seconds=60)


def the_lane_answers(system: State, name: str) -> bool:
    entry = read_json(system.endpoints)["entry"]
    try:
        answer = httpx.get(entry, headers={"x-preview-lane": name}, timeout=60)
    except httpx.TransportError:
        return False
    return answer.is_success and name in [hop["lane"] for hop in answer.json()["hops"]]


@pytest.fixture(scope="module")
def clone(system: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "shop"
    git(system.root, "clone", "--quiet", read_json(system.endpoints)["repository"], str(folder))
    return folder


@pytest.mark.parametrize("name", KEPT)
def test_a_killed_process_comes_back_and_a_delivery_still_makes_a_lane(
    system: State, clone: Path, name: str
) -> None:
    (killed,) = read_json(system.endpoints)["processes"][name]

    os.kill(killed, signal.SIGKILL)

    def back() -> list[int] | None:
        pids: list[int] = read_json(system.endpoints)["processes"][name]
        return pids if pids and pids != [killed] else None

    until(back, f"{name} runs again", seconds=60)
    a_lane(system, clone, f"after-{name}")


@pytest.mark.parametrize("name", ["worker", "router", "beat", "serve"])
def test_no_request_is_lost_while_a_process_of_laneway_restarts(
    system: State, clone: Path, name: str
) -> None:
    a_lane(system, clone, f"without-{name}")
    known = read_json(system.endpoints)
    (killed,) = known["processes"][name]
    answers: list[tuple[int, bool]] = []

    def back() -> bool:
        for answer in [client.get("/") for _ in range(5)]:
            answers.append((answer.status_code, f'"lane":"without-{name}"' in answer.text))
        return read_json(system.endpoints)["processes"][name] not in ([], [killed])

    lane = {"x-preview-lane": f"without-{name}"}
    with httpx.Client(base_url=known["entry"], headers=lane, timeout=60) as client:
        os.kill(killed, signal.SIGKILL)
        until(back, f"{name} runs again", seconds=60)

    assert set(answers) == {(200, True)}


def test_a_lane_opens_in_a_browser_at_the_url_that_it_says(system: State, clone: Path) -> None:
    a_lane(system, clone, "seen")
    (killed,) = read_json(system.endpoints)["processes"]["preview"]
    os.kill(killed, signal.SIGKILL)
    status = web.get(f"{read_json(system.endpoints)['api']}{LANES}/shop.seen").json()["status"]
    url = httpx.URL(status["url"])
    page = until(lambda: opened(url, "text/html,application/xhtml+xml,*/*;q=0.8"), "the page opens", 60)

    assert str(url) == f"http://seen.shop.localhost:{url.port}"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<li class="lane"><b>payment</b><span>version 1</span><span>seen</span></li>' in page.text
    for_programs = until(lambda: opened(url, "*/*"), "the entry answers")
    assert [hop["lane"] for hop in for_programs.json()["hops"]] == ["", "", "seen", ""]


def opened(url: httpx.URL, accept: str) -> httpx.Response | None:
    """What a browser gets, which looks for every host below `localhost` on this machine; Python does not.
    None while nobody answers."""
    headers = {"Host": url.netloc.decode(), "Accept": accept}
    try:
        return httpx.get(url.copy_with(host=HOST), headers=headers, timeout=60)
    except httpx.TransportError:
        return None


def test_envoys_keep_their_files_with_their_pods(system: State) -> None:
    envoy = read_json(system.endpoints)["processes"]["envoy"][0]
    folder = Path(f"/proc/{envoy}/cwd").readlink()

    assert (folder / "admin.sock").is_socket()
    assert folder.is_relative_to(system.cluster)


def test_a_second_up_says_that_it_is_up(system: State) -> None:
    before = read_json(system.endpoints)["processes"]["supervisor"]

    done = subprocess.run(
        [LANEWAY, "dev", "up", "--state", str(system.root)], check=True, capture_output=True, text=True
    )

    assert "already up" in done.stdout
    assert read_json(system.endpoints)["processes"]["supervisor"] == before


def test_status_names_every_process(system: State) -> None:
    done = subprocess.run(
        [LANEWAY, "dev", "status", "--state", str(system.root)], check=True, capture_output=True, text=True
    )

    assert [name for name in KEPT if name not in done.stdout] == []


def test_env_leads_kubectl_to_this_system(system: State) -> None:
    script = f'eval "$({LANEWAY} dev env --state {system.root})"; kubectl get namespace shop --output name'

    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "namespace/shop"
