"""The labels, annotations and names that Laneway writes into a cluster. Nothing else may spell them out."""

from __future__ import annotations

GROUP = "laneway.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "laneway"

CHAIN = f"{GROUP}/chain"
LANE = f"{GROUP}/lane"
SERVICE = f"{GROUP}/service"
ROLE = f"{GROUP}/role"  # "baseline": the headless twin of an attached Service; "router": the router's own
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY_LANEWAY = "laneway"

SPEC_HASH = (
    f"{GROUP}/spec-hash"  # annotation: the hash of what was applied, so that an equal plan writes nothing
)
BASELINE_REVISION = (
    f"{GROUP}/baseline-revision"  # annotation: the baseline's generation that a clone was derived from
)
DERIVED_FROM = (
    f"{GROUP}/derived-from"  # annotation: the baseline workload of a copy that does not follow it, JSON
)
FOLLOWS = f"{GROUP}/follows"  # annotation: the NetworkPolicies that a copy's was made from, by name
ORIGINAL = f"{GROUP}/original"  # annotation: an attached Service as it was, canonical JSON
LISTENERS = (
    f"{GROUP}/listeners"  # annotation: an attached Service's listener ports, JSON {"PORT": LISTENER_PORT}
)
RESTORE = f"{GROUP}/restore"  # annotation: the JSON patch that takes an attached Service back, for kubectl

ROUTES = f"{GROUP}/routes"  # finalizer: of a Lane that has changed routes which are not its alone
RELEASE = f"{GROUP}/release"  # finalizer: of a Release that is changing the baseline

LANE_ENV = "LANEWAY_LANE"  # environment variable in each copy


def of_chain(chain: str) -> dict[str, str]:
    """The labels of every object that belongs to a chain's routing."""
    return {CHAIN: chain, MANAGED_BY: MANAGED_BY_LANEWAY}


def of_lane(chain: str, lane: str) -> dict[str, str]:
    """The labels of every object that a lane owns."""
    return {**of_chain(chain), LANE: lane}


def of_copy(chain: str, lane: str, service: str) -> dict[str, str]:
    """The labels of a service's copy in a lane."""
    return {**of_lane(chain, lane), SERVICE: service}
