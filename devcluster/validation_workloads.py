"""Workloads and what acts on them: what a real API server refuses of them."""

from __future__ import annotations

import re
from typing import Any

from devcluster import errors, selectors, syntax
from devcluster.errors import Cause
from devcluster.validation_pods import pod_spec

Object = dict[str, Any]

STATEFUL_MUTABLE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_STATEFUL_FIELDS = STATEFUL_MUTABLE.split("'")[1::2]


def deployment(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    _counts(spec, causes, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    _template(spec, old, causes, ("Always",))
    strategy = spec.get("strategy") or {}
    kind = strategy.get("type")
    if kind not in ("Recreate", "RollingUpdate"):
        causes.append(errors.unsupported("spec.strategy", kind, ["Recreate", "RollingUpdate"]))
    if kind == "Recreate" and strategy.get("rollingUpdate") is not None:
        detail = "may not be specified when strategy `type` is 'Recreate'"
        causes.append(errors.field_forbidden("spec.strategy.rollingUpdate", detail))
    rolling = strategy.get("rollingUpdate") or {}
    for field in ("maxSurge", "maxUnavailable"):
        _portion(rolling.get(field), f"spec.strategy.rollingUpdate.{field}", causes)
    if kind == "RollingUpdate" and _zero(rolling.get("maxSurge")) and _zero(rolling.get("maxUnavailable")):
        detail = "may not be 0 when `maxSurge` is 0"
        path = "spec.strategy.rollingUpdate.maxUnavailable"
        causes.append(errors.wrong(path, rolling["maxUnavailable"], detail))
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        detail = "must be greater than minReadySeconds"
        causes.append(errors.wrong("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], detail))


def _zero(value: Any) -> bool:
    return value in (0, "0%", "0")


def _portion(value: Any, path: str, causes: list[Cause]) -> None:
    if isinstance(value, str) and not re.fullmatch(r"\d+%", value):
        causes.append(
            errors.wrong(
                path, value, "a valid percent string must be a numeric string followed by an ending '%'"
            )
        )
    elif isinstance(value, int) and value < 0:
        causes.append(errors.wrong(path, value, "must be greater than or equal to 0"))


def replica_set(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    _counts(obj["spec"], causes, "replicas", "minReadySeconds")
    _template(obj["spec"], old, causes, ("Always",))


def stateful_set(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    _counts(spec, causes, "replicas", "minReadySeconds", "revisionHistoryLimit")
    _template(spec, None, causes, ("Always",))
    if spec.get("podManagementPolicy") not in ("OrderedReady", "Parallel"):
        allowed = ["OrderedReady", "Parallel"]
        causes.append(
            errors.unsupported("spec.podManagementPolicy", spec.get("podManagementPolicy"), allowed)
        )
    if old and _stateful_fixed(spec) != _stateful_fixed(old["spec"]):
        causes.append(errors.field_forbidden("spec", STATEFUL_MUTABLE))


def _stateful_fixed(spec: Object) -> Object:
    return {key: value for key, value in spec.items() if key not in _STATEFUL_FIELDS}


def daemon_set(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    _template(obj["spec"], old, causes, ("Always",))


def job(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    _counts(spec, causes, "parallelism", "completions", "backoffLimit")
    pod_spec(spec["template"]["spec"], "spec.template.spec", causes, restart=("OnFailure", "Never"))
    if old:
        for field in ("selector", "template", "completionMode"):
            if spec.get(field) != old["spec"].get(field):
                causes.append(errors.wrong(f"spec.{field}", "object", "field is immutable"))


def cron_job(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    schedule = spec.get("schedule") or ""
    if len(schedule.split()) != 5 and not schedule.startswith("@"):
        detail = f"expected exactly 5 fields, found {len(schedule.split())}: [{schedule}]"
        causes.append(errors.wrong("spec.schedule", schedule, detail))
    template = spec["jobTemplate"].get("spec") or {}
    path = "spec.jobTemplate.spec.template.spec"
    pod_spec((template.get("template") or {}).get("spec") or {}, path, causes, restart=("OnFailure", "Never"))


def autoscaler(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    if spec.get("maxReplicas", 0) < 1:
        causes.append(errors.wrong("spec.maxReplicas", spec.get("maxReplicas"), "must be greater than 0"))
    if spec.get("maxReplicas", 0) < spec.get("minReplicas", 1):
        detail = "must be greater than or equal to `minReplicas`"
        causes.append(errors.wrong("spec.maxReplicas", spec.get("maxReplicas"), detail))


def disruption_budget(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    if "minAvailable" in spec and "maxUnavailable" in spec:
        causes.append(errors.wrong("spec", "object", "minAvailable and maxUnavailable cannot be both set"))
    for field in ("minAvailable", "maxUnavailable"):
        _portion(spec.get(field), f"spec.{field}", causes)


def _counts(spec: Object, causes: list[Cause], *fields: str) -> None:
    for field in fields:
        if isinstance(spec.get(field), int) and spec[field] < 0:
            causes.append(errors.wrong(f"spec.{field}", spec[field], "must be greater than or equal to 0"))


def _template(spec: Object, old: Object | None, causes: list[Cause], restart: tuple[str, ...]) -> None:
    """A pod template, and the selector that must match its labels and never change."""
    selector, template = spec["selector"], spec.get("template") or {}
    found = (template.get("metadata") or {}).get("labels") or {}
    label_selector(selector, "spec.selector", causes)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(errors.wrong("spec.selector", {}, "empty selector is invalid for deployment"))
    elif not selectors.matches(selector, found):
        causes.append(
            errors.wrong(
                "spec.template.metadata.labels", found, "`selector` does not match template `labels`"
            )
        )
    for key, value in found.items():
        for wrong in filter(None, (syntax.qualified(key), syntax.label_value(value))):
            causes.append(errors.wrong("spec.template.metadata.labels", value, wrong))
    claims = frozenset(one["metadata"]["name"] for one in spec.get("volumeClaimTemplates") or ())
    pod_spec(template.get("spec") or {}, "spec.template.spec", causes, restart=restart, claims=claims)
    if old and old["spec"].get("selector") != selector:
        causes.append(errors.wrong("spec.selector", selector, "field is immutable"))


def label_selector(selector: Object, path: str, causes: list[Cause]) -> None:
    for key, value in (selector.get("matchLabels") or {}).items():
        for wrong in filter(None, (syntax.qualified(key), syntax.label_value(value))):
            causes.append(errors.wrong(f"{path}.matchLabels", key, wrong))
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        operator, values = term.get("operator"), term.get("values") or []
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            causes.append(errors.wrong(f"{where}.operator", operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            causes.append(errors.required(f"{where}.values", detail))
        elif operator in ("Exists", "DoesNotExist") and values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(errors.field_forbidden(f"{where}.values", detail))
