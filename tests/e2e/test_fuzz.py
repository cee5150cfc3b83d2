"""The OpenAPI document taken at its word by schemathesis: whatever is sent, the platform answers as it says.

The requests are the same in every run. `OKACRM_FUZZ_EXAMPLES` makes more of them per operation.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.local.platform import Platform
from gateway.openapi import openapi_document
from gateway.routes import ROUTES
from gateway.sessions import Cookies
from tests.e2e.conftest import Browser
from tests.making import PASSWORD

EXAMPLES = int(os.environ.get("OKACRM_FUZZ_EXAMPLES", "20"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ROUTE_OF = {(route.method, route.template): route for route in ROUTES}

schema = schemathesis.openapi.from_dict(openapi_document(ROUTES, Cookies(local=True)))
schema.config.checks.negative_data_rejection.expected_statuses = [str(status) for status in range(400, 500)]


@pytest.fixture(scope="module")
def sessions(platform: Platform, officer: Browser, okacrm: Any) -> Mapping[str, str]:
    """A bearer token for each guard that somebody has, and one that may be used up by signing out."""
    influencer, member, compliance = (Browser(platform.base_url) for _ in range(3))
    influencer.register()
    member.email = f"member-{uuid.uuid4().hex[:8]}@okacrm.example"
    compliance.email = officer.email
    made = okacrm("staff", "create", member.email, "--role", "staff", "--password-stdin", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    people = {"influencer": influencer, "compliance": compliance, "staff": member}
    tokens = {guard: person.sign_in(guard, transport="bearer")["access_token"] for guard, person in people.items()}
    return tokens | {"leaving": influencer.sign_in(transport="bearer")["access_token"]}


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_knows(
    case: schemathesis.Case, platform: Platform, sessions: Mapping[str, str]
) -> None:
    route = ROUTE_OF[case.operation.method.upper(), case.operation.path]
    headers = {}
    if route.guards:
        suitable = next(guard for guard in sessions if guard in route.guards)
        token = sessions["leaving" if route.session.value == "closes" else suitable]
        headers["Authorization"] = f"Bearer {token}"
    case.call_and_validate(base_url=platform.base_url, headers=headers, checks=CHECKS, timeout=30)
