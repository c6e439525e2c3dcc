"""How a chain is released: the `release` section of a chain file, and a Release's part of it. Frozen data.

`releasing` reads the section and checks it; `to_json` gives it back in the same shape, so that a Release is
read by the same grammar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from provisioner import durations

Json = dict[str, Any]

NONE = "none"  # what is written where a user is told from another by nothing


class Manner(StrEnum):
    CANARY = "canary"  # a share that grows step by step
    BLUE_GREEN = "blue-green"  # all at once; the old version is kept until the step ends


class Finish(StrEnum):
    """How the baseline comes to the new version when all requests have it."""

    APPLY = "apply"  # Laneway writes the images
    WAIT = "wait"  # whoever owns the baseline does, such as a GitOps tool; Laneway waits for it


class Busy(StrEnum):
    """What becomes of a release of a chain while another one runs."""

    REFUSE = "refuse"
    QUEUE = "queue"


@dataclass(frozen=True)
class Step:
    """`weight` percent of the untagged requests, until all that is named has happened: `pause` is over,
    somebody has promoted the release (`manual`), the analysis has found it good for `analysis`."""

    weight: int
    pause: timedelta | None = None
    manual: bool = False
    analysis: timedelta | None = None

    def to_json(self) -> Json:
        found: Json = {"setWeight": self.weight}
        if self.manual:
            found["pause"] = {}
        elif self.pause is not None:
            found["pause"] = durations.format(self.pause)
        if self.analysis is not None:
            found["analysis"] = durations.format(self.analysis)
        return found


@dataclass(frozen=True)
class Sticky:
    """By what a user is told from another. With neither, each request is decided by itself."""

    cookie: str = "laneway-bucket"  # set by the entry, for a year; empty: none
    header: str = ""  # such as one with a user's id; requests without it fall back on the cookie

    def to_json(self) -> Json | str:
        if not self.cookie and not self.header:
            return NONE
        return {"cookie": self.cookie or NONE} | ({"header": self.header} if self.header else {})


@dataclass(frozen=True)
class Audience:
    """Requests that are in the release whatever the weight: those that have a header, or a cookie, of exactly
    this value. Empty names: nobody is."""

    header: str = ""
    header_value: str = ""
    cookie: str = ""
    cookie_value: str = ""

    def to_json(self) -> Json:
        found: Json = {}
        if self.header:
            found["header"] = {"name": self.header, "value": self.header_value}
        if self.cookie:
            found["cookie"] = {"name": self.cookie, "value": self.cookie_value}
        return found


# the metrics that need no query
SUCCESS_RATE, LATENCY = "success-rate", "latency"


class Provider(StrEnum):
    PROMETHEUS = "prometheus"
    ENVOY = "envoy"  # the counters of Laneway's own Envoys at the entry


@dataclass(frozen=True)
class Metric:
    """What is measured of the lane, and when that is good. Without `query` it is one of the built-in ones,
    by its `name`: `success-rate` (0 to 1) or `latency` (seconds, at `quantile`). In a query `{chain}`,
    `{lane}`, `{namespace}` and `{window}` are put in. `minimum` and `maximum` bound the value itself;
    `worse` says by how much it may be worse than the baseline's over the same time (`baseline` is the query
    that measures that one; the built-in ones have theirs)."""

    name: str
    query: str = ""
    baseline: str = ""
    minimum: float | None = None
    maximum: float | None = None
    worse: float | None = None
    quantile: float = 0.99

    def to_json(self) -> Json:
        texts = {"name": self.name, "query": self.query, "baseline": self.baseline}
        bounds = {"minimum": self.minimum, "maximum": self.maximum, "worse": self.worse}
        found: Json = {key: value for key, value in texts.items() if value}
        found |= {key: value for key, value in bounds.items() if value is not None}
        return found | ({"quantile": self.quantile} if self.name == LATENCY and not self.query else {})


METRICS = (Metric(SUCCESS_RATE, worse=0.02), Metric(LATENCY, worse=0.5))


@dataclass(frozen=True)
class Analysis:
    """One measurement of every metric each `interval`, over a `window`. `failures` of a metric in a row are
    borne, the next fails the release; so are `inconclusive` ones (no data, NaN, no answer, fewer than
    `requests`), the next pauses it and asks."""

    provider: Provider = Provider.ENVOY
    url: str = ""  # of Prometheus: http://prometheus.monitoring:9090
    interval: timedelta = timedelta(seconds=10)
    window: timedelta = timedelta(minutes=1)
    failures: int = 0
    inconclusive: int = 5
    requests: int = 20
    metrics: tuple[Metric, ...] = METRICS

    def to_json(self) -> Json:
        return {
            "provider": self.provider.value,
            **({"url": self.url} if self.url else {}),
            "interval": durations.format(self.interval),
            "window": durations.format(self.window),
            "failures": self.failures,
            "inconclusive": self.inconclusive,
            "requests": self.requests,
            "metrics": [metric.to_json() for metric in self.metrics],
        }


STEPS = tuple(Step(weight, pause=timedelta(minutes=1)) for weight in (10, 25, 50, 75, 100))
AT_ONCE = (Step(100, manual=True),)  # of a blue-green release


@dataclass(frozen=True)
class Strategy:
    """How a release of the chain goes. `deadline`: how long nothing may get on while nobody is asked.
    `max_surge`: how many pods a copy is made larger by before those are ready; None: by all at once. It is
    never made smaller (Kubernetes' `maxUnavailable: 0`)."""

    manner: Manner = Manner.CANARY
    steps: tuple[Step, ...] = STEPS
    sticky: Sticky = field(default_factory=Sticky)
    audience: Audience = field(default_factory=Audience)
    analysis: Analysis | None = None
    finish: Finish = Finish.APPLY
    deadline: timedelta = timedelta(minutes=10)
    busy: Busy = Busy.REFUSE
    on_push: bool = False  # a push to the base branch starts a release
    max_surge: int | None = None
    notify: tuple[str, ...] = ()  # URLs that are told of each change, signed

    def to_json(self) -> Json:
        """The section as somebody could have written it in a chain file."""
        found: Json = {
            "strategy": self.manner.value,
            "steps": [step.to_json() for step in self.steps],
            "sticky": self.sticky.to_json(),
            "finish": self.finish.value,
            "progressDeadline": durations.format(self.deadline),
            "whenBusy": self.busy.value,
            "onPush": self.on_push,
        }
        optional = {
            "audience": self.audience.to_json(),
            "analysis": self.analysis.to_json() if self.analysis else None,
            "maxSurge": self.max_surge,
            "notify": list(self.notify),
        }
        return found | {key: value for key, value in optional.items() if value}
