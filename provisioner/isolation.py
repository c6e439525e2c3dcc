"""What a NetworkPolicy selects, and in which directions it isolates. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provisioner.copies.selection import Labels, label_selector

Json = dict[str, Any]

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # the label that every namespace has
INGRESS, EGRESS = "Ingress", "Egress"


def types(policy: Json) -> Sequence[str]:
    """The directions in which it isolates; servers fill them in by this rule."""
    given: Sequence[str] = policy["spec"].get("policyTypes") or ()
    return given or ((INGRESS, EGRESS) if policy["spec"].get("egress") else (INGRESS,))


def pod_selector(policy: Json) -> Json:
    """Its selector of pods; the empty one takes all of its namespace."""
    return dict(policy["spec"].get("podSelector") or {})


def takes(selector: Json | None, pod: Labels) -> bool:
    """Whether a `metav1.LabelSelector` takes a pod with these labels; None takes none."""
    rule = label_selector("", selector)
    return rule is not None and rule.matches(pod)
