"""What lies between the gateway and whoever asks: names it answers to, proxies it believes, pages it lets read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from urllib.parse import urlsplit

from shared.contracts.problems import Problem
from shared.runtime.addresses import parsed_address
from shared.runtime.config import Settings

Network = IPv4Network | IPv6Network

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

_AUTHORITY = re.compile(r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Provenance:
    """Where a request comes from and what it was sent to, as far as that can be believed."""

    client_address: str
    scheme: str
    host: str

    @property
    def origin(self) -> str:
        """The origin that the request was sent to (RFC 6454)."""
        return f"{self.scheme}://{self.host}"


@dataclass(frozen=True)
class Perimeter:
    """How the gateway faces whoever asks. The defaults are those of a machine that nobody else can reach."""

    local: bool = True
    hosts: frozenset[str] = LOOPBACK_HOSTS
    """The names that the gateway answers to, without ports."""
    public_url: str = "http://127.0.0.1:8000"
    """Where people reach it, by a setting and not by what a request says."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of the proxies whose word about a request is believed."""
    cors_origins: frozenset[str] = frozenset()
    """Origins beside our own whose pages may read answers and send changes."""
    requests_per_session: int = 1200
    requests_per_network: int = 1200

    @classmethod
    def from_settings(cls, settings: Settings) -> Perimeter:
        public_host = urlsplit(settings.public_url).hostname or ""
        return cls(
            local=settings.local,
            public_url=settings.public_url,
            hosts=frozenset({public_host, *(LOOPBACK_HOSTS if settings.local else ())}),
            trusted_proxies=settings.trusted_proxies,
            cors_origins=frozenset(settings.cors_origins),
            requests_per_session=settings.requests_per_session,
            requests_per_network=settings.requests_per_network,
        )

    def provenance(self, environ: Mapping[str, Any]) -> Provenance:
        """Believes `X-Forwarded-*` from a trusted proxy only.

        Proxies append to `X-Forwarded-For`, so it is read from the right: behind the last trusted one stands the
        client, and whatever is to the left of it is hearsay. Of scheme and host the nearest proxy's word counts.
        """
        peer = str(environ.get("REMOTE_ADDR", ""))
        host = str(environ.get("HTTP_HOST", ""))
        scheme = "http" if self.local else "https"
        if not self.trusts(peer):
            return Provenance(peer, scheme, host.lower())
        return Provenance(
            self._client(peer, environ.get("HTTP_X_FORWARDED_FOR", "")),
            _last(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower() or scheme,
            (_last(environ.get("HTTP_X_FORWARDED_HOST", "")) or host).lower(),
        )

    def trusts(self, address: str) -> bool:
        """Whether this is the address of a trusted proxy."""
        if not self.trusted_proxies:
            return False
        parsed = parsed_address(address)
        return parsed is not None and any(parsed in network for network in self.trusted_proxies)

    def _client(self, peer: str, forwarded_for: str) -> str:
        client = peer
        for entry in reversed(forwarded_for.split(",")):
            parsed = parsed_address(entry.strip())
            if parsed is None:
                break
            client = str(parsed)
            if not self.trusts(client):
                break
        return client

    def admit(self, provenance: Provenance) -> None:
        """Raises `misdirected` for a request to a name that is not ours, or over plain HTTP where people are served.

        Nothing is ever made from the name a request was sent to; refusing all others keeps it so, and keeps out pages
        that had their own name point to this machine (DNS rebinding).
        """
        authority = _AUTHORITY.fullmatch(provenance.host)
        if authority is None or authority[1] not in self.hosts:
            raise Problem("misdirected")
        if not self.local and provenance.scheme != "https":
            raise Problem("misdirected")

    def welcomes(self, origin: str, provenance: Provenance) -> bool:
        """Whether pages of this origin may send changes in a cookie session: our own, and those on the list."""
        return origin == provenance.origin or origin in self.cors_origins


def _last(value: str) -> str:
    return value.rpartition(",")[2].strip()
