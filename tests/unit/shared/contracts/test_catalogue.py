"""The catalogue says of every event what subscribers get, in a form that tools understand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest

from shared.bus.envelope import exchange_name, to_wire
from shared.contracts.catalogue import asyncapi_document, published_contracts
from shared.contracts.catalogue_page import catalogue_page
from shared.contracts.categories import Category
from shared.contracts.events import Contract
from shared.contracts.services import PUBLISHERS, SERVICE_NAMES
from shared.eventstore.recorded import Circumstances, record
from shared.eventstore.store import FeedEntry
from shared.privacy.keyring import Key, Keyring
from tests.making import NOON
from tests.making import example_of as event_of

PAGE = Path(__file__).parents[4] / "docs" / "event-catalogue.md"
OFFICIAL_SCHEMA = Path(__file__).parent / "asyncapi" / "3.0.0.json"
PUBLISHED = published_contracts()
DOCUMENT = asyncapi_document(PUBLISHED)
MESSAGES = DOCUMENT["components"]["messages"]

by_message = pytest.mark.parametrize("name", MESSAGES)


@cache
def validator_of(name: str) -> jsonschema.Draft7Validator:
    schema = MESSAGES[name]["payload"] | {"components": DOCUMENT["components"]}
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())


def key_of(contract: Contract) -> str:
    return f"{contract.publisher}.{contract.name}.{contract.version}"


class OneKey(Keyring):
    """A keyring that knows one key, whoever it is for."""

    def __init__(self) -> None:
        pass

    def key_for_sealing(self, subject: UUID, category: Category, scope: str) -> Key:
        return Key(UUID(int=1), b"k" * 32)


def message_of(contract: Contract) -> dict[str, Any]:
    """A message as the relay publishes it, of an event with every field filled."""
    recorded = record(
        event_of(contract),
        contract,
        event_id=uuid4(),
        stream=f"something-{uuid4()}",
        version=1,
        now=NOON,
        circumstances=Circumstances("operator", str(uuid4())),
        keyring=OneKey(),
    )
    message: dict[str, Any] = json.loads(to_wire(FeedEntry(1, 2, uuid4(), recorded)))
    return message


def fits(name: str, envelope: dict[str, Any]) -> None:
    validator_of(name).validate(envelope)


def test_it_is_valid_asyncapi_3() -> None:
    schema = json.loads(OFFICIAL_SCHEMA.read_text())
    jsonschema.Draft7Validator(schema).validate(json.loads(json.dumps(DOCUMENT)))


def test_every_reference_leads_somewhere() -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [found for each in part for found in references(each)]
        if isinstance(part, dict):
            return [part["$ref"]] if "$ref" in part else references(list(part.values()))
        return []

    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for name in reference.split("/")[1:]:
            found = found[name]


def test_every_publisher_has_its_channel() -> None:
    assert set(DOCUMENT["channels"]) == set(PUBLISHERS) == set(SERVICE_NAMES)
    exchanges = {
        name: channel["bindings"]["amqp"]["exchange"]["name"] for name, channel in DOCUMENT["channels"].items()
    }
    assert exchanges == {publisher: exchange_name(publisher) for publisher in PUBLISHERS}


def test_every_event_is_there_once_and_says_what_it_means() -> None:
    listed = [name for channel in DOCUMENT["channels"].values() for name in channel["messages"]]
    assert sorted(listed) == sorted(key_of(each) for each in PUBLISHED)
    assert all(message["summary"] for message in MESSAGES.values())


@by_message
def test_the_example_is_such_a_message(name: str) -> None:
    for example in MESSAGES[name]["examples"]:
        fits(name, example["payload"])


@pytest.mark.parametrize("contract", PUBLISHED, ids=lambda contract: contract.dataschema)
def test_what_is_recorded_is_such_a_message(contract: Contract) -> None:
    fits(key_of(contract), message_of(contract))


@pytest.mark.parametrize("contract", PUBLISHED, ids=lambda contract: contract.dataschema)
def test_a_personal_value_that_is_not_sealed_is_no_such_message(contract: Contract) -> None:
    name = key_of(contract)
    for field in contract.personal_fields:
        envelope = message_of(contract)
        envelope["data"][field] = "Ada Lovelace"
        with pytest.raises(jsonschema.ValidationError):
            fits(name, envelope)


def test_a_field_that_is_missing_makes_no_such_message() -> None:
    (contract,) = (each for each in PUBLISHED if each.name == "consent_withdrawn")
    envelope = message_of(contract)
    del envelope["data"]["purpose"]
    with pytest.raises(jsonschema.ValidationError, match="purpose"):
        fits("identity.consent_withdrawn.1", envelope)


def test_the_page_of_it_is_up_to_date() -> None:
    assert PAGE.read_text() == catalogue_page(PUBLISHED), "docs/event-catalogue.md is out of date: make contracts"
