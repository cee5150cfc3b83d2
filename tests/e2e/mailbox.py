"""What came by mail, as the catcher of the platform shows it."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING

from deploy.local.platform import Platform
from tests.making import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Browser

CONFIRM = "Confirm your e-mail address"
INVITED = "You are invited to work together"


def mails_to(platform: Platform, address: str, subject: str) -> list[dict[str, str]]:
    """The mails of this subject to an address that have come."""
    with urllib.request.urlopen(f"{platform.description.mail_page}/mails", timeout=10) as answer:
        return [mail for mail in json.load(answer) if (mail["to"], mail["subject"]) == (address, subject)]


def token_sent_to(platform: Platform, address: str, subject: str) -> str:
    """The token of the link in the last mail of this subject to an address, once it is there."""

    def tokens() -> list[str]:
        texts = [mail["text"] for mail in mails_to(platform, address, subject)]
        return [found for text in texts for found in re.findall(r"token=([\w-]+)", text)]

    return str(eventually(tokens)[-1])


def verify_address(platform: Platform, person: Browser) -> None:
    """Follows the link that came when the person registered, in the session that their browser holds."""
    person.done("POST", "/email-verifications", {"token": token_sent_to(platform, person.email, CONFIRM)})


def verify_address_of_newcomer(platform: Platform, person: Browser) -> None:
    """The same for somebody who has not signed in, in a session that ends with it."""
    session = person.bearer("influencer")
    token = token_sent_to(platform, person.email, CONFIRM)
    person.done("POST", "/email-verifications", {"token": token}, headers=session)
    person.done("DELETE", "/session", headers=session)
