"""Reads about organisations, each for one member of the one that is asked about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.contracts.problems import Problem
from shared.contracts.roles import CLIENT_ORGANISATION, OWNER, PERMITTED, WORKSPACE, permits
from shared.contracts.times import rfc3339
from shared.eventstore.recorded import readable_values
from shared.privacy.keyring import Keyring

_ABOUT_MEMBERS = ("change_role", "remove_member", "transfer_ownership")
_ABOUT_OTHERS = frozenset({*_ABOUT_MEMBERS, "revoke_invitation", "part_from_client", "part_from_workspace"})
"""Acts that are about one member, one invitation or one counterpart, and are told with it."""

_OWNERS_WHO_CAN_ACT = """
    SELECT count(*) FROM memberships owners JOIN accounts USING (account_id)
    WHERE owners.organisation_id = o.organisation_id AND owners.role = :owner AND deactivated_at IS NULL
"""
_ROLE = text(f"""
    SELECT kind, role, ({_OWNERS_WHO_CAN_ACT}) AS owners
    FROM organisations o
    LEFT JOIN memberships m ON m.organisation_id = o.organisation_id AND m.account_id = :account_id
    WHERE o.organisation_id = :organisation_id
""")  # noqa: S608 - words from the lines above
_OF_PERSON = text(f"""
    SELECT organisation_id, kind, name, founded_at, account_id, role, joined_at, ({_OWNERS_WHO_CAN_ACT}) AS owners
    FROM organisations o JOIN memberships USING (organisation_id)
    WHERE account_id = :account_id AND kind = :kind AND (CAST(:after AS uuid) IS NULL OR organisation_id > :after)
    ORDER BY organisation_id LIMIT :limit
""")  # noqa: S608 - words from the lines above
_ONE = text("""
    SELECT organisation_id, kind, name, founded_at, account_id, role, joined_at, CAST(:owners AS integer) AS owners
    FROM organisations JOIN memberships USING (organisation_id)
    WHERE organisation_id = :organisation_id AND account_id = :account_id
""")
_MEMBERS = text("""
    SELECT account_id, role, joined_at, name, deactivated_at IS NULL AS can_act
    FROM memberships JOIN accounts USING (account_id)
    WHERE organisation_id = :organisation_id AND (CAST(:after AS uuid) IS NULL OR account_id > :after)
    ORDER BY account_id LIMIT :limit
""")
_INVITATIONS = text("""
    SELECT invitation_id, purpose, role, email, made_at, expires_at FROM invitations
    WHERE organisation_id = :organisation_id AND (CAST(:after AS uuid) IS NULL OR invitation_id > :after)
    ORDER BY invitation_id LIMIT :limit
""")
_CLIENTS = text("""
    SELECT client_organisation_id AS id, name, since
    FROM clients JOIN organisations ON organisation_id = client_organisation_id
    WHERE workspace_id = :organisation_id AND (CAST(:after AS uuid) IS NULL OR client_organisation_id > :after)
    ORDER BY client_organisation_id LIMIT :limit
""")
_WORKSPACES = text("""
    SELECT workspace_id AS id, name, since FROM clients JOIN organisations ON organisation_id = workspace_id
    WHERE client_organisation_id = :organisation_id AND (CAST(:after AS uuid) IS NULL OR workspace_id > :after)
    ORDER BY workspace_id LIMIT :limit
""")


@dataclass(frozen=True)
class Standing:
    """The role of one person in one organisation."""

    organisation_id: UUID
    kind: str
    account_id: UUID
    role: str
    owners: int
    """How many owners can act, whose accounts are not deactivated."""

    def may(self, act: str) -> bool:
        return permits(self.kind, self.role, act)

    @property
    def actions(self) -> list[str]:
        """What this person can do about the organisation now."""
        possible = PERMITTED[self.kind][self.role] - _ABOUT_OTHERS
        return sorted(possible - {"leave"} if self.role == OWNER and self.owners == 1 else possible)

    def actions_on(self, member: UUID, role: str, *, can_act: bool) -> list[str]:
        """What this person can do now about a member, who can act or is deactivated."""
        possible = dict.fromkeys(_ABOUT_MEMBERS, not (role == OWNER and can_act and self.owners == 1))
        possible["transfer_ownership"] = can_act and member != self.account_id
        return [act for act in _ABOUT_MEMBERS if self.may(act) and possible[act]]


@dataclass(frozen=True)
class Page:
    """How much of a list is asked for, and behind which of its entries."""

    after: UUID | None
    limit: int

    @classmethod
    def of(cls, cursor: str | None, limit: int) -> Page:
        return cls(UUID(cursor) if cursor else None, limit)

    def cut(self, rows: Sequence[Row[Any]], items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The answer, from one row more than was asked for; the cursor is the first column of the last row shown."""
        more = len(rows) > self.limit
        return {"items": items[: self.limit], "next_cursor": str(rows[self.limit - 1][0]) if more else None}


def standing(connection: Connection, organisation_id: UUID, kind: str, account_id: UUID, act: str) -> Standing:
    """Where a person stands who asks for something that is an act in this organisation.

    Raises `Problem("not-found")`, `foreign-organisation` or `role-insufficient`.
    """
    row = connection.execute(
        _ROLE, {"organisation_id": organisation_id, "account_id": account_id, "owner": OWNER}
    ).first()
    if row is None:
        raise Problem("not-found")
    if row.role is None or row.kind != kind:
        raise Problem("foreign-organisation")
    found = Standing(organisation_id, kind, account_id, row.role, row.owners)
    if not found.may(act):
        raise Problem("role-insufficient")
    return found


def organisations(connection: Connection, keyring: Keyring, account_id: UUID, kind: str, page: Page) -> dict[str, Any]:
    """The organisations of one kind in which a person is a member."""
    rows = connection.execute(
        _OF_PERSON,
        {"account_id": account_id, "kind": kind, "owner": OWNER, "after": page.after, "limit": page.limit + 1},
    ).all()
    return page.cut(rows, _organisation_views(rows, keyring))


def organisation(connection: Connection, keyring: Keyring, asker: Standing) -> dict[str, Any]:
    """One organisation, for a member. Raises `Problem("not-found")` if they have just ceased to be one."""
    rows = connection.execute(
        _ONE,
        {"organisation_id": asker.organisation_id, "account_id": asker.account_id, "owners": asker.owners},
    ).all()
    if not rows:
        raise Problem("not-found")
    return _organisation_views(rows, keyring)[0]


def _organisation_views(rows: Sequence[Row[Any]], keyring: Keyring) -> list[dict[str, Any]]:
    return [
        {
            "organisation_id": str(row.organisation_id),
            "kind": row.kind,
            "name": name,
            "founded_at": rfc3339(row.founded_at),
            "role": row.role,
            "joined_at": rfc3339(row.joined_at),
            "actions": Standing(row.organisation_id, row.kind, row.account_id, row.role, row.owners).actions,
        }
        for row, name in zip(rows, _opened(rows, "name", keyring), strict=True)
    ]


def members(connection: Connection, keyring: Keyring, asker: Standing, page: Page) -> dict[str, Any]:
    """The members of an organisation, and what the one who asks can do about each."""
    rows = _page_of(connection, _MEMBERS, asker, page)
    names = _opened(rows, "name", keyring)
    return page.cut(
        rows,
        [
            {
                "account_id": str(row.account_id),
                "name": name,
                "role": row.role,
                "joined_at": rfc3339(row.joined_at),
                "actions": asker.actions_on(row.account_id, row.role, can_act=row.can_act),
            }
            for row, name in zip(rows, names, strict=True)
        ],
    )


def invitations(connection: Connection, keyring: Keyring, asker: Standing, page: Page) -> dict[str, Any]:
    """The invitations of an organisation that were neither accepted nor ended, also those that have expired."""
    rows = _page_of(connection, _INVITATIONS, asker, page)
    addresses = _opened(rows, "email", keyring)
    actions = ["revoke_invitation"] if asker.may("revoke_invitation") else []
    return page.cut(
        rows,
        [
            {
                "invitation_id": str(row.invitation_id),
                "purpose": row.purpose,
                "role": row.role,
                "email": address,
                "made_at": rfc3339(row.made_at),
                "expires_at": rfc3339(row.expires_at),
                "actions": actions,
            }
            for row, address in zip(rows, addresses, strict=True)
        ],
    )


def counterparts(connection: Connection, keyring: Keyring, asker: Standing, page: Page) -> dict[str, Any]:
    """The clients of a workspace, or the workspaces that a client organisation deals with."""
    statement, act = {
        WORKSPACE: (_CLIENTS, "part_from_client"),
        CLIENT_ORGANISATION: (_WORKSPACES, "part_from_workspace"),
    }[asker.kind]
    rows = _page_of(connection, statement, asker, page)
    names = _opened(rows, "name", keyring)
    return page.cut(
        rows,
        [
            {
                "organisation_id": str(row.id),
                "name": name,
                "since": rfc3339(row.since),
                "actions": [act] if asker.may(act) else [],
            }
            for row, name in zip(rows, names, strict=True)
        ],
    )


def offer(connection: Connection, keyring: Keyring, invitation_id: UUID) -> dict[str, Any]:
    """What somebody is invited to. Raises `Problem("link-invalid")` if the invitation is not open any more."""
    row = connection.execute(
        text("""
            SELECT kind, name, purpose, role, expires_at FROM invitations JOIN organisations USING (organisation_id)
            WHERE invitation_id = :invitation_id
        """),
        {"invitation_id": invitation_id},
    ).first()
    if row is None:
        raise Problem("link-invalid")
    (name,) = _opened([row], "name", keyring)
    return {
        "kind": row.kind,
        "name": name,
        "purpose": row.purpose,
        "role": row.role,
        "expires_at": rfc3339(row.expires_at),
        "actions": ["accept"],
    }


def lock(connection: Connection, organisation_id: UUID) -> None:
    """Lets nobody else decide about an organisation before this transaction ends.

    Whoever locks several takes client organisations before workspaces, and of a kind the smaller id first, so that two
    do not wait for each other (docs/decisions/0046-limits-are-reserved-first.md).
    """
    connection.execute(
        text("SELECT FROM organisations WHERE organisation_id = :organisation_id FOR UPDATE"),
        {"organisation_id": organisation_id},
    )


def memberships(connection: Connection, account_id: UUID) -> list[UUID]:
    """The organisations in which a person is a member, in the order in which several are locked."""
    rows = connection.execute(
        text("""
            SELECT organisation_id FROM memberships JOIN organisations USING (organisation_id)
            WHERE account_id = :account_id ORDER BY kind, organisation_id
        """),
        {"account_id": account_id},
    )
    return [row.organisation_id for row in rows]


def concerned(connection: Connection, account_id: UUID, invited_to: Collection[UUID]) -> list[UUID]:
    """Every organisation that may change when a person is lost, in the order in which they are locked.

    Theirs, the workspaces that deal with their client organisations, and those that they are `invited_to`.
    """
    rows = connection.execute(
        text("""
            WITH theirs AS (SELECT organisation_id FROM memberships WHERE account_id = :account_id)
            SELECT organisation_id FROM organisations
            WHERE organisation_id IN (SELECT organisation_id FROM theirs)
                OR organisation_id IN (
                    SELECT workspace_id FROM clients JOIN theirs ON client_organisation_id = organisation_id
                )
                OR organisation_id = ANY(:invited_to)
            ORDER BY kind, organisation_id
        """),
        {"account_id": account_id, "invited_to": list(invited_to)},
    )
    return [row.organisation_id for row in rows]


def active_members(connection: Connection, organisation_id: UUID) -> frozenset[UUID]:
    """The members of an organisation whose accounts are not deactivated."""
    rows = connection.execute(
        text("""
            SELECT account_id FROM memberships JOIN accounts USING (account_id)
            WHERE organisation_id = :organisation_id AND deactivated_at IS NULL
        """),
        {"organisation_id": organisation_id},
    )
    return frozenset(row.account_id for row in rows)


def owned(connection: Connection, account_id: UUID, kind: str) -> int:
    """How many organisations of a kind a person owns."""
    found: int = connection.scalar(
        text("""
            SELECT count(*) FROM memberships JOIN organisations USING (organisation_id)
            WHERE account_id = :account_id AND kind = :kind AND role = :owner
        """),
        {"account_id": account_id, "kind": kind, "owner": OWNER},
    )
    return found


def workspaces_of(connection: Connection, client_organisation_id: UUID) -> list[UUID]:
    """The workspaces that a client organisation deals with."""
    rows = connection.execute(
        text("SELECT workspace_id FROM clients WHERE client_organisation_id = :id ORDER BY workspace_id"),
        {"id": client_organisation_id},
    )
    return [row.workspace_id for row in rows]


def open_invitations(connection: Connection, organisation_id: UUID, *, invited_by: UUID | None = None) -> list[UUID]:
    """The invitations of an organisation that were neither accepted nor ended: all, or those of one member."""
    rows = connection.execute(
        text("""
            SELECT invitation_id FROM invitations
            WHERE organisation_id = :organisation_id AND (CAST(:by AS uuid) IS NULL OR invited_by = :by)
        """),
        {"organisation_id": organisation_id, "by": invited_by},
    )
    return [row.invitation_id for row in rows]


def _page_of(connection: Connection, statement: Any, asker: Standing, page: Page) -> Sequence[Row[Any]]:
    return connection.execute(
        statement, {"organisation_id": asker.organisation_id, "after": page.after, "limit": page.limit + 1}
    ).all()


def _opened(rows: Sequence[Row[Any]], column: str, keyring: Keyring) -> list[Any]:
    """The sealed values of one column, opened together; null for what was erased."""
    return readable_values([row._mapping[column] for row in rows], keyring)
