"""Who may do what in an organisation: one table of kind, role and act, which every service asks.

A role is held in one organisation and says nothing about any other, so whoever asks must have looked it up for the very
organisation that is to be acted on. A service that lets members do something new adds an act here.
"""

from __future__ import annotations

from collections.abc import Mapping

WORKSPACE = "workspace"
"""The organisation of influencers, and the unit of tenancy."""
CLIENT_ORGANISATION = "client_organisation"
"""The organisation of people who are clients of one or more workspaces."""
ORGANISATION_KINDS = (WORKSPACE, CLIENT_ORGANISATION)

KIND_OF_GUARD: Mapping[str, str] = {"influencer": WORKSPACE, "client": CLIENT_ORGANISATION}
"""The kind of organisation that people act in under each guard; under the others they act in none."""

OWNER, MANAGER, VIEWER = ROLES = ("owner", "manager", "viewer")
INVITABLE_ROLES = (MANAGER, VIEWER)
"""Nobody becomes an owner by a mail: owners are made of members, by owners."""

_VIEWER = frozenset({"see", "leave"})
_MANAGER = _VIEWER | {"see_invitations", "invite_viewer", "invite_manager", "revoke_invitation"}
_OWNER = _MANAGER | {"rename", "change_role", "remove_member", "transfer_ownership", "close"}
_CLIENTS = frozenset({"invite_client", "part_from_client"})
_WORKSPACES = frozenset({"become_client", "part_from_workspace"})

PERMITTED: Mapping[str, Mapping[str, frozenset[str]]] = {
    WORKSPACE: {VIEWER: _VIEWER, MANAGER: _MANAGER | _CLIENTS, OWNER: _OWNER | _CLIENTS},
    CLIENT_ORGANISATION: {VIEWER: _VIEWER, MANAGER: _MANAGER | _WORKSPACES, OWNER: _OWNER | _WORKSPACES},
}
"""The acts that each role permits, by the kind of organisation that it is held in."""

ACTS = tuple(sorted(frozenset().union(*(acts for roles in PERMITTED.values() for acts in roles.values()))))


def permits(kind: str, role: str, act: str) -> bool:
    """Whether a role in an organisation of this kind permits an act."""
    return act in PERMITTED[kind][role]
