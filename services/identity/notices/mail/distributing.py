"""Telling everybody: mails about one event are left to be sent for one page of accounts after the other.

A page, and how far the distribution has come, are one statement. So a process may die anywhere: the next one goes on
behind the last page, and nobody is left out or told twice.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from services.identity.notices.mail.recipients import KINDS_IN_SQL, OBSTACLE, register_of_kinds

PAGE = 200
"""Small enough that a mail about somebody's own account does not wait for long behind it."""

_BEGIN = text("""
    INSERT INTO distributions (event_id, template, kind, occurred_at)
    VALUES (:event_id, :template, :kind, :occurred_at) ON CONFLICT DO NOTHING
""")
_NEXT_PAGE = text(f"""
    WITH distribution AS (
        SELECT event_id, template, kind, occurred_at, reached FROM distributions
        WHERE finished_at IS NULL ORDER BY event_id LIMIT 1 FOR UPDATE
    ), page AS (
        SELECT a.account_id FROM distribution d JOIN accounts a ON a.account_id > d.reached
        ORDER BY a.account_id LIMIT :page
    ), left_to_be_sent AS (
        INSERT INTO mails (event_id, template, kind, recipient, account_id, address)
        SELECT d.event_id, d.template, d.kind, i.email_index, a.account_id, a.email
        FROM distribution d JOIN {KINDS_IN_SQL} USING (kind)
            CROSS JOIN page JOIN accounts a USING (account_id) JOIN email_index i USING (account_id)
        WHERE a.registered_at <= d.occurred_at AND {OBSTACLE} IS NULL
        ON CONFLICT DO NOTHING
    )
    UPDATE distributions SET
        reached = coalesce((SELECT account_id FROM page ORDER BY account_id DESC LIMIT 1), distributions.reached),
        finished_at = CASE WHEN (SELECT count(*) FROM page) < :page THEN now() END
    FROM distribution d WHERE distributions.event_id = d.event_id
""")  # noqa: S608 - words of `recipients`


def begin_distribution(connection: Connection, **distribution: object) -> None:
    """Lets everybody concerned be told of an event; saying it again changes nothing."""
    connection.execute(_BEGIN, distribution)


def distribute_page(connection: Connection) -> bool:
    """Leaves the mails for the next page of accounts to be sent; False if everybody was told of everything."""
    return connection.execute(_NEXT_PAGE, {"page": PAGE, **register_of_kinds()}).rowcount == 1
