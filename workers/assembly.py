"""Puts workers and beat together from its settings: the one place where the real parts meet."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime

from provisioner import cluster as clusters
from provisioner import forges, reconcile
from provisioner.chain import folder as chains
from provisioner.chain.book import ChainBook
from provisioner.cluster import Cluster
from provisioner.git import Repositories
from provisioner.lane.record import record
from provisioner.settings import Settings
from provisioner.world import World
from workers import queue
from workers.absences import Absences
from workers.beat import Leader
from workers.credentials import from_secrets
from workers.definition import Definition
from workers.election import Election
from workers.exposition import Check, Health, Pulse
from workers.fence import Fence, FencedCluster
from workers.gate import Gate
from workers.jobs import Context
from workers.locks import Locks
from workers.queue import Queue
from workers.schedule import Cron

# each turn may wait for Redis, or for the API server, until that is given up
WORKER_SECONDS = 60
BEAT_SECONDS = 120


def context(settings: Settings) -> Context:
    """What the jobs share. Raises ConfigError when the chain files or the cluster's address are wrong."""
    client = queue.connect(settings.redis_url)
    return Context(
        book=ChainBook(settings.chains, chains.load),
        queue=Queue(client, lease=settings.lock_seconds),
        locks=Locks(client, settings.lock_seconds),
        world=_worlds(settings, clusters.connect(settings.kubeconfig), Absences(client)),
        record=record,
        converge=reconcile.converge,
        seconds=settings.job_seconds,
    )


def election(settings: Settings, cluster: Cluster) -> Election:
    """This process as a candidate for beat's leadership."""
    return Election(
        cluster, settings.namespace, f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    )


def leader(settings: Settings, cluster: Cluster) -> Callable[[], Leader]:
    """Makes what leads once elected. Raises ConfigError for wrong chain files or a wrong schedule."""
    book = ChainBook(settings.chains, chains.load)
    client = queue.connect(settings.redis_url)
    jobs = Queue(client, lease=settings.lock_seconds)
    cron = Cron(settings.sweep_schedule, "LANEWAY_SWEEP_SCHEDULE")
    return lambda: Leader(cluster, book, jobs, cron, Absences(client), settings.max_lanes_total)


def gate(settings: Settings, cluster: Cluster) -> Gate:
    """What the Rollouts of chains may ask. Raises ConfigError for wrong chain files."""
    return Gate(ChainBook(settings.chains, chains.load), cluster)


def worker_health(context: Context, settings: Settings) -> Health:
    """What a worker lives by and needs. Raises ConfigError where the cluster's definition of Lanes is too
    old, or missing."""
    cluster = clusters.connect(settings.kubeconfig)
    needs = {"redis": context.queue.reachable, "cluster": cluster.reachable, "chains": context.book.check}
    return Health(Pulse(WORKER_SECONDS), {**needs, "definition": _definition(cluster)})


def beat_health(settings: Settings, cluster: Cluster) -> Health:
    """What beat lives by and needs; whether it leads says nothing of its health. Raises ConfigError as for a
    worker."""
    jobs = Queue(queue.connect(settings.redis_url))
    needs = {"redis": jobs.reachable, "cluster": cluster.reachable, "definition": _definition(cluster)}
    return Health(Pulse(BEAT_SECONDS), needs)


def _definition(cluster: Cluster) -> Check:
    found = Definition(cluster)
    found.refuse()
    return found.check


def _worlds(settings: Settings, cluster: Cluster, absences: Absences) -> Callable[[Fence], World]:
    repositories = Repositories(
        settings.mirrors,
        max_bytes=settings.mirror_bytes,
        timeout=settings.git_seconds,
        credentials=from_secrets(cluster, settings.namespace),
    )

    known = forges.connect(settings)

    def world(fence: Fence) -> World:
        return World(
            FencedCluster(cluster, fence),
            repositories,
            settings,
            lambda: datetime.now(UTC),
            known,
            absences.holds,
        )

    return world
