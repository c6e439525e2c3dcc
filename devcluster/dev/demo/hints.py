"""What to try once the story is over and the system stays up."""

from __future__ import annotations

from devcluster.dev import processes
from devcluster.dev.demo.tell import Tell
from devcluster.dev.state import State, read_json


def show(state: State, tell: Tell) -> None:
    """Lines that work as they stand, in another terminal."""
    known = read_json(state.endpoints)
    kubectl = f"{processes.BIN / 'kubectl'} --kubeconfig {known['kubeconfig']}"
    tell.say("\n[bold]The system stays up. Try, in another terminal:[/]\n")
    tell.say("  A branch of your own; the repository's hook opens a pull request for it:")
    for command in (
        f"git clone {known['repository']} shop && cd shop",
        "git switch -c my-change && sed -i 's/VERSION = .*/VERSION = \"mine\"/' orders/app.py",
        "git commit -am 'My change' && git push origin my-change",
    ):
        tell.done(command)
    tell.say(f"\n  In a browser: [bold]{known['preview'].replace('{lane}', 'my-change')}[/]")
    tell.say("\n  Requests: plain, by header, by baggage, by preview host:")
    for headers in ("", "-H 'x-preview-lane: my-change' ", "-H 'baggage: preview-lane=my-change' "):
        tell.done(f"curl {headers}{known['entry']}")
    tell.done(f"curl {known['preview'].replace('{lane}', 'my-change')}")
    tell.say("\n  The cluster:")
    for command in ("get lanes", "describe lane shop.my-change", "get pods,services -n shop", "get lanes -w"):
        tell.done(f"{kubectl} {command}")
    tell.say("\n  Release it to everybody, step by step:")
    tell.done(f'eval "$({processes.BIN / "laneway"} dev env --state {state.root})"')
    tell.done(f"laneway release start {known['chain']} --lane my-change --watch")
    tell.say("\n  Give the branch up, and its lane goes away:")
    tell.done("git push origin :my-change")
    tell.say(f"\n  Logs: {state.logs}   Addresses and secrets: {state.endpoints}")
    tell.say("\n[bold]Ctrl-C ends everything.[/]")
