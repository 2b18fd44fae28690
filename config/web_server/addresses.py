"""What counts as one address."""

from ipaddress import IPv6Address

NETWORK_BITS = 64  # of IPv6: what one subscriber has


def find_network(address: str) -> str:
    """Return an IPv4 address unchanged, and the network of an IPv6 address, because a client chooses the rest."""
    if ":" not in address:
        return address
    parsed = IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> (128 - NETWORK_BITS):x}::/{NETWORK_BITS}"
