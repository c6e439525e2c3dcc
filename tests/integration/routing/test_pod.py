"""`laneway envoy` as the pod runs it: one process, which becomes Envoy."""

from __future__ import annotations

import os
import resource
import shutil
from functools import partial
from pathlib import Path

import pytest

from provisioner.routing.router import launch
from tests.support.commands import LANEWAY, program
from tests.support.ports import free_port
from tests.support.routing import address, wait_until

FEW, MOST = 256, 4096


@pytest.fixture
def pod():
    """A pod's environment; what Envoy wrote to its folder goes in the end."""
    environment = {
        **os.environ,
        "LANEWAY_CHAIN": "shop",
        "POD_NAMESPACE": "shop",
        "POD_IP": address(),
        "LANEWAY_LISTENERS": "10001",
        "LANEWAY_DISCOVERY_ADDRESS": f"127.0.0.1:{free_port()}",
        "LANEWAY_ENVOY_CONCURRENCY": "1",
    }
    yield environment
    shutil.rmtree(launch.folder(launch.node(environment)))


@pytest.fixture
def process(pod, tmp_path):
    """The pod's process, in a container that allows more open files than it begins with."""
    few = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (FEW, MOST))
    with (
        (tmp_path / "log").open("wb") as log,
        program([*LANEWAY, "envoy"], env=pod, stdout=log, stderr=log, preexec_fn=few) as started,
    ):
        yield started


def test_it_becomes_an_envoy_that_may_have_as_many_open_files_as_the_container_allows(process):
    executable = Path(f"/proc/{process.pid}/exe")
    wait_until(lambda: executable.resolve().name == "envoy", 60, "Envoy in place of Python")
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (MOST, MOST)
