"""Who runs, by name, as endpoints.json tells it."""

from __future__ import annotations

from devcluster.dev.endpoints import by_name


def test_the_routers_pods_are_envoy_and_others_go_by_their_names() -> None:
    named = by_name(
        1,
        {"serve": 2, "worker": None},
        {
            "shop/laneway-router-shop-5d-x": [7],
            "shop/payment-6f-y": [8],
            "shop/laneway-router-shop-5d-z": [9],
        },
    )

    assert named == {
        "supervisor": [1],
        "serve": [2],
        "worker": [],
        "envoy": [7, 9],
        "pod/payment-6f-y": [8],
    }


def test_without_pods_envoy_is_there_with_no_process() -> None:
    assert by_name(1, {}, {})["envoy"] == []
