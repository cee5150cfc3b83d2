"""What people type is judged where it is loaded: addresses, names, codes and time zones."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from marshmallow import ValidationError

from gateway.schemas import Address, OneTimeCode, Text, TimeZone
from shared.contracts.time_zones import TIME_ZONES


@pytest.mark.parametrize(
    "address", ["anna@faß.example", "Anna@example.org", "anna@mu\u0308nchen.example", '"anna"@example.org']
)
def test_an_address_is_kept_as_it_was_typed(address: str) -> None:
    assert Address().deserialize(address) == address


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ännchen@example.org", "must be in ASCII"),
        ("\u212aate@example.org", "must be in ASCII"),
        ("anna@\u212aelvin.example", "that domain names do not have"),
        ("anna", "Not a valid email address"),
    ],
)
def test_an_address_that_we_cannot_write_to_is_refused_and_told_why(address: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Address().deserialize(address)


@pytest.mark.parametrize("name", ["\u200b", "Ada\u202e", "Ada\u2028", "Ada\x85"], ids=ascii)
def test_a_line_of_text_shows_all_that_it_holds(name: str) -> None:
    assert Text(200).deserialize("Ada 👩\u200d🚀") == "Ada 👩\u200d🚀"
    with pytest.raises(ValidationError):
        Text(200).deserialize(name)


@pytest.mark.parametrize(
    "written",
    ["492039", "492 039", " 492-039 ", "\uff14\uff19\uff12\uff10\uff13\uff19", "492\u00a0039", "492\u2013039"],
    ids=ascii,
)
def test_a_code_is_accepted_as_people_write_it(written: str) -> None:
    assert OneTimeCode().deserialize(written) == "492039"


@pytest.mark.parametrize("written", ["MFRG-GZDF-MZTW-Q2LK", "mfrg gzdf mztw q2lk", "mfrggzdfmztwq2lk"])
def test_a_recovery_code_is_accepted_as_people_write_it(written: str) -> None:
    assert OneTimeCode().deserialize(written) == "MFRGGZDFMZTWQ2LK"


@pytest.mark.parametrize("written", ["", " - ", "492_039", "ünf", "1" * 41, "٤٩٢٠٣٩"], ids=ascii)
def test_what_is_no_code_is_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        OneTimeCode().deserialize(written)


@pytest.mark.parametrize(
    "zone", ["localtime", "Factory", "posixrules", "posix/Europe/Berlin", "right/UTC", "Mars/Olympus"]
)
def test_nobody_lives_in_a_zone_of_a_machine(zone: str) -> None:
    with pytest.raises(ValidationError, match="Not an IANA time zone"):
        TimeZone().deserialize(zone)


def test_every_zone_of_people_can_be_told_the_time_of() -> None:
    assert {"Europe/Berlin", "Asia/Kolkata", "UTC", "Etc/UTC"} <= TIME_ZONES
    for zone in TIME_ZONES:
        ZoneInfo(zone)
