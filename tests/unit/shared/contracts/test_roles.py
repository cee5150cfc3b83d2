"""The table of roles: more of a role is never less, and some acts are for some only."""

from __future__ import annotations

import pytest

from shared.contracts.roles import (
    CLIENT_ORGANISATION,
    INVITABLE_ROLES,
    MANAGER,
    ORGANISATION_KINDS,
    OWNER,
    PERMITTED,
    ROLES,
    VIEWER,
    WORKSPACE,
    permits,
)


@pytest.mark.parametrize("kind", ORGANISATION_KINDS)
def test_a_higher_role_permits_all_that_a_lower_one_does(kind: str) -> None:
    assert PERMITTED[kind].keys() == set(ROLES)
    assert PERMITTED[kind][VIEWER] < PERMITTED[kind][MANAGER] < PERMITTED[kind][OWNER]


@pytest.mark.parametrize("act", ["change_role", "remove_member", "transfer_ownership", "rename", "close"])
def test_only_owners_decide_who_has_which_role_and_what_becomes_of_it(act: str) -> None:
    assert [role for role in ROLES if permits(WORKSPACE, role, act)] == [OWNER]


def test_nobody_is_invited_as_an_owner_and_viewers_invite_nobody() -> None:
    assert OWNER not in INVITABLE_ROLES
    for role in INVITABLE_ROLES:
        assert not permits(WORKSPACE, VIEWER, f"invite_{role}")
        assert permits(WORKSPACE, MANAGER, f"invite_{role}")


def test_only_workspaces_have_clients_and_only_client_organisations_become_one() -> None:
    assert permits(WORKSPACE, MANAGER, "invite_client")
    assert not permits(CLIENT_ORGANISATION, OWNER, "invite_client")
    assert permits(CLIENT_ORGANISATION, MANAGER, "become_client")
    assert not permits(WORKSPACE, OWNER, "become_client")
