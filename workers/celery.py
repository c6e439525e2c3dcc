"""Celery as Laneway runs it: JSON only, no results, jobs acknowledged when they are done.

`queue` puts the jobs, keeps them until they are done, and brings back what a dead worker held; Celery carries
them to the threads that run them. Its own visibility time-out stays as the second line.
"""

from __future__ import annotations

from celery import Celery

from provisioner.settings import Settings
from workers import message

VISIBILITY_SECONDS = 60
SOCKET_SECONDS = 10.0  # above the second for which a worker's blocking read waits


def make_app(settings: Settings) -> Celery:
    """The application, without tasks; `tasks.register` adds them."""
    app = Celery(
        "laneway", broker=settings.redis_url, set_as_current=False, loader="celery.loaders.app:AppLoader"
    )
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue=message.QUEUE,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport(),
    )
    return app


def _transport() -> dict[str, object]:
    return {
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_throttle": 1,
        "unacked_key": "laneway:unacked",
        "unacked_index_key": "laneway:unacked-index",
        "unacked_mutex_key": "laneway:unacked-mutex",
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": 3.0,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }
