"""Addresses of callers, and the networks that they are in."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def network_from(text: str) -> str:
    """Return an address, or a network in CIDR notation, as it is kept.

    Raises ValueError for anything else, also for a network with bits of an address in it, such as 10.0.0.1/8.
    """
    return str(ip_network(text.strip()))


def address_from(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a text spells, if it spells one; that of an IPv4 host behind IPv6 is its IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Return whether the address is in one of the networks. What is no address is in none."""
    found = address_from(address)
    return found is not None and any(found in ip_network(network) for network in networks)
