"""No personal value and no secret gets into a log line, whoever forgets to leave it out."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shared.contracts.identity  # noqa: F401 - registers what is personal
from shared.privacy.redaction import REDACTED, redact
from shared.runtime.logging import configure, describe_exception


def cleaned(**entry):
    return redact(None, "info", entry)


@pytest.mark.parametrize("name", ["password", "token", "access_token", "csrf_token", "cookie", "email", "time_zone"])
def test_names_of_personal_values_and_secrets_show_nothing(name):
    assert cleaned(**{name: "anything"}) == {name: REDACTED}


def test_nested_values_are_found():
    entry = cleaned(request={"body": {"email": "ada@example.com", "n": 1}}, seen=["to ada@example.com", 2])
    assert "ada@" not in json.dumps(entry)
    assert entry["request"]["body"]["n"] == 1


@given(st.emails())
def test_an_address_is_struck_out_wherever_it_stands(address):
    line = cleaned(event=f"mail to <{address}> failed", error=ValueError(address))
    assert address not in str(line["event"])
    assert address not in str(line["error"])


def test_an_exception_is_described_without_its_message():
    try:
        raise ValueError("Key (email)=(ada@example.com) already exists")
    except ValueError as error:
        entry = describe_exception(None, "error", {"exc_info": error})
    assert entry["exception"] == "ValueError"
    assert "already exists" not in json.dumps(entry)
    assert any("test_redaction" in place for place in entry["raised_at"])


def test_lines_of_libraries_are_redacted_too(capsys):
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure("test")
        logging.getLogger("some.library").warning("could not reach ada@example.com")
        line = json.loads(capsys.readouterr().err.splitlines()[-1])
    finally:
        root.handlers, root.level = handlers, level
    assert line["event"] == f"could not reach {REDACTED}"
    assert line["process"] == "test"
