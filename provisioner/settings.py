"""Laneway's settings, read from the environment in one place, at start, never at import.

Every field is `LANEWAY_` plus its name in capitals. Units are in the names or said beside them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from provisioner.errors import ConfigError


class Settings(BaseSettings):
    """What a Laneway process needs to know. The defaults are those of an installation by the chart."""

    model_config = SettingsConfigDict(env_prefix="LANEWAY_", extra="ignore", frozen=True)

    redis_url: str = "redis://127.0.0.1:6379/0"
    # a file or a folder of *.yaml, each one chain
    chains: Path = Path("/etc/laneway/chains")
    # where Laneway's own objects (locks, tombstones, router state) live
    namespace: str = "laneway-system"
    # empty: in-cluster credentials; Laneway never falls back to ~/.kube/config by itself
    kubeconfig: str = ""

    # each may hold two secrets, separated by a comma, while one replaces the other
    github_secrets: Annotated[tuple[str, ...], NoDecode] = ()
    # a file with a token that may read pull requests; with it GitHub says which are open, else deliveries do
    github_token_file: Path | None = None
    github_api: str = "https://api.github.com"  # GitHub Enterprise Server: https://HOST/api/v3
    hooks_host: str = "0.0.0.0"
    hooks_port: int = 8080
    max_body_bytes: int = 25 * 1024 * 1024  # what GitHub sends at most
    dedupe_seconds: int = 600  # a delivery id is refused as a duplicate this long after its success

    worker_threads: int = Field(default=8, ge=1, le=256)
    job_seconds: int = 45  # a job that takes longer is given up and tried again
    # without a renewal a lane's lock and a job's lease end by themselves after this long: by so much a job is
    # late whose worker died
    lock_seconds: int = 20
    drain_seconds: float = 2.0  # from taking routes away until what they led to changes or goes
    max_lanes_total: int | None = Field(default=None, ge=1)  # lanes of all chains; beyond it they wait
    image_pending_seconds: int = 1200  # how long an image may be missing before its lane is Degraded

    mirrors: Path = Path("/var/lib/laneway/mirrors")
    mirror_bytes: int = 20 * 1024**3  # the oldest unused mirror goes when all together are larger
    git_seconds: int = 30  # for one git command

    sweep_schedule: str = "17 3 * * *"  # cron, UTC
    # the sweep stops when at least so many lanes, and more than so many percent of all, would go at once
    sweep_brake_percent: int = Field(default=30, ge=0, le=100)
    sweep_brake_least: int = Field(default=5, ge=1)
    sweep_rate: float = Field(default=20, gt=0)  # convergences a second that it asks for, beside deliveries
    tombstone_days: int = Field(default=30, ge=1)  # a delivery later than this may open a closed lane again

    discovery_host: str = "0.0.0.0"
    discovery_port: int = 18000
    # what Envoy connects to; attach writes it into the router's Deployment
    discovery_address: str = "laneway-router.laneway-system:18000"
    envoy_image: str = "ghcr.io/laneway/envoy:0.1.0"
    envoy_replicas: int = 2

    wake_seconds: float = Field(default=20, ge=0, le=600)  # a request is held so long while its lane wakes
    held_requests: int = Field(default=500, ge=0)  # more than these wait for no lane
    use_seconds: float = Field(default=10, ge=1, le=60)  # how often each Envoy tells which lanes were used

    # a file with the key that signs links to lanes (entry.link), or two, a line each; the router and `laneway
    # link` need it
    link_keys_file: Path | None = None

    # a file with the key that signs notices of releases (release.notify); workers need it
    notify_key_file: Path | None = None

    responder_host: str = "0.0.0.0"
    responder_port: int = 8080  # HTTP
    responder_grpc_port: int = 8081
    # the Service in Laneway's namespace behind which responders run, on these two ports; empty: none run
    responder_service: str = "laneway-responder"

    # how to ask the mesh who answers a lane: a proxy's address, http://HOST:PORT, that goes by the Host
    # header; `mesh` where workers are in the mesh themselves; empty: it is not asked
    probe_through: str = ""

    metrics_host: str = "0.0.0.0"
    metrics_port: int = 9090  # 0: none

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(
                f"{value[:80]!r} must be redis://HOST:PORT/0 (rediss:// with TLS) or unix://PATH"
            )
        return value

    @field_validator("github_api")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not re.match(r"https?://[^/]", value):
            raise ValueError(f"{value[:80]!r} must be https://HOST or https://HOST/api/v3")
        return value.rstrip("/")

    @field_validator("github_token_file", "link_keys_file", "notify_key_file", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        return value or None

    @field_validator("github_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


def load() -> Settings:
    """The settings of this process.

    Raises ConfigError that names every wrong variable at once.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"LANEWAY_{'.'.join(str(part) for part in one['loc']).upper()}: "
            f"{one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise ConfigError(wrong, where="environment") from error
