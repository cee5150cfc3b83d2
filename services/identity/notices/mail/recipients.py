"""Whom a notice reaches: asked when mails are left to be sent, and once more at the moment of sending.

One expression of SQL decides, about one person or about everybody; the kinds of notices come from their register.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.notices.kinds import EMAIL, KINDS

KINDS_IN_SQL = """
    unnest(CAST(:kinds AS text[]), CAST(:purposes AS text[]), CAST(:reaches_everyone AS boolean[]))
        AS k (kind, purpose, reaches_everyone)
"""
OBSTACLE = """
    CASE
        WHEN a.restricted_at IS NOT NULL AND NOT k.reaches_everyone THEN 'restricted'
        WHEN a.deactivated_at IS NOT NULL AND NOT k.reaches_everyone THEN 'deactivated'
        WHEN a.verified_at IS NULL AND NOT k.reaches_everyone THEN 'not-verified'
        WHEN EXISTS (
            SELECT FROM notice_objections o WHERE o.account_id = a.account_id AND o.kind = k.kind
        ) THEN 'objected'
        WHEN EXISTS (
            SELECT FROM notice_refusals r
            WHERE r.account_id = a.account_id AND r.kind = k.kind AND r.channel = :channel
        ) THEN 'not-wanted'
        WHEN k.purpose IS NOT NULL AND NOT EXISTS (
            SELECT FROM consents c
            WHERE c.account_id = a.account_id AND c.purpose = k.purpose AND c.state = 'granted'
        ) THEN 'no-consent'
    END
"""
"""Why a person `a` is not told what is of a kind `k`; null if they are."""

_OBSTACLES = text(f"""
    SELECT k.kind, {OBSTACLE} AS obstacle FROM accounts a CROSS JOIN {KINDS_IN_SQL} WHERE a.account_id = :account_id
""")  # noqa: S608 - words from the lines above


_CONSENT = text("""
    SELECT record_id FROM consents WHERE account_id = :account_id AND purpose = :purpose AND state = 'granted'
""")


def register_of_kinds() -> dict[str, object]:
    """What `OBSTACLE` and `KINDS_IN_SQL` need to know of the kinds of notices, and the channel."""
    return {
        "kinds": list(KINDS),
        "purposes": [kind.consent for kind in KINDS.values()],
        "reaches_everyone": [kind.reaches_everyone for kind in KINDS.values()],
        "channel": EMAIL,
    }


def obstacles(connection: Connection, account_id: UUID) -> dict[str, str | None]:
    """What keeps each kind of notice from a person now; empty if there is no such account any more."""
    rows = connection.execute(_OBSTACLES, {"account_id": account_id, **register_of_kinds()})
    return {row.kind: row.obstacle for row in rows}


def consent_for(connection: Connection, account_id: UUID, kind: str) -> UUID | None:
    """The event of the consent that a person's notices of a kind rest on now; None if the kind needs none."""
    purpose = KINDS[kind].consent
    if purpose is None:
        return None
    record_id: UUID | None = connection.scalar(_CONSENT, {"account_id": account_id, "purpose": purpose})
    return record_id
