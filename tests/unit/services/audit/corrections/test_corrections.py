"""An officer states what is wrong with a record, for the people whom it is about; nothing else comes of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

import shared.contracts.identity  # noqa: F401 - registers the contracts
from services.audit.corrections.aggregate import Correction
from shared.contracts.audit import RecordCorrected
from shared.contracts.events import contracts
from shared.contracts.problems import Problem
from tests.making import NOON


def statement(correction, record_id, **changes):
    told = {"replaced_by": None, "subjects": [], "now": NOON}
    return list(correction.state(record_id, "entered_twice", **told | changes))


@pytest.mark.parametrize("people", [[], [uuid4()], [uuid4(), uuid4()]])
def test_a_record_is_stated_to_be_wrong_for_everybody_it_is_about(people):
    correction, record_id, better = Correction(uuid4()), uuid4(), uuid4()
    first, second = (*people, None, None)[:2]
    assert statement(correction, record_id, replaced_by=better, subjects=people) == [
        RecordCorrected(
            correction_id=correction.id,
            record_id=record_id,
            reason="entered_twice",
            replaced_by=better,
            subject_id=first,
            other_subject_id=second,
            corrected_at=NOON,
        )
    ]


def test_no_record_takes_its_own_place():
    record_id = uuid4()
    with pytest.raises(Problem, match="correction-refers-to-itself"):
        statement(Correction(uuid4()), record_id, replaced_by=record_id)


def test_no_record_is_about_more_people_than_its_correction_names():
    assert max(len(contract.subject_fields) for contract in contracts()) == 2
