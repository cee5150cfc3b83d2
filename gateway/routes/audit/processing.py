"""The record of processing activities and the data map."""

from __future__ import annotations

from typing import Any

from marshmallow import fields
from marshmallow.validate import OneOf

from gateway.routing import COMPLIANCE, Route
from gateway.schemas import Answer, says
from shared.contracts.vocabulary import LEGAL_BASES


def names(of: str, example: str) -> fields.List[Any]:
    return fields.List(fields.String(metadata=says(f"Name of {of}.", example)))


def word(description: str, example: Any) -> fields.String:
    return fields.String(metadata=says(description, example))


def activity_names() -> fields.List[Any]:
    return names("an activity", "accounts")


class ControllerSchema(Answer):
    """Who decides what personal data is used for."""

    name = word("The controller.", "Okacrm")
    contact = word("Where to reach it about privacy.", "info@okacrm.net")


class LegalBasisSchema(Answer):
    """A legal basis, and what rests on it."""

    basis = fields.String(validate=OneOf(LEGAL_BASES), metadata=says("The basis (Art. 6(1) GDPR).", "contract"))
    because = word("Why.", "An account is what a person asks for when they register.")


class KeptTableSchema(Answer):
    """Personal data in a table beside the events."""

    service = word("The service that holds it.", "identity")
    table = word("The table.", "accounts")
    what = word("What it holds.", "the profile")
    category = word("Category of data.", "identity")
    form = word("As what it stands there.", "sealed")
    retention = word("How long.", "until the person is erased")


class ActivitySchema(Answer):
    """One processing activity."""

    name = word("Its name.", "accounts")
    title = word("What it is called.", "Accounts")
    description = word("What it is.", "Who people are, and how they show that it is them.")
    purposes = names("a purpose", "access")
    legal_bases = fields.List(fields.Nested(LegalBasisSchema))
    subjects = names("a kind of people", "account_holders")
    categories = names("a category of data", "identity")
    recipients = names("a kind of recipients", "infrastructure_vendor")
    transfers = word("To which other countries, and how.", "None by the product itself.")
    services = names("a service", "identity")
    tables = fields.List(fields.Nested(KeptTableSchema))


class CategorySchema(Answer):
    """A category of data of the privacy policy."""

    category = word("The category.", "identity")
    retention = word("How long it can be read in events.", "one key for each person, until it is destroyed")
    activities = activity_names()


class PolicyPurposeSchema(Answer):
    """A purpose of the privacy policy. Without activities, nothing is processed for it yet."""

    purpose = word("The purpose.", "access")
    description = word("What for.", "Recognising people, keeping their sessions, and keeping guards apart")
    activities = activity_names()


class PersonalFieldSchema(Answer):
    """A personal field of an event, sealed wherever it is."""

    type = word("The type of the event.", "okacrm.identity.account_registered")
    schema_version = fields.Integer(metadata=says("Version of the event's schema.", 1))
    field = word("The field.", "email")
    category = word("Category of data.", "identity")
    of = word("The field that says whose it is.", "account_id")
    services = names("a service that holds it", "identity")
    activities = activity_names()


class ProcessingRegisterSchema(Answer):
    """The record of processing activities (Art. 30 GDPR), and the data map under it."""

    controller = fields.Nested(ControllerSchema)
    security_measures = fields.List(word("A measure (Art. 32 GDPR).", "Personal values are sealed"))
    activities = fields.List(fields.Nested(ActivitySchema))
    categories = fields.List(fields.Nested(CategorySchema))
    purposes = fields.List(fields.Nested(PolicyPurposeSchema))
    fields_ = fields.List(fields.Nested(PersonalFieldSchema), data_key="fields")


routes = [
    Route(
        "GET",
        "/v1/audit/processing-register",
        guards=COMPLIANCE,
        calls="audit.read_processing_register",
        summary="Read the record of processing activities and the data map",
        description="Made from the schemas of the events and from one register, as the services that answer have them.",
        tag="Audit",
        scope="audit:read",
        answers=ProcessingRegisterSchema,
    ),
]
