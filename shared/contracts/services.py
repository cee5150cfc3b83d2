"""The services there are. Whoever needs a list of them derives it from here, so that adding one is one entry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Service:
    """One service, as all others know it.

    `name` is stored, published and signed: it stands in `/services/<name>`, `okacrm.<name>.<event>`, the exchange
    `<name>.events`, the queue `rpc-<name>`, and in the names of its database and its keys. Its events are declared in
    `shared.contracts.<name>`, and its code is the package `services.<name>`.
    """

    name: str
    seals: bool
    """Whether it is given the keyring: it keeps personal values and can read them."""
    follows: tuple[str, ...] | None
    """The services whose feeds its courier follows; None for all there are, its own included."""

    @cached_property
    def publishers(self) -> tuple[str, ...]:
        """The services whose feeds its courier follows."""
        return SERVICE_NAMES if self.follows is None else self.follows


SERVICES = (
    Service("identity", seals=True, follows=("identity", "audit")),
    Service("audit", seals=False, follows=None),
)
SERVICE_NAMES = tuple(service.name for service in SERVICES)
FOLLOWERS = (*SERVICE_NAMES, "integrations", "proposals", "billing", "portal")
"""Who may follow a feed over the broker: every service, and those of the product that are to come."""
PUBLISHERS = tuple(sorted(SERVICE_NAMES))
"""The services that publish events, in the order of the alphabet: each of them does."""


def service_called(name: str) -> Service:
    """Return the service of that name. Raise `KeyError` if there is none."""
    return _BY_NAME[name]


def publisher_of(module: str) -> str:
    """Return the name of the service whose contracts a module declares; `nobody` if it is not one of contracts."""
    for name in SERVICE_NAMES:
        if f"{module}.".startswith(f"shared.contracts.{name}."):
            return name
    return "nobody"


_BY_NAME = {service.name: service for service in SERVICES}
