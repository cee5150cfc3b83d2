"""What audit says itself can be given back from its log byte for byte, whatever it is."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.audit.intake import sequencing as projections
from services.audit.log.own_events import event_of
from shared.bus.subscriptions import Delivery
from shared.contracts.events import contracts
from shared.eventstore.recorded import record
from shared.eventstore.store import FeedEntry
from shared.privacy.keyring import NoKeyring
from tests.making import CIRCUMSTANCES, NOON, example_of

OWN = [contract for contract in contracts() if contract.publisher == "audit"]


@pytest.mark.parametrize("contract", OWN, ids=lambda contract: contract.type)
def test_an_event_of_audit_holds_nothing_personal_and_is_wholly_in_its_leaf(contract):
    assert not contract.personal_fields
    recorded = record(
        example_of(contract),
        contract,
        event_id=uuid4(),
        stream=f"own-{uuid4()}",
        version=1,
        now=NOON,
        circumstances=CIRCUMSTANCES,
        keyring=NoKeyring(),
        workspace=None,
    )
    delivery = Delivery("audit", FeedEntry(1, 1, None, recorded))
    leaf = projections.leaf_of(delivery, None, "2026-11-01T12:00:00.000000Z")
    assert event_of(leaf).body == recorded.body
