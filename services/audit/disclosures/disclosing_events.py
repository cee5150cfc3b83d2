"""Which events of services are disclosures: declared here by type, and read from leaves as they come into the log.

What a service hands to a vendor by itself reaches whoever carries that flow at that moment, by the register of
recipients. Where nobody is entered as its carrier, the platform's own machines carry it and there is no disclosure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.audit.disclosures.aggregate.recipients import Particulars, Recipient
from services.audit.tree.leaves import Leaf
from shared.contracts.audit import RecipientEnded, RecipientEntered, RecipientRevised
from shared.contracts.categories import Category
from shared.contracts.events import contract_of, load_event
from shared.contracts.identity import NoticeSent
from shared.contracts.purposes import purpose_of_notice
from shared.contracts.vocabulary import CLIENT_USER

RECIPIENT_CHANGES = frozenset(contract_of(each).type for each in (RecipientEntered, RecipientRevised, RecipientEnded))


@dataclass(frozen=True)
class Reached:
    """Whom a disclosure reached; users of a client organisation are known by that organisation alone."""

    recipient_id: UUID
    kind: str
    version: int | None = None
    particulars: Particulars | None = None


class Carriers:
    """Who carries which flow of the platform, as the leaves up to now tell it."""

    def __init__(self) -> None:
        self._recipients: dict[UUID, Recipient] = {}

    def learn(self, leaf: Leaf) -> None:
        """Takes in what a leaf says of a recipient; any other says nothing here."""
        if leaf.type in RECIPIENT_CHANGES:
            event = load_event(leaf.type, leaf.schema_version, leaf.data)
            self._recipients.setdefault(event.recipient_id, Recipient(event.recipient_id)).apply(event)

    def carrier_of(self, flow: str, moment: datetime) -> Reached | None:
        """Who carried a flow at a moment: of several, the one that was entered last took over from the others."""
        for recipient in reversed(self._recipients.values()):
            version = recipient.version_at(moment)
            if version is not None and flow in recipient.versions[version - 1].carries:
                return Reached(recipient.id, recipient.kind, version, recipient.versions[version - 1])
        return None


FindRecipient = Callable[[Mapping[str, Any], datetime, Carriers], Reached | None]
FindBasis = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class DisclosingEvent:
    """One type of event by which data of its `subject` reaches a recipient, at the time in its field `at`."""

    event: type[Any]
    subject: str
    at: str
    recipient: FindRecipient
    categories: tuple[Category, ...]
    purpose: str
    legal_basis: FindBasis


def whoever_carries(flow: str) -> FindRecipient:
    """The vendor that carries a flow at that moment, if one does."""
    return lambda data, moment, carriers: carriers.carrier_of(flow, moment)


def client_organisation(field: str) -> FindRecipient:
    """The users of the client organisation that a field of the event names."""
    return lambda data, moment, carriers: Reached(UUID(data[field]), CLIENT_USER)


DISCLOSING_EVENTS: Mapping[str, DisclosingEvent] = {
    contract_of(each.event).type: each
    for each in (
        DisclosingEvent(
            event=NoticeSent,
            subject="account_id",
            at="sent_at",
            recipient=whoever_carries("mail"),
            categories=(Category.IDENTITY, Category.COMMUNICATIONS),
            purpose="service_communications",
            legal_basis=lambda data: purpose_of_notice(data["kind"]).legal_basis,
        ),
    )
}
