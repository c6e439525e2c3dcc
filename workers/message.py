"""A job as it lies in the queue: what Celery's worker reads, built without Celery.

The receiver writes a job and the mark that refuses its duplicates in one atomic step, which Celery's own
publishing cannot do. The fields are those of Celery's message protocol 2 in the envelope that its Redis
transport uses; a real worker consumes them in the tests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

QUEUE = "laneway"  # the Redis list that holds the jobs

DELIVER = "laneway.deliver"
CONVERGE = "laneway.converge"
SWEEP = "laneway.sweep"
RELEASE = "laneway.release"
NOTIFY = "laneway.notify"

_EMBED: dict[str, None] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def encode(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], task: str) -> str:
    """The message for task `name` with JSON-ready arguments, under the id `task`."""
    body = json.dumps([list(args), dict(kwargs), _EMBED]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": _headers(name, task),
            "properties": _properties(task),
        }
    )


def _headers(name: str, task: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("shadow", "eta", "expires", "group", "group_index", "parent_id"))
    return {
        "lang": "py",
        "task": name,
        "id": task,
        "root_id": task,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "",
        "kwargsrepr": "",
        "origin": "laneway",
        "ignore_result": True,
        **nothing,
    }


def _properties(task: str) -> dict[str, Any]:
    return {
        "correlation_id": task,
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": task,
    }
