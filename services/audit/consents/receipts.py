"""The consent receipt: what a person was asked and said, in the terms of ISO/IEC TS 27560:2023, as JSON.

It has the four parts of the standard's consent record, of which a receipt is a copy for the person: the record and
whose it is, the processing that was consented to, the parties, and the events. Names of members follow the standard;
the data themselves are the register of purposes and the entries of the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from shared.contracts.purposes import REGISTER
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import COOKIE_PURPOSES
from shared.privacy.processing import CONTROLLER

SCHEMA = "ISO/IEC TS 27560:2023"
JURISDICTION = "EU"
"""Under whose law (the GDPR) legal bases and rights are named."""
PARTY = {
    "party_id": "okacrm",
    "party_name": CONTROLLER["name"],
    "party_role": "pii_controller",
    "party_url": "https://okacrm.net",
    "party_email": CONTROLLER["contact"],
}
RIGHTS = "https://okacrm.net/privacy#your-rights-and-choices"

Entry = Mapping[str, Any]

_STATES = {
    "granted": "given",
    "refused": "refused",
    "withdrawn": "withdrawn",
    "objected": "refused",
    "carried_over": "terminated",
}
"""What the standard calls how an entry stands."""


def receipt_of(subject: UUID, purpose: str, entries: Sequence[Entry], *, now: datetime) -> dict[str, Any]:
    """The receipt of all that a person said to one purpose; entries are in the order in which they took effect.

    The record is known by the last entry, and so is the receipt: for the same history it is the same one.
    """
    last = entries[-1]
    return {
        "receipt_metadata": {
            "schema_version": SCHEMA,
            "receipt_id": str(uuid5(UUID(last["record_id"]), "receipt")),
            "issued_at": rfc3339(now),
        },
        "record_metadata": {
            "schema_version": SCHEMA,
            "record_id": last["record_id"],
            "pii_principal_id": str(subject),
        },
        "state": _state_now(last, now),
        "pii_processing": _processing(purpose, _words_answered(entries)),
        "party_identification": [PARTY],
        "events": [_event(subject, entry) for entry in entries],
    }


def _processing(purpose_id: str, wording_version: str | None) -> dict[str, Any]:
    purpose = REGISTER[purpose_id]
    texts = {wording.version: dict(wording.text) for wording in purpose.wordings}
    return {
        "privacy_notice": {"version": wording_version, "text": texts.get(wording_version or "", {})},
        "purpose": purpose.id,
        "purpose_title": purpose.title,
        "lawful_basis": purpose.legal_basis,
        "pii_information": [{"pii_type": category} for category in purpose.categories],
        "pii_controllers": [PARTY["party_id"]],
        "recipient_third_parties": list(purpose.recipients),
        "collection_method": "provided_by_pii_principal",
        "withdrawal_method": _withdrawal_method(purpose_id),
        "privacy_rights": RIGHTS,
        "jurisdiction": JURISDICTION,
    }


def _withdrawal_method(purpose_id: str) -> str:
    return (
        "PUT /v1/cookie-choices" if purpose_id in COOKIE_PURPOSES.values() else f"DELETE /v1/me/consents/{purpose_id}"
    )


def _words_answered(entries: Sequence[Entry]) -> str | None:
    """The words that were answered last; a withdrawal may say nothing of words."""
    return next((entry["wording_version"] for entry in reversed(entries) if entry["wording_version"]), None)


def _state_now(entry: Entry, now: datetime) -> str:
    if entry["expires_at"] and entry["expires_at"] <= rfc3339(now):
        return "expired"
    return _STATES[entry["state"]]


def _event(subject: UUID, entry: Entry) -> dict[str, Any]:
    """What was said at one time. A signal of the browser is given by a setting, and everything else by an act."""
    return {
        "event_time": entry["effective_at"],
        "event_type": "notice_signal" if entry["state"] == "objected" else "explicit",
        "event_state": _STATES[entry["state"]],
        "valid_until": entry["expires_at"],
        "entity_id": str(subject),
        "wording_version": entry["wording_version"],
        "recorded_at": entry["recorded_at"],
        "record_id": entry["record_id"],
    }
