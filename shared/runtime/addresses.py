"""IP addresses as they are written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


def parsed_address(text: str) -> Address | None:
    """An address; None for anything else. An IPv4 address in IPv6 clothes (RFC 4291, 2.5.5.2) is the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
