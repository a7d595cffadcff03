"""IP addresses of callers, and networks."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def network_from(text: str) -> str:
    """Return an address, or a network in CIDR notation, in its stored form.

    Raises ValueError for all other texts, also for a network with host bits, such as 10.0.0.1/8.
    """
    return str(ip_network(text.strip()))


def address_from(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a text, or None. An IPv4-mapped IPv6 address becomes its IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Return whether the address is in one of the networks. A text that is not an address is in none."""
    found = address_from(address)
    return found is not None and any(found in ip_network(network) for network in networks)
