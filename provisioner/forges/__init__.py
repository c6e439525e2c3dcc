"""What forges say of pull requests now, where a token is set. Without one, deliveries are all that is known.

`Forge` is what one kind of forge can be asked, `Forges` those that can be asked here. A forge that does not
answer changes nothing: it is not asked for a while, and what was delivered counts.
"""

from provisioner.forges.asking import SILENT, Forge, Forges, connect
from provisioner.forges.errors import ForgeError

__all__ = ["SILENT", "Forge", "ForgeError", "Forges", "connect"]
