"""Beside an older definition of Lanes or Releases, or none, a worker does not begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.errors import ClusterError, ConfigError
from workers.definition import Definition

Json = dict[str, Any]
CRDS = Path(__file__).parents[3] / "charts" / "laneway" / "crds"


class Answers:
    """An API server that gives one answer after the other; what it has of Releases is always right."""

    def __init__(self, *answers: Json | ClusterError | None) -> None:
        self.answers = list(answers)

    def schema(self, kind: str) -> Json | None:
        if kind == "Release":
            return schema("releases")
        answer = self.answers.pop(0)
        if isinstance(answer, ClusterError):
            raise answer
        return answer


def schema(kinds: str = "lanes") -> Json:
    found: Json = yaml.safe_load((CRDS / f"{kinds}.yaml").read_text())["spec"]["versions"][0]["schema"][
        "openAPIV3Schema"
    ]
    return found


def older() -> Json:
    made = schema()
    del made["properties"]["spec"]["properties"]["ttl"]
    return made


def test_a_definition_that_lacks_a_field_is_refused_with_it_and_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"lacks spec\.ttl.*kubectl apply --server-side") as refused:
        Definition(Answers(older())).refuse()
    assert refused.value.reason == "DefinitionTooOld"


def test_a_cluster_that_knows_no_lanes_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no Lanes") as refused:
        Definition(Answers(None)).refuse()
    assert refused.value.reason == "NotInstalled"


def test_a_silent_server_is_waited_for_and_asked_until_it_has_answered() -> None:
    asked = Answers(ClusterError("silent"), ClusterError("silent"), schema())
    found = Definition(asked)
    found.refuse()
    with pytest.raises(ClusterError):
        found.check()
    found.check()
    found.check()  # what is right is asked for once
    assert asked.answers == []


def test_one_that_turns_out_to_be_older_is_said() -> None:
    found = Definition(Answers(ClusterError("silent"), older()))
    found.refuse()
    with pytest.raises(ConfigError, match="older"):
        found.check()


def test_a_cluster_that_knows_lanes_and_no_releases_is_refused() -> None:
    class Before(Answers):
        def schema(self, kind: str) -> Json | None:
            return schema() if kind == "Lane" else None

    with pytest.raises(ConfigError, match="has no Releases") as refused:
        Definition(Before()).refuse()
    assert refused.value.reason == "NotInstalled"
