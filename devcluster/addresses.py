"""Addresses and node ports of Services: each gets its own loopback address, on which a local process can
listen.

Two devclusters side by side must not hand out the same address, so each claims one free /16 of 127.0.0.0/8
and keeps it for as long as it runs.
"""

from __future__ import annotations

import ipaddress
import socket
import zlib

from devcluster import errors
from devcluster.store import Object, Record, Store

FIRST, LAST = 64, 127  # second octets for Services; pod addresses live above
KEPT_BACK = 512  # addresses at a block's end that are not handed out
NODE_PORTS = range(30000, 32768)


def claim(seed: str) -> tuple[str, socket.socket]:
    """A block that no other devcluster of this machine has, as "127.B.0.0/16", and the socket that holds it.

    The same seed gets the same block where it is free, since stored Services have addresses in it. The kernel
    drops the claim with the process. OSError when every block is taken.
    """
    count = LAST - FIRST + 1
    start = zlib.crc32(seed.encode()) % count
    for step in range(count):
        network = f"127.{FIRST + (start + step) % count}.0.0"
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f"\0devcluster/services/{network}")
        except OSError:  # another devcluster has it
            holder.close()
            continue
        return f"{network}/16", holder
    raise OSError(
        f"{count} devclusters run on this machine, one for each block of addresses: end one of them"
    )


class Services:
    """The hook that gives Services their addresses and node ports. Which are taken is what the stored
    Services say.
    """

    def __init__(self, store: Store, network: str = "127.96.0.0/16") -> None:
        self.store = store
        self.network = ipaddress.IPv4Network(network)
        self._next = 1

    def after(self, record: Record) -> None:
        """Nothing follows: an address is free again as soon as no stored Service has it."""

    def complete(self, service: Object, old: Object | None) -> None:
        """Fill in, in place, clusterIP, clusterIPs and node ports; addresses that `old` had are kept."""
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
                spec.pop(name, None)
            return
        before = (old or {}).get("spec") or {}
        if not spec.get("clusterIP"):
            spec["clusterIP"] = before.get("clusterIP") or self._free_address()
        elif spec["clusterIP"] != before.get("clusterIP"):
            self._check_address(service, spec["clusterIP"])
        spec["clusterIPs"] = [spec["clusterIP"]]
        self._node_ports(spec, before)

    def _services(self) -> list[Object]:
        return [record.obj["spec"] for record in self.store.select("services")]

    def _free_address(self) -> str:
        taken = {spec.get("clusterIP") for spec in self._services()}
        for _ in range(self.network.num_addresses):
            address = str(self.network[self._next])
            self._next = self._next % (self.network.num_addresses - KEPT_BACK) + 1
            if address not in taken:
                return address
        raise errors.ApiError(
            500, "InternalError", f"no address is left in the service network {self.network}"
        )

    def _check_address(self, service: Object, address: str) -> None:
        if address == "None":
            return
        why = ""
        if not _inside(address, self.network):
            why = f"failed to allocate IP {address}: the provided IP is not in the valid range {self.network}"
        elif any(spec.get("clusterIP") == address for spec in self._services()):
            why = f"failed to allocate IP {address}: provided IP is already allocated"
        if why:
            cause = errors.wrong("spec.clusterIPs", [address], why)
            raise errors.invalid("Service", "", service["metadata"]["name"], [cause])

    def _node_ports(self, spec: Object, before: Object) -> None:
        ports = spec.get("ports") or []
        if spec["type"] not in ("NodePort", "LoadBalancer"):
            same_type = before.get("type") == spec["type"]
            for port in ports:
                if not same_type:
                    port.pop("nodePort", None)
            return
        had = {
            (port["port"], port.get("protocol")): port.get("nodePort") for port in before.get("ports") or ()
        }
        taken = {port.get("nodePort") for other in self._services() for port in other.get("ports") or ()}
        for port in ports:
            if not port.get("nodePort"):
                kept = had.get((port.get("port"), port.get("protocol")))
                port["nodePort"] = kept or next(n for n in NODE_PORTS if n not in taken)
            taken.add(port["nodePort"])


def _inside(address: str, network: ipaddress.IPv4Network) -> bool:
    try:
        return ipaddress.IPv4Address(address) in network
    except ValueError:
        return False
