"""What was erased leaves the log whichever event tells of it, and the checker asks the keyring as well."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from uuid import UUID

import pytest
from sqlalchemy import text

from services.audit.intake.sequencing import Entry, insert_values
from services.audit.tree.merkle import leaf_hash
from shared.contracts.catalogue import published_contracts
from shared.contracts.categories import Category
from shared.contracts.events import Contract
from shared.contracts.times import rfc3339
from shared.privacy.keyring import Custodian
from shared.privacy.sealing import Sealed
from shared.runtime import clock
from tests.component.services.audit.checking.test_fsck import found
from tests.component.services.audit.conftest import entry, person
from tests.making import NOON

ERASING = [each for each in published_contracts() if each.erases]


def sealed_entry(index, subject, keyring=None) -> Entry:
    """A leaf with one value of each category, under keys of the keyring if there is one."""
    data = {"policy_version": "2026-11-01", "registered_at": rfc3339(NOON)}
    made = entry(index, "account_registered", subjects=[subject], sealed=Category, data=data)
    values = {name: _of_category(value, Category(name), keyring) for name, value in made.sealed.items()}
    sealed = [replace(each, category=each.field, key=str(values[each.field].key_id)) for each in made.leaf.sealed]
    leaf = replace(made.leaf, sealed=sealed)
    return Entry(index, leaf, leaf.to_bytes(), leaf_hash(leaf.to_bytes()), values)


def _of_category(value: Sealed, category: Category, keyring) -> Sealed:
    key_id = keyring.key_for_sealing(value.subject, category, "").id if keyring else value.key_id
    return replace(value, category=category, key_id=key_id)


def kept(log):
    with log.engine.connect() as connection:
        return set(connection.scalars(text("SELECT category FROM sealed_values")))


@pytest.mark.parametrize(
    ("contract", "category"),
    [
        *((each, None) for each in ERASING if each.name != "account_data_erased"),
        *((each, "communications") for each in ERASING if "category" in each.fields),
    ],
    ids=lambda each: each.name if isinstance(each, Contract) else each,
)
def test_sealed_values_go_with_the_leaf_that_tells_of_their_erasure(log, contract, category):
    subject, other = person(1), person(2)
    data = {contract.erases: subject} | ({"category": category} if category else {})

    log.append([sealed_entry(0, subject), entry(1, contract.name, subjects=[other, subject], data=data)])
    log.sign()

    gone = {category} if category else {each.value for each in Category if not each.kept_by_law}
    assert kept(log) == {each.value for each in Category} - gone
    assert found(log) == set()


def test_the_checker_finds_a_value_of_a_destroyed_key_whatever_the_leaves_tell(log, databases):
    subject = person(1)
    log.append([sealed_entry(0, subject, databases.keyring())])
    log.sign()
    keyring = databases.engine("keyring", "custodian")
    assert found(log, keyring=keyring) == set()

    long_ago = clock.now() - timedelta(hours=1)
    Custodian(keyring).destroy(UUID(subject), category=Category.CONTENT, now=long_ago)

    assert found(log, keyring=keyring) == {("sealed-value-of-a-destroyed-key", "leaf 0, field content")}


def test_a_destruction_that_is_just_being_recorded_is_no_finding(log, databases):
    subject = person(1)
    log.append([sealed_entry(0, subject, databases.keyring())])
    log.sign()
    keyring = databases.engine("keyring", "custodian")

    Custodian(keyring).destroy(UUID(subject), category=None, now=clock.now())

    assert found(log, keyring=keyring) == set()


def test_the_checker_finds_a_value_of_a_key_that_never_was(log, databases):
    log.append([sealed_entry(0, person(1))])
    log.sign()

    findings = found(log, keyring=databases.engine("keyring", "custodian"))

    assert findings == {("sealed-value-of-an-unknown-key", f"leaf 0, field {each.value}") for each in Category}


@pytest.mark.parametrize(
    ("name", "field"), [("invitation_invitee_erased", "invitee_id"), ("inquiry_person_erased", "person_id")]
)
def test_what_an_older_version_left_is_forgotten_by_the_migration(log, name, field):
    subject = person(1)
    left = sealed_entry(0, subject)
    log.append([left, sealed_entry(1, person(2)), entry(2, name, subjects=[subject], data={field: subject})])
    migration = import_module("services.audit.migrations.0013_loops")
    with log.engine.begin() as connection:
        before = values(connection)
        insert_values(connection, [(0, name, value) for name, value in left.sealed.items() if name != "financial"])
        assert values(connection) > before

    with log.databases.engine("audit", "owner").begin() as connection:
        connection.execute(text(migration.forget("sealed_values")))
        assert values(connection) == before


def values(connection):
    return {tuple(row) for row in connection.execute(text("SELECT leaf_index, field FROM sealed_values"))}
