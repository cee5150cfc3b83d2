from __future__ import annotations

import pytest

from deploy.local.postgres import Server, databases


def test_every_service_and_the_keyring_have_a_database_an_owner_and_restricted_roles() -> None:
    plan = databases("okacrm", ("identity", "audit"))

    assert {database.name for database in plan.values()} == {"okacrm_identity", "okacrm_audit", "okacrm_keyring"}
    assert plan["identity"].owner == "okacrm_identity_owner"
    assert plan["identity"].roles == {"service": "okacrm_identity", "custodian": "okacrm_identity_custodian"}
    assert plan["audit"].roles == {"service": "okacrm_audit"}
    assert plan["keyring"].roles == {"service": "okacrm_keyring", "custodian": "okacrm_keyring_custodian"}


def test_no_role_has_two_databases() -> None:
    roles = [role for database in databases("a", ("b", "c")).values() for role in database.all_roles]

    assert len(roles) == len(set(roles))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://root:secret@db.internal:6432/postgres", "postgresql://role:p%40ss@db.internal:6432/name"),
        (
            "postgresql://root@db.internal/x?sslmode=require",
            "postgresql://role:p%40ss@db.internal:5432/name?sslmode=require",
        ),
        ("postgresql://root@/x?host=/run/db", "postgresql://role:p%40ss@:5432/name?host=%2Frun%2Fdb"),
    ],
)
def test_roles_reach_a_given_server_by_the_way_its_administrator_does(given: str, expected: str) -> None:
    server = Server.of(given)

    assert server.url("role", "p@ss", "name") == expected
    assert Server.of(expected) == server
    assert "secret" not in repr(server)
