"""Where a call comes from: network, device and approximate place, told from an address and a user agent.

Nothing is asked of anybody else: the rules for user agents and the register of address blocks come with packages.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

import iptocc
from sqlalchemy import Connection, text
from ua_parser import Parser
from ua_parser.basic import Resolver
from ua_parser.loaders import load_lazy_builtins

from services.identity.access.aggregate.sessions import Origin
from shared.bus.actors import Client
from shared.privacy.secrets import ServiceSecret
from shared.runtime.addresses import Address, parsed_address

LONGEST_USER_AGENT = 512
NETWORK_PREFIX = {4: 24, 6: 56}
"""How much of an address names the network: what one household or small office is usually given, or shares."""
UNKNOWN_NETWORK = "unknown"
REMEMBERED = timedelta(days=180)
"""How long a device that is not used any more stays a known one."""

# The library's own choice would compile every rule in advance, which takes 26 MB of each process; these are compiled
# when they are first tried, and signing in costs a hundred times more than trying them.
_user_agents = Parser(Resolver(load_lazy_builtins()))


def origin_of(client: Client | None) -> Origin:
    """What is kept of a client with the session that it opens."""
    address = _address(client)
    if client is None or address is None:
        return Origin()
    return Origin(ip_address=str(address), device=device_of(client.user_agent), place=place_of(address))


def network_of(client: Client | None) -> str:
    """The network that a client calls from, such as `192.0.2.0/24`."""
    address = _address(client)
    if address is None:
        return UNKNOWN_NETWORK
    return str(ip_network((address, NETWORK_PREFIX[address.version]), strict=False))


def is_this_machine(client: Client) -> bool:
    """Whether a client calls from the machine that it calls."""
    address = _address(client)
    return address is not None and address.is_loopback


def device_of(user_agent: str) -> str | None:
    """Browser and system, without versions, which change under a person: `Firefox on Linux`."""
    judged = user_agent[:LONGEST_USER_AGENT]
    browser, system = _user_agents.parse_user_agent(judged), _user_agents.parse_os(judged)
    names = [part.family for part in (browser, system) if part is not None]
    return " on ".join(names) or None


def place_of(address: Address) -> str | None:
    """The country (ISO 3166-1 alpha-2) to which the address is assigned; private addresses have none."""
    place: str | None = iptocc.country_code(str(address))
    return place


def network_index(secret: ServiceSecret, client: Client | None) -> str:
    """What stands for a network in signals: equal for equal networks, and otherwise opaque."""
    return secret.blind_index("network", network_of(client)).hex()[:32]


def device_index(secret: ServiceSecret, account_id: UUID, client: Client | None) -> bytes:
    """What a person's device in its network is recognised by."""
    device = device_of(client.user_agent) if client else None
    return secret.blind_index("device", f"{account_id}\n{device}\n{network_of(client)}")


def is_known(connection: Connection, index: bytes, now: datetime) -> bool:
    """Whether somebody got in from this device not too long ago."""
    found = connection.scalar(
        text("SELECT EXISTS (SELECT FROM known_devices WHERE device_index = :index AND last_seen_at > :since)"),
        {"index": index, "since": now - REMEMBERED},
    )
    return bool(found)


def remember(connection: Connection, account_id: UUID, index: bytes, now: datetime) -> bool:
    """Keeps a device in mind; whether it is a new one. The first device of an account is not."""
    connection.execute(
        text("DELETE FROM known_devices WHERE account_id = :account_id AND last_seen_at <= :since"),
        {"account_id": account_id, "since": now - REMEMBERED},
    )
    known = connection.scalars(
        text("SELECT device_index FROM known_devices WHERE account_id = :account_id"), {"account_id": account_id}
    ).all()
    connection.execute(
        text("""
            INSERT INTO known_devices (device_index, account_id, last_seen_at) VALUES (:index, :account_id, :now)
            ON CONFLICT (device_index) DO UPDATE SET last_seen_at = :now
        """),
        {"account_id": account_id, "index": index, "now": now},
    )
    return bool(known) and index not in known


def forget(connection: Connection, account_id: UUID) -> None:
    """Forgets from which devices somebody got in; the next one is their first again."""
    connection.execute(text("DELETE FROM known_devices WHERE account_id = :account_id"), {"account_id": account_id})


def _address(client: Client | None) -> Address | None:
    return parsed_address(client.address if client else "")
