"""One mailbox has one form, and what cannot be written to is no mailbox."""

from __future__ import annotations

import pytest

from shared.contracts.mailboxes import LONGEST, NoMailbox, can_be_written_to, mailbox, same_mailbox


@pytest.mark.parametrize(
    ("address", "on_the_wire"),
    [
        ("anna@faß.example", "anna@xn--fa-hia.example"),
        ("anna@fass.example", "anna@fass.example"),
        ("Anna.Berg@Example.ORG", "Anna.Berg@example.org"),
        ("anna@MÜNCHEN.example", "anna@xn--mnchen-3ya.example"),
        ("anna@mu\u0308nchen.example", "anna@xn--mnchen-3ya.example"),
        ("anna@XN--MNCHEN-3YA.example", "anna@xn--mnchen-3ya.example"),
        ("anna@xn--i-7iq.example", "anna@xn--i-7iq.example"),
        ("anna@παράδειγμα.example", "anna@xn--hxajbheg2az3al.example"),
        ('"anna"@example.org', "anna@example.org"),
        (r'"an\na"@example.org', "anna@example.org"),
        ('"anna..berg"@example.org', '"anna..berg"@example.org'),
        (r'"\a\"b"@example.org', r'"a\"b"@example.org'),
        ("anna+news@example.org", "anna+news@example.org"),
        ("anna@localhost", "anna@localhost"),
        ("anna@[192.0.2.7]", "anna@[192.0.2.7]"),
    ],
)
def test_an_address_goes_over_the_wire_in_one_form(address: str, on_the_wire: str) -> None:
    assert mailbox(address).on_the_wire == on_the_wire
    assert mailbox(on_the_wire).on_the_wire == on_the_wire


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "@example.org",
        "anna@",
        "anna@example",
        "anna@exa mple.org",
        "anna@example.org.",
        "anna@-example.org",
        "anna@192.0.2.7",
        "anna@[192.0.2.07]",
        "anna@\u212aelvin.example",
        "\u212aate@example.org",
        "ännchen@example.org",
        "\uff41nna@example.org",
        "anna@\uff45xample.org",
        "anna@i\u2764.example",
        "anna@fa\u200ds.example",
        "anna..berg@example.org",
        "anna@example.org\r\nBcc: all@example.org",
        '"anna\r\nBcc"@example.org',
        '"anna berg"@example.org',
        '""@example.org',
        "Anna <anna@example.org>",
        "anna@example.org,all@example.org",
        f"{'a' * 65}@example.org",
        f"anna@{'a' * 64}.org",
        f"anna@{'.'.join(['a' * 60] * 5)}.org",
    ],
)
def test_what_cannot_be_written_to_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(NoMailbox) as refused:
        mailbox(address)
    assert not address or address not in str(refused.value)
    assert not can_be_written_to(address)
    assert not same_mailbox(address, address)


def test_an_address_is_bounded_as_it_goes_over_the_wire() -> None:
    domain = ".".join(["a" * 60] * 3) + ".org"
    fitting = "b" * 64
    assert len(f"{fitting}@{domain}") <= LONGEST
    assert mailbox(f"{fitting}@{domain}").on_the_wire == f"{fitting}@{domain}"
    with pytest.raises(NoMailbox, match="too long"):
        mailbox(f"{'b' * 64}@{'.'.join(['ü' * 30] * 5)}.example")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Anna@faß.example", "anna@xn--fa-hia.EXAMPLE", True),
        ('"anna"@example.org', "ANNA@example.org", True),
        ("anna@faß.example", "anna@fass.example", False),
        ("anna+news@example.org", "anna@example.org", False),
        ("anna@example.org", None, False),
    ],
)
def test_two_addresses_are_one_mailbox_or_not(one: str, other: object, same: bool) -> None:
    assert same_mailbox(one, other) is same
    assert same_mailbox(other, one) is same


@pytest.mark.parametrize("address", ["anna+a@example.org", "anna+b+c@example.org", "anna@example.org"])
def test_without_its_tag_an_address_is_counted_with_its_siblings(address: str) -> None:
    assert mailbox(address).without_tag == mailbox("anna@example.org")


def test_what_begins_with_a_plus_sign_has_no_tag() -> None:
    assert mailbox("+anna@example.org").without_tag == mailbox("+anna@example.org")
