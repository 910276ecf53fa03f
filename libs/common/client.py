"""Where a request came from, as the gateway vouches for it."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request

LONGEST_AGENT = 256
IPV6_PREFIX = 64
"""What one subscriber has at least: within it addresses change by themselves (RFC 6177, RFC 8981)."""


@dataclass(frozen=True, slots=True)
class Client:
    """The technical data of a request. Personal: both."""

    ip: str
    user_agent: str

    @property
    def network(self) -> str:
        """Return what the address is counted and recognised by: itself, or its /64 in IPv6."""
        if not _is_address(self.ip):
            return self.ip
        address = ip_address(self.ip)
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            return str(address.ipv4_mapped)
        if isinstance(address, IPv6Address):
            return str(ip_network((int(address), IPV6_PREFIX), strict=False))
        return str(address)


def client_of(request: Request, header: str) -> Client:
    """Return the technical data of a request.

    Args:     header: the one that the gateway writes itself, whatever the caller sent. Its last hop counts: those
              before it are what the caller claims.
    Source:   ASVS 5.0 15.3.4.
    """
    peer = request.client.host if request.client else ""
    claimed = request.headers.get(header, "").rpartition(",")[2].strip()
    agent = request.headers.get("user-agent", "")[:LONGEST_AGENT]
    return Client(ip=claimed if _is_address(claimed) else peer, user_agent=agent)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
