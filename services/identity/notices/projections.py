"""Read models of notices: what people decided, what is announced, and the log of what was sent to whom."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from shared.contracts.identity import (
    AccountErased,
    AnnouncementWorded,
    NoticeFailed,
    NoticeObjectionRaised,
    NoticeObjectionWithdrawn,
    NoticePreferenceChanged,
    NoticeSent,
)
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

notices = OwnProjection("notices", "notices", "notice_refusals", "notice_objections")
announcement_wordings = OwnProjection("announcement_wordings", "announcement_wordings")


@notices.on(NoticePreferenceChanged)
def keep_choice(connection: Connection, event: NoticePreferenceChanged, recorded: Recorded) -> None:
    """Only what is not wanted is a row: where there is none, everything is."""
    statement = (
        "DELETE FROM notice_refusals WHERE account_id = :account_id AND kind = :kind AND channel = :channel"
        if event.wanted
        else "INSERT INTO notice_refusals (account_id, kind, channel) VALUES (:account_id, :kind, :channel)"
    )
    connection.execute(text(statement), {"account_id": event.account_id, "kind": event.kind, "channel": event.channel})


@notices.on(NoticeObjectionRaised)
def keep_objection(connection: Connection, event: NoticeObjectionRaised, recorded: Recorded) -> None:
    connection.execute(
        text("INSERT INTO notice_objections (account_id, kind, raised_at) VALUES (:account_id, :kind, :raised_at)"),
        {"account_id": event.account_id, "kind": event.kind, "raised_at": event.raised_at},
    )


@notices.on(NoticeObjectionWithdrawn)
def end_objection(connection: Connection, event: NoticeObjectionWithdrawn, recorded: Recorded) -> None:
    connection.execute(
        text("DELETE FROM notice_objections WHERE account_id = :account_id AND kind = :kind"),
        {"account_id": event.account_id, "kind": event.kind},
    )


@notices.on(NoticeSent)
def log_sent(connection: Connection, event: NoticeSent, recorded: Recorded) -> None:
    _log(connection, event, recorded, "sent", event.sent_at)


@notices.on(NoticeFailed)
def log_failed(connection: Connection, event: NoticeFailed, recorded: Recorded) -> None:
    _log(connection, event, recorded, "failed", event.failed_at)


def _log(
    connection: Connection, event: NoticeSent | NoticeFailed, recorded: Recorded, state: str, settled_at: datetime
) -> None:
    connection.execute(
        text("""
            INSERT INTO notices (event_id, notice_id, account_id, kind, channel, subject_line, state, settled_at)
            VALUES (:event_id, :notice_id, :account_id, :kind, :channel, :subject_line, :state, :settled_at)
        """),
        {
            "event_id": recorded.event_id,
            "notice_id": event.notice_id,
            "account_id": event.account_id,
            "kind": event.kind,
            "channel": event.channel,
            "subject_line": recorded.sealed("subject_line"),
            "state": state,
            "settled_at": settled_at,
        },
    )


@announcement_wordings.on(AnnouncementWorded)
def keep_wording(connection: Connection, event: AnnouncementWorded, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO announcement_wordings (announcement_id, language, subject_line, text)
            VALUES (:announcement_id, :language, :subject_line, :text)
        """),
        vars(event),
    )


@notices.on(AccountErased)
def remove_notices(connection: Connection, event: AccountErased, recorded: Recorded) -> None:
    for table in ("notices", "notice_refusals", "notice_objections"):
        connection.execute(
            text(f"DELETE FROM {table} WHERE account_id = :account_id"),  # noqa: S608 - names from the line above
            {"account_id": event.account_id},
        )
