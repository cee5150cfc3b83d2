"""Identity is killed while people register and sign in: nobody is half there, signed out again, or written to twice."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from deploy.local.platform import Platform
from tests.chaos.faults import Disturbed, wait_until
from tests.chaos.load import Client, Person, Request

ARRIVALS = 24
VERIFICATION = "Confirm"
"""How the subject of the mail begins that asks a person to confirm their address."""


def test_kill_9_of_identity_amid_registrations_and_sign_ins(platform: Platform, disturbed: Disturbed) -> None:
    load = disturbed.load
    residents, answered = list(load.people), len(load.answers)
    with ThreadPoolExecutor(1) as pool:
        arriving = pool.submit(load.admit, ARRIVALS)
        for process in ("service identity", "courier identity"):
            load.wait_for(answered + ARRIVALS // 2)
            disturbed.kill(process)
            answered += ARRIVALS // 2
        arriving.result()
    arrived = [person for person in load.people if person not in residents]

    assert len({person.account_id for person in arrived}) == ARRIVALS
    assert all(_is_signed_in(load.base_url, person) for person in arrived)
    disturbed.assert_sound()
    addresses = {_address(load.base_url, person) for person in arrived}
    wait_until(
        lambda: addresses <= set(_verifications(platform)),
        lambda: f"no mail came for {len(addresses - set(_verifications(platform)))} of {len(addresses)}",
    )
    assert {address: number for address, number in _verifications(platform).items() if number != 1} == {}


def _is_signed_in(base_url: str, person: Person) -> bool:
    reply = Client(base_url).send(Request("GET", "/v1/session", "/v1/session", "not-a-command-at-all", None, person))
    return reply.status == 200 and reply.document["account_id"] == person.account_id


def _address(base_url: str, person: Person) -> str:
    reply = Client(base_url).send(Request("GET", "/v1/me", "/v1/me", "not-a-command-at-all", None, person))
    return str(reply.document["email"])


def _verifications(platform: Platform) -> Counter[str]:
    """How many mails each address got that ask to confirm it."""
    with urllib.request.urlopen(f"{platform.description.mail_page}/mails", timeout=10) as answer:
        mails = json.load(answer)
    return Counter(mail["to"] for mail in mails if mail["subject"].startswith(VERIFICATION))
