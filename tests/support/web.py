"""HTTP by httpx with a test's patience: its own five seconds are few where a machine has much else to do."""

from __future__ import annotations

from functools import partial

import httpx

from tests.support.waiting import SECONDS

get = partial(httpx.get, timeout=SECONDS)
post = partial(httpx.post, timeout=SECONDS)
delete = partial(httpx.delete, timeout=SECONDS)
request = partial(httpx.request, timeout=SECONDS)
