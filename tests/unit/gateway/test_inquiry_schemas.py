"""What may stand in an inquiry: several lines, a request that fits its kind, and no detail beyond the known ones."""

from __future__ import annotations

import pytest
from marshmallow import ValidationError

from gateway.routes.identity.inquiries import InquirySchema, TroubleshootingSchema, VisitorInquirySchema
from shared.contracts.identity.inquiries import Troubleshooting
from shared.contracts.vocabulary import LONGEST_INQUIRY_TEXT

INQUIRY = {"kind": "support", "text": "It stays empty."}


def refused(**changes: object) -> set[str]:
    """The members for which an inquiry is refused."""
    with pytest.raises(ValidationError) as error:
        InquirySchema().load(INQUIRY | changes)
    return set(error.value.messages_dict)


@pytest.mark.parametrize(
    "text", ["One line", "Two\nlines", "Dear house,\r\n\r\n\tit stays empty 😟", "x" * LONGEST_INQUIRY_TEXT]
)
def test_words_may_have_lines(text: str) -> None:
    assert InquirySchema().load(INQUIRY | {"text": text})["text"] == text


@pytest.mark.parametrize(
    "text", ["", " \n\t", "a\x00b", "a\x1b[31mb", "a\x0bb", "a\x7fb", "x" * (LONGEST_INQUIRY_TEXT + 1), 7]
)
def test_words_have_no_other_control_characters_and_an_end(text: object) -> None:
    assert refused(text=text) == {"text"}


@pytest.mark.parametrize("kind", ["support", "sales", "legal"])
def test_only_a_privacy_inquiry_asks_for_what_the_policy_promises(kind: str) -> None:
    assert refused(kind=kind, request_type="access") == {"request_type"}
    assert InquirySchema().load(INQUIRY | {"kind": "privacy", "request_type": "access"})["request_type"] == "access"


def test_details_are_those_of_the_contract_and_no_others() -> None:
    assert set(TroubleshootingSchema().fields) == set(Troubleshooting().fields)
    assert refused(troubleshooting={"password": "secret"}) == {"troubleshooting"}


def test_a_form_whose_hidden_field_was_left_out_is_one_in_which_it_is_empty() -> None:
    form = INQUIRY | {"email": "grace@example.org", "form_token": "1.x"}
    assert VisitorInquirySchema().load(form)["website"] == ""
