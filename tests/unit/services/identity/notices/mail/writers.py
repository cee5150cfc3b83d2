"""A writer without a database, and mails for it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from services.identity.notices.mail.outgoing import Mail
from services.identity.notices.mail.writing import Writer
from shared.privacy.secrets import ServiceSecret


def writer(sender: str = "Okacrm <no-reply@okacrm.example>") -> Writer:
    return Writer(None, ServiceSecret(b"s" * 32), sender=sender, public_url="https://okacrm.example/")  # type: ignore[arg-type]


def mail(**changes: object) -> Mail:
    values = {
        "event_id": uuid4(),
        "template": "password_changed",
        "kind": "service",
        "recipient": b"r" * 32,
        "account_id": uuid4(),
        "address": "{}",
        "attempts": 0,
        "created_at": datetime(2026, 11, 24, tzinfo=UTC),
    }
    return Mail(**values | changes)  # type: ignore[arg-type]
