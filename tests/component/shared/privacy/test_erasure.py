"""Every event, with every personal value destroyed, passes through every aggregate and every projection."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

import services.audit.service
import services.audit.subscriptions
import services.identity.service  # noqa: F401 - with these, every aggregate there is
from services.audit.intake.sequencing import append_to_log
from services.identity.accounts.aggregate import Account
from services.identity.projections import projections
from shared.bus.subscriptions import Delivery
from shared.contracts.categories import Category
from shared.contracts.events import contracts, load_event, newest_contract
from shared.contracts.fields import ERASED
from shared.eventstore.aggregates import Aggregate
from shared.eventstore.recorded import record
from shared.eventstore.store import FeedEntry
from shared.privacy.keyring import Custodian
from shared.runtime.clock import new_id
from tests.making import CIRCUMSTANCES, NOON, example_of, registration

EVERY_EVENT = contracts()


def sealed(contract, event, keyring, version=1):
    return record(
        event,
        contract,
        event_id=new_id(),
        stream=f"{contract.name.partition('_')[0]}-{new_id()}",
        version=version,
        now=NOON,
        circumstances=CIRCUMSTANCES,
        keyring=keyring,
    )


@pytest.fixture
def destroy(databases):
    custodian = Custodian(databases.engine("keyring", "custodian"))

    def destroy_keys_of(contract, event):
        for name in contract.subject_fields:
            custodian.destroy(getattr(event, name), category=None, now=NOON)

    return destroy_keys_of


@pytest.mark.parametrize("contract", EVERY_EVENT, ids=lambda contract: f"{contract.type} {contract.version}")
def test_every_event_reads_as_erased(databases, destroy, contract):
    keyring, event = databases.keyring(cache_seconds=0), example_of(contract)
    recorded, newest = sealed(contract, event, keyring), newest_contract(contract.type)
    before = recorded.open(keyring)
    assert before == load_event(contract.type, contract.version, contract.dump(event))
    destroy(contract, event)
    opened = recorded.open(keyring)
    assert all(getattr(opened, name) is ERASED for name in newest.personal_fields)
    for name in set(newest.fields) - set(newest.personal_fields):
        assert getattr(opened, name) == getattr(before, name)


def every_kind_of(base):
    """The subclasses of a class, and theirs."""
    return {each for kind in base.__subclasses__() for each in (kind, *every_kind_of(kind))}


@pytest.mark.parametrize("contract", EVERY_EVENT, ids=lambda contract: f"{contract.type} {contract.version}")
def test_every_erased_event_passes_every_projection(databases, destroy, contract):
    keyring, event = databases.keyring(cache_seconds=0), example_of(contract)
    recorded = sealed(contract, event, keyring)
    destroy(contract, event)
    with databases.engine("identity").begin() as connection:
        projections.project(connection, recorded.open(keyring), recorded)
    with databases.engine("audit").begin() as connection:
        append_to_log(connection, [Delivery("identity", FeedEntry(1, 1, None, recorded))])
        assert connection.scalar(text("SELECT size FROM log_head")) == 1


@pytest.mark.parametrize("contract", EVERY_EVENT, ids=lambda contract: f"{contract.type} {contract.version}")
def test_every_erased_event_passes_its_aggregate(databases, destroy, contract):
    keyring, event = databases.keyring(cache_seconds=0), example_of(contract)
    recorded = sealed(contract, event, keyring)
    destroy(contract, event)
    newest = newest_contract(contract.type)
    owners = [kind for kind in every_kind_of(Aggregate) if newest.event_class in kind._evolutions]
    assert owners or contract.name.startswith("subject")
    for kind in owners:
        aggregate = kind(id=new_id())
        if contract.name == "consent_withdrawn":
            aggregate.consents[event.purpose] = NOON
        aggregate.apply(recorded.open(keyring))
        assert aggregate.version == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["name", "time_zone", "country"]), max_size=5), st.booleans())
def test_a_life_can_be_replayed_after_its_keys_are_gone(databases, changes, erased):
    """Replaying what a person did gives the same decisions and the same shape, with or without their values."""
    keyring, account = databases.keyring(cache_seconds=0), Account(new_id())
    values = {"name": "Grace", "time_zone": "Asia/Tokyo", "country": "JP"}
    history = []
    commands = [account.register("influencer", registration(), now=NOON)]
    commands += [account.change_profile({name: values[name]}, now=NOON) for name in changes]
    for each in commands:
        for event in each:
            account.apply(event)
            contract = next(contract for contract in EVERY_EVENT if contract.event_class is type(event))
            history.append(sealed(contract, event, keyring, account.version))
    if erased:
        Custodian(databases.engine("keyring", "custodian")).destroy(account.id, category=Category.IDENTITY, now=NOON)
    replayed = Account(account.id)
    for recorded in history:
        replayed.apply(recorded.open(keyring))
    assert (replayed.version, replayed.guards, replayed.registered_at) == (account.version, account.guards, NOON)
    assert replayed.name is ERASED if erased else replayed.name == account.name
    assert replayed.email is ERASED if erased else replayed.email == account.email
