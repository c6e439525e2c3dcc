"""`laneway link`: lets somebody into a lane that is not open to everyone."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.commands.lanes import ChainName, LaneName

Lifetime = Annotated[
    str, typer.Option("--for", metavar="DURATION", help="how long it opens the lane: 1m to 90d")
]


def link(chain: ChainName, lane: LaneName, lifetime: Lifetime = "7d") -> None:
    """Print a signed link to a lane: whoever has it may enter that lane, until it expires.

    Reads the chain's file and the key file (LANEWAY_LINK_KEYS_FILE), both of which a worker's pod has. Nobody
    can take a link back; a new key ends all of them. Exit codes: 0 printed; 1 an error, such as a chain
    without signed links, said on stderr; 2 wrong usage.
    """
    from datetime import UTC, datetime

    from provisioner import settings
    from provisioner.commands import asking
    from provisioner.routing import keyring, links

    found = settings.load()
    expires = datetime.now(UTC) + links.lifetime(lifetime)
    keys = keyring.load(found.link_keys_file)
    address = links.issue(asking.chain(found, chain), lane, keys, expires)
    asking.lane(asking.connect(), chain, lane)
    typer.echo(address)
