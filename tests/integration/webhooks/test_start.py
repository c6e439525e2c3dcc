"""How `laneway serve` starts, or refuses to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.webhooks.conftest import CHAIN
from tests.support import web
from tests.support.commands import LANEWAY, refusal, serving
from tests.support.deliveries import SECRET, body, headers, payload
from tests.support.valkeys import valkey
from workers import queue
from workers.message import QUEUE


def refused(**settings: str) -> str:
    """What it says when it does not start."""
    return refusal([*LANEWAY, "serve"], settings)


@pytest.fixture
def chains(tmp_path: Path) -> Path:
    file = tmp_path / "laneway.yaml"
    file.write_text(CHAIN)
    return file


@pytest.mark.parametrize("secrets", [{}, {"LANEWAY_GITHUB_SECRETS": ""}, {"LANEWAY_GITHUB_SECRETS": " , "}])
def test_without_a_secret_it_does_not_start_and_says_how_to_make_one(
    secrets: dict[str, str], chains: Path
) -> None:
    said = refused(LANEWAY_CHAINS=str(chains), **secrets)
    assert "LANEWAY_GITHUB_SECRETS" in said
    assert "openssl rand -hex 32" in said


def test_a_secret_that_could_be_guessed_is_refused_and_not_shown(chains: Path) -> None:
    said = refused(LANEWAY_CHAINS=str(chains), LANEWAY_GITHUB_SECRETS=f"{SECRET},hunter2")
    assert "16" in said
    assert "hunter2" not in said


def test_chain_files_that_are_missing_are_named(tmp_path: Path) -> None:
    said = refused(LANEWAY_CHAINS=str(tmp_path / "nowhere"), LANEWAY_GITHUB_SECRETS=SECRET)
    assert "nowhere" in said


def test_an_address_that_cannot_be_had_is_named(chains: Path) -> None:
    said = refused(
        LANEWAY_CHAINS=str(chains), LANEWAY_GITHUB_SECRETS=SECRET, LANEWAY_HOOKS_HOST="203.0.113.1"
    )
    assert "203.0.113.1" in said


def test_several_processes_share_one_port_and_their_metrics(tmp_path: Path, chains: Path) -> None:
    with valkey(tmp_path / "valkey") as redis_url:
        settings = {
            "LANEWAY_REDIS_URL": redis_url,
            "LANEWAY_CHAINS": str(chains),
            "LANEWAY_GITHUB_SECRETS": SECRET,
        }
        with serving(settings, tmp_path, "--workers", "2") as base:
            raw = body(payload("push"))
            for number in range(20):
                given = headers("push", raw, delivery=f"d-{number}")
                assert web.post(f"{base}/hooks/github", content=raw, headers=given).status_code == 202
            counted = 'laneway_deliveries_total{event="push",forge="github",result="queued"} 20.0'
            assert counted in web.get(f"{base}/metrics").text
        client = queue.connect(redis_url)
        assert client.llen(QUEUE) == 20
        client.close()
