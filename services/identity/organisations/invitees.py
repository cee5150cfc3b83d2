"""What is kept to recognise people who were invited: a blind index of the address, and a hash of the token.

The token is that of a link by mail and is kept nowhere. Its hash is there as long as the invitation may be accepted;
the index stays, so that the erasure of a person finds every invitation that was ever sent to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.accounts.aggregate import BETWEEN_MESSAGES
from services.identity.accounts.links import INVITATION, link_token
from services.identity.organisations.aggregate.invitations import LIFETIME, Invitation
from shared.contracts.problems import Problem
from shared.eventstore.limits import Limit
from shared.privacy.secrets import ServiceSecret, token_hash

A_DAY = Limit("too-many-invitations", most=100)
"""Invitations that one person makes in a day, wherever: nobody is to write to many through us."""


@dataclass(frozen=True)
class Invited:
    """An invitation, of which organisation it is, and the subject id of whoever was invited."""

    invitation_id: UUID
    organisation_id: UUID
    invitee_id: UUID


def keep(connection: Connection, secret: ServiceSecret, invitation: Invitation, recipient: bytes) -> None:
    """Makes the token of an invitation count until it expires."""
    connection.execute(
        text("""
            INSERT INTO invitees
                (invitee_id, invitation_id, organisation_id, recipient, token_hash, expires_at, invited_by)
            VALUES (:invitee_id, :invitation_id, :organisation_id, :recipient, :token_hash, :expires_at, :invited_by)
        """),
        {
            "invitee_id": invitation.invitee_id,
            "invitation_id": invitation.id,
            "organisation_id": invitation.organisation_id,
            "recipient": recipient,
            "token_hash": token_hash(link_token(secret, INVITATION, invitation.id)),
            "expires_at": invitation.expires_at,
            "invited_by": invitation.invited_by,
        },
    )


def find(connection: Connection, token: str, now: datetime) -> Invited:
    """What a token stands for, which stays as good as it is.

    Raises `Problem("link-invalid")` for a token that is unknown, used, withdrawn or expired.
    """
    row = connection.execute(
        text("""
            SELECT invitation_id, organisation_id, invitee_id FROM invitees
            WHERE token_hash = :token_hash AND expires_at > :now
        """),
        {"token_hash": token_hash(token), "now": now},
    ).first()
    if row is None:
        raise Problem("link-invalid")
    return Invited(**row._mapping)


def redeem(connection: Connection, token: str, account_id: UUID) -> None:
    """Uses a token up for the person with this account. Raises `Problem("link-invalid")` if somebody was faster."""
    used = connection.execute(
        text("UPDATE invitees SET token_hash = NULL, account_id = :account_id WHERE token_hash = :token_hash"),
        {"token_hash": token_hash(token), "account_id": account_id},
    )
    if used.rowcount == 0:
        raise Problem("link-invalid")


def withdraw(connection: Connection, invitation_id: UUID) -> None:
    """Makes the token of an invitation worthless."""
    connection.execute(
        text("UPDATE invitees SET token_hash = NULL WHERE invitation_id = :invitation_id"),
        {"invitation_id": invitation_id},
    )


def open_to(connection: Connection, organisation_id: UUID, recipient: bytes) -> UUID | None:
    """The invitation of an organisation to an address that was not accepted or ended, though it may have expired."""
    invitation_id: UUID | None = connection.scalar(
        text("""
            SELECT invitation_id FROM invitees
            WHERE organisation_id = :organisation_id AND recipient = :recipient AND token_hash IS NOT NULL
        """),
        {"organisation_id": organisation_id, "recipient": recipient},
    )
    return invitation_id


def must_not_flood(connection: Connection, organisation_id: UUID, by: UUID, recipient: bytes, now: datetime) -> None:
    """Returns if another invitation would neither be one of too many nor come too soon, whatever became of the others.

    Raises `Problem("asked-too-soon")` if the organisation, or this person, invited the same address a moment ago, and
    `too-many-invitations`.
    """
    A_DAY.take_turns(connection, by)
    row = connection.execute(
        text("""
            SELECT count(*) FILTER (WHERE invited_by = :by) AS made,
                coalesce(bool_or(recipient = :recipient AND expires_at > :moment_ago), false) AS too_soon
            FROM invitees
            WHERE (invited_by = :by OR organisation_id = :organisation_id AND recipient = :recipient)
                AND expires_at > :day_ago
        """),
        {
            "organisation_id": organisation_id,
            "by": by,
            "recipient": recipient,
            # An invitation that was made then expires at this moment.
            "moment_ago": now - BETWEEN_MESSAGES + LIFETIME,
            "day_ago": now - timedelta(days=1) + LIFETIME,
        },
    ).one()
    if row.too_soon:
        raise Problem("asked-too-soon")
    A_DAY.admit(row.made)


def of_person(connection: Connection, account_id: UUID) -> list[Invited]:
    """Every invitation that a person accepted, or that was sent to the address of their account."""
    rows = connection.execute(
        text("""
            SELECT invitation_id, organisation_id, invitee_id FROM invitees
            WHERE account_id = :account_id
                OR recipient IN (SELECT email_index FROM email_index WHERE account_id = :account_id)
            ORDER BY invitation_id
        """),
        {"account_id": account_id},
    )
    return [Invited(**row._mapping) for row in rows]


def forget(connection: Connection, invitation_id: UUID) -> None:
    """Deletes what somebody who was erased could be recognised by."""
    connection.execute(
        text("DELETE FROM invitees WHERE invitation_id = :invitation_id"), {"invitation_id": invitation_id}
    )
