"""The read model of choices about cookies."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from services.identity.accounts.erased_rows import drop_rows_of_erased
from shared.contracts.identity import (
    BrowserSignalHeard,
    CookieConsentCarriedOver,
    CookieConsentGranted,
    CookieConsentRefused,
    CookieConsentWithdrawn,
)
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

cookie_choices = OwnProjection("cookie_choices", "cookie_choices")

_COOKIE_STATES: dict[type[Any], str] = {
    CookieConsentGranted: "granted",
    CookieConsentRefused: "refused",
    CookieConsentWithdrawn: "withdrawn",
    BrowserSignalHeard: "objected",
}


@cookie_choices.on(CookieConsentGranted)
@cookie_choices.on(CookieConsentRefused)
@cookie_choices.on(CookieConsentWithdrawn)
@cookie_choices.on(BrowserSignalHeard)
def set_cookie_choice(
    connection: Connection,
    event: CookieConsentGranted | CookieConsentRefused | CookieConsentWithdrawn | BrowserSignalHeard,
    recorded: Recorded,
) -> None:
    connection.execute(
        text("""
            INSERT INTO cookie_choices (subject_id, purpose, state, wording_version, effective_at, expires_at)
            VALUES (:subject_id, :purpose, :state, :wording_version, :effective_at, :expires_at)
            ON CONFLICT (subject_id, purpose) DO UPDATE SET state = :state, wording_version = :wording_version,
                effective_at = :effective_at, expires_at = :expires_at
        """),
        {
            "subject_id": event.subject_id,
            "purpose": event.purpose,
            "state": _COOKIE_STATES[type(event)],
            "wording_version": getattr(event, "wording_version", None),
            "effective_at": event.effective_at,
            "expires_at": event.expires_at,
        },
    )


@cookie_choices.on(CookieConsentCarriedOver)
def remove_cookie_choice(connection: Connection, event: CookieConsentCarriedOver, recorded: Recorded) -> None:
    connection.execute(
        text("DELETE FROM cookie_choices WHERE subject_id = :visitor_id AND purpose = :purpose"),
        {"visitor_id": event.visitor_id, "purpose": event.purpose},
    )


drop_rows_of_erased(cookie_choices, "subject_id")
