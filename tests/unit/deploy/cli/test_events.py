"""What `okacrm events` and `okacrm service-tokens` understand, and what they refuse before they do anything."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.cli._patterns import Pattern
from shared.contracts.catalogue import asyncapi_document, published_contracts
from shared.contracts.compatibility import promises_of, written


def okacrm(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


@pytest.mark.parametrize(
    ("text", "publishers"),
    [
        ("*", ["audit", "identity"]),
        ("identity", ["identity"]),
        ("i*.x", ["identity"]),
        ("*.question_*", ["audit", "identity"]),
    ],
)
def test_a_pattern_names_publishers(text: str, publishers: list[str]) -> None:
    assert Pattern.of(text).publishers == publishers


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("*", True),
        ("identity", True),
        ("identity.*", True),
        ("identity.consent_*", True),
        ("*.consent_granted", True),
        ("identity.consent", False),
        ("identity.consent_withdrawn", False),
        ("audit.*", False),
    ],
)
def test_a_pattern_matches_by_publisher_and_name(text: str, matched: bool) -> None:
    assert Pattern.of(text).matches("identity", "consent_granted") is matched


def test_a_pattern_that_nobody_publishes_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="there are audit, identity"):
        Pattern.of("billing.*")


def test_the_catalogue_is_printed_as_a_document_too() -> None:
    assert json.loads(okacrm("events", "catalogue", "--json").stdout) == asyncapi_document(published_contracts())


def test_promises_are_written_down_unless_one_is_broken(tmp_path: Path) -> None:
    file, promises = tmp_path / "published.json", promises_of(published_contracts())
    assert okacrm("events", "publish-contracts", str(file)).exit_code == 0
    assert file.read_text() == written(promises)
    promises["https://okacrm.net/schemas/identity/account_verified/1"]["by"] = {"kind": "public", "required": False}
    file.write_text(written(promises))
    refused = okacrm("events", "publish-contracts", str(file))
    assert refused.exit_code == 1
    assert "account_verified/1: the field by was published and is gone" in refused.stderr
    assert file.read_text() == written(promises)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Ada Lovelace", "--feeds", "identity"], "lower-case letters"),
        (["team", "--feeds", "identity,billing"], "nobody publishes billing"),
        (["team"], "--feeds"),
        (["team", "--feeds", "identity", "--days", "366"], "--days"),
    ],
)
def test_a_service_token_for_a_person_or_for_nothing_is_refused(arguments: list[str], said: str) -> None:
    refused = okacrm("service-tokens", "create", *arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr
