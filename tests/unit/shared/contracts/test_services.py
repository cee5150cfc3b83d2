"""The one list of services, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

import services
import shared.contracts
from services.identity.notices.mail.letters import PUBLISHERS as TOLD_OF
from services.identity.subscriptions import POLICIES
from shared.contracts.events import contracts
from shared.contracts.services import FOLLOWERS, PUBLISHERS, SERVICE_NAMES, SERVICES, publisher_of, service_called


def folders(package: Path) -> set[str]:
    return {each.parent.name for each in package.glob("*/__init__.py")}


def test_each_service_has_its_code_and_its_contracts():
    assert folders(Path(services.__path__[0])) == folders(Path(shared.contracts.__path__[0])) == set(SERVICE_NAMES)


def test_every_contract_is_of_a_service_that_is_declared():
    assert {each.publisher for each in contracts()} <= set(SERVICE_NAMES)


@pytest.mark.parametrize("module", ["shared.contracts.identity", "shared.contracts.identity.consents"])
def test_a_module_of_contracts_belongs_to_its_service(module):
    assert publisher_of(module) == "identity"


@pytest.mark.parametrize("module", ["tests.unit", "shared.contracts.times", "services.identity.accounts.aggregate"])
def test_what_declares_no_contracts_of_a_service_publishes_for_nobody(module):
    assert publisher_of(module) == "nobody"


def test_identity_follows_what_it_is_declared_to_follow():
    assert {*POLICIES.follows, *TOLD_OF} == set(service_called("identity").publishers)


def test_services_to_come_may_follow_a_feed_but_publish_none():
    assert {"portal", "billing", "proposals", "integrations"} == set(FOLLOWERS) - set(SERVICE_NAMES)
    assert set(PUBLISHERS) == set(SERVICE_NAMES)


def test_audit_follows_every_service():
    assert set(service_called("audit").publishers) == {each.name for each in SERVICES}
