"""E-mail addresses: which of them we can write to, in which form they go over the wire, and when two are one mailbox.

Everything that takes, sends to, compares or indexes an address asks here. A domain has one form, that of IDNA 2008
(RFC 5891): `faß.example` is not `fass.example`, and a domain in its own letters is the same as its `xn--` form. Labels
in ASCII are taken as they stand. A local part has one form as well (RFC 5321, section 4.1.2): without quotation marks
where it needs none, and without backslashes that change nothing. Its case is kept for the wire, and does not count
when addresses are compared.

Mail servers that speak SMTPUTF8 (RFC 6531) cannot be counted on, so a local part beyond ASCII could never be verified.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address

import idna

LONGEST = 254
"""Octets of an address on the wire (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""
_LONGEST_LOCAL_PART = 64
_LONGEST_DOMAIN = 253

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\[!-~])+)"')
_ESCAPED = re.compile(r"\\(.)")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class NoMailbox(ValueError):
    """This is no address that we can write to; the text says why, and repeats nothing of it."""


@dataclass(frozen=True)
class Mailbox:
    """An address that we can write to, in ASCII."""

    local_part: str
    domain: str

    @property
    def on_the_wire(self) -> str:
        """What is handed to mail servers."""
        return f"{self.local_part}@{self.domain}"

    @property
    def key(self) -> str:
        """The same for two addresses exactly if they are one mailbox to us."""
        return self.on_the_wire.lower()

    @property
    def without_tag(self) -> Mailbox:
        """The mailbox that many servers deliver to where a tag follows a plus sign; a guess, and no identity."""
        return Mailbox(self.local_part.partition("+")[0] or self.local_part, self.domain)


def mailbox(address: str) -> Mailbox:
    """Return the mailbox of an address as people write it. Raise `NoMailbox` for what we cannot write to."""
    local_part, at, domain = address.rpartition("@")
    if not at:
        raise NoMailbox("Not a valid email address.")
    found = Mailbox(_local_part(local_part), _domain(domain))
    if len(found.on_the_wire) > LONGEST:
        raise NoMailbox("The address is too long.")
    return found


def same_mailbox(one: object, other: object) -> bool:
    """Whether two values are addresses of one mailbox. What was erased, or cannot be written to, is none."""
    try:
        return isinstance(one, str) and isinstance(other, str) and mailbox(one).key == mailbox(other).key
    except NoMailbox:
        return False


def can_be_written_to(address: str) -> bool:
    """Whether an address is one of a mailbox; some that were registered in earlier times are not."""
    return same_mailbox(address, address)


def _local_part(written: str) -> str:
    if not written.isascii():
        raise NoMailbox("The part before the @ must be in ASCII: we cannot send mail to others.")
    quoted = _QUOTED.fullmatch(written)
    meant = _ESCAPED.sub(r"\1", quoted[1]) if quoted else written
    plain = _DOT_ATOM.fullmatch(meant) is not None
    if not plain and not quoted:
        raise NoMailbox("Not a valid email address.")
    form = meant if plain else '"' + re.sub(r'(["\\])', r"\\\1", meant) + '"'
    if len(form) > _LONGEST_LOCAL_PART:
        raise NoMailbox("The part before the @ is too long.")
    return form


def _domain(written: str) -> str:
    if written.startswith("[") and written.endswith("]"):
        return _address_literal(written)
    labels = [_label(label) for label in _in_lower_case(written).split(".")]
    domain = ".".join(labels)
    if len(domain) > _LONGEST_DOMAIN or labels[-1].isdigit() or (len(labels) == 1 and domain != "localhost"):
        raise NoMailbox("The part behind the @ is not a domain name.")
    return domain


def _address_literal(written: str) -> str:
    try:
        return f"[{IPv4Address(written[1:-1])}]"
    except ValueError:
        raise NoMailbox("The part behind the @ is not a domain name.") from None


def _in_lower_case(written: str) -> str:
    """The letters of a domain as they are registered. What would become another character of ASCII is no letter."""
    if any(not each.isascii() and (each.lower() + unicodedata.normalize("NFC", each)).isascii() for each in written):
        raise NoMailbox("The part behind the @ has a character that domain names do not have.")
    return unicodedata.normalize("NFC", "".join(each.lower() for each in written))


def _label(letters: str) -> str:
    if letters.isascii():
        if not _LABEL.fullmatch(letters):
            raise NoMailbox("The part behind the @ is not a domain name.")
        return letters
    try:
        return idna.alabel(letters).decode()
    except idna.IDNAError:
        raise NoMailbox("The part behind the @ has a character that domain names do not have.") from None
