"""An aggregate moves by its own events and refuses those of others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from services.identity.access.aggregate.sessions import Session
from shared.contracts.identity import ConsentGranted, SessionOpened
from shared.eventstore.aggregates import Aggregate, evolve
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


def test_a_stream_is_named_after_what_its_aggregate_declares():
    session = Session(uuid4())
    assert session.stream == f"session-{session.id}" == Session.stream_of(session.id)


@dataclass
class Consenting(Aggregate, stream="consenting"):
    id: UUID

    @evolve
    def _granted(self, event: ConsentGranted) -> None: ...


def test_an_evolution_that_would_be_ignored_fails_at_import():
    with pytest.raises(TypeError, match=r"Consenting\._granted"):

        class Heir(Consenting, stream="heir"): ...


def test_two_evolutions_of_one_event_fail_at_import():
    with pytest.raises(TypeError, match="says twice what ConsentGranted changes"):

        class Twice(Aggregate, stream="twice"):
            @evolve
            def _granted(self, event: ConsentGranted) -> None: ...

            @evolve
            def _granted_too(self, event: ConsentGranted) -> None: ...
