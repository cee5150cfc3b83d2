"""An aggregate moves by its own events and refuses those of others."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.identity.sessions import Session
from shared.contracts.identity import SessionOpened
from tests.making import consent_granted


def test_an_event_moves_state_and_version():
    session = Session(uuid4())
    account_id = uuid4()
    session.apply(
        SessionOpened(session_id=session.id, account_id=account_id, guard="influencer", expires_at=datetime.now(UTC))
    )
    assert (session.version, session.account_id) == (1, account_id)


def test_an_event_of_another_aggregate_is_refused():
    with pytest.raises(KeyError):
        Session(uuid4()).apply(consent_granted())


def test_a_stream_is_named_after_its_aggregate_and_id():
    session = Session(uuid4())
    assert session.stream == f"session-{session.id}" == Session.stream_of(session.id)
