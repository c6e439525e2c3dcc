"""Loopback addresses for pods: a /16 of 127.0.0.0/8 for each devcluster, one address for each pod.

Promises: two devclusters on one machine never have the same range, and nothing is left behind to clean
up. A range is claimed by binding an abstract Unix socket of its name: the kernel refuses a second claim
and drops the first with its last holder.
"""

from __future__ import annotations

import socket
import zlib

FIRST, LAST = 128, 223  # second octets for pods; Service addresses live below


class AddressesExhausted(Exception):
    """No address or range is free; the message says which and what to do."""


class PodAddresses:
    """Hands out the addresses of one claimed range; an address is reused as late as possible."""

    def __init__(self, claim: socket.socket, octet: int) -> None:
        self.claim = claim
        self.range = f"127.{octet}.0.0/16"
        self._prefix = f"127.{octet}"
        self._next = 0
        self._used: set[str] = set()

    def allocate(self) -> str:
        """A free address.

        :raises AddressesExhausted: about 65,000 pods run
        """
        for _ in range(1 << 16):
            self._next = self._next % 0xFFFE + 1
            address = f"{self._prefix}.{self._next >> 8}.{self._next & 255}"
            if address not in self._used:
                self._used.add(address)
                return address
        raise AddressesExhausted(f"all addresses of {self.range} are in use: delete pods")

    def release(self, address: str) -> None:
        self._used.discard(address)


def claim_range(seed: str) -> PodAddresses:
    """Claim a free range, the same one for the same seed when it is free.

    :raises AddressesExhausted: every range is claimed by a running devcluster
    """
    count = LAST - FIRST + 1
    start = zlib.crc32(seed.encode()) % count
    for step in range(count):
        octet = FIRST + (start + step) % count
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0devcluster/127.{octet}.0.0")
        except OSError:  # another devcluster has it
            claim.close()
            continue
        return PodAddresses(claim, octet)
    raise AddressesExhausted(f"{count} devclusters run on this machine, one for each range: end one of them")
