"""`make demo CLUSTER=CONTEXT`: the same story as on a laptop, on a real cluster, and nothing left behind."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path

from rich.markup import escape

from devcluster.dev.cluster import context
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import Town
from devcluster.dev.demo.play import WHAT_IT_IS, enact
from devcluster.dev.demo.tell import StepFailed, Tell
from devcluster.dev.repository import RepositoryError, git
from provisioner.errors import LanewayError


def play(name: str, *, once: bool) -> int:
    """The whole story on the cluster of a context; 0 only if every step held."""
    tell = Tell()
    tell.say(WHAT_IT_IS)
    with tempfile.TemporaryDirectory(prefix="laneway-demo-") as folder:
        town: Town | None = None
        try:
            town = Town(context.choose(name, Path(folder)), Path(folder))
            return _play(town, tell, once=once)
        except KeyboardInterrupt:
            return 0 if not once else 130
        except (StepFailed, LanewayError, RepositoryError) as error:
            tell.say(f"{escape(str(error))}\n\nThe demo did not hold.")
            return 1
        finally:
            if town is not None:
                tell.say("\nRemoving everything ...")
                town.down()


def _play(town: Town, tell: Tell, *, once: bool) -> int:
    began = time.monotonic()
    tell.say(f"[bold]Setting up[/] on {town.context.name} ({town.context.server})")
    for text, seconds in town.up():
        tell.say(f"  {seconds:6.1f} s  {text}")
    with town.reached() as endpoints:
        identify(town)
        enact(ClusterStage(endpoints, town.clone, tell, pipeline=town.pipeline))
        tell.say(f"\n[bold green]Every step held[/], in {time.monotonic() - began:.1f} s with the start.")
        if not once:
            _hint(tell, endpoints["entry"], endpoints["kubeconfig"])
            signal.pause()
    return 0


def identify(town: Town) -> None:
    """Who commits in the clone."""
    git(town.clone, "config", "user.name", "You")
    git(town.clone, "config", "user.email", "you@example.invalid")


def _hint(tell: Tell, entry: str, kubeconfig: str) -> None:
    tell.say("\n[bold]It stays up. Try, in another terminal:[/]\n")
    tell.done(f"curl {entry}")
    tell.done(f"kubectl --kubeconfig {kubeconfig} get lanes,pods -A")
    tell.say("\n[bold]Ctrl-C removes everything.[/]")
