"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workers import commands_sweep

PortFile = Annotated[
    Path | None, typer.Option(help="Write the metrics' port here; with LANEWAY_METRICS_PORT=0 a free one.")
]


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command()(worker)
    app.command()(beat)
    app.command()(commands_sweep.sweep)


def worker(metrics_port_file: PortFile = None) -> None:
    """Do the jobs that the receiver and beat put into the queue."""
    from provisioner import logs, settings
    from workers import assembly, celery, exposition, tasks
    from workers import worker as process
    from workers.execution import Runner

    logs.configure("worker")
    found = settings.load()
    context = assembly.context(found)
    health = assembly.worker_health(context, found)
    exposition.serve(found, metrics_port_file, health)
    runner = Runner(context.queue)
    app = celery.make_app(found)
    tasks.register(app, context, runner, found.dedupe_seconds)
    ticker = process.Ticker(context.queue, runner.running, health.pulse)
    process.run(app, runner, found.worker_threads, found.job_seconds, ticker)


def beat(metrics_port_file: PortFile = None) -> None:
    """Watch the cluster and keep the schedule; of several, one leads."""
    import signal
    import threading

    from provisioner import cluster, logs, settings
    from workers import assembly, exposition
    from workers import beat as process

    logs.configure("beat")
    found = settings.load()
    reached = cluster.connect(found.kubeconfig)
    lead = assembly.leader(found, reached)
    health = assembly.beat_health(found, reached)
    exposition.serve(found, metrics_port_file, health, assembly.gate(found, reached).answer)
    stopped = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stopped.set())
    process.run(assembly.election(found, reached), lead, stopped, health.pulse)
