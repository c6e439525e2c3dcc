"""The story's stage on a real cluster: a push is preceded by the CI's build of what is pushed."""

from __future__ import annotations

from dataclasses import dataclass, field

from devcluster.dev.cluster.neighbours import Pipeline
from devcluster.dev.demo.stage import Stage


@dataclass
class ClusterStage(Stage):
    """`pipeline` makes an image of each commit that is pushed."""

    pipeline: Pipeline = field(kw_only=True)

    def push(self, *refs: str) -> list[str]:
        for ref in refs:
            if not ref.startswith(":"):  # that one is being removed
                self.tell.came(f"the team's CI builds {self.pipeline.build(self.clone, ref)[:40]}...")
        return super().push(*refs)
