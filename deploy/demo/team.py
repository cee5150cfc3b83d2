"""The story of a team: a visitor's choice about cookies, an invitation, an inquiry, and what audit recorded of each."""

from __future__ import annotations

import time
import uuid
from typing import Any

from deploy.demo.api import Api, Mailbox
from deploy.demo.telling import chapter, say, show, wait

FILLING_SECONDS = 3.5
"""Nobody fills in a form faster than in three seconds; what does is taken for a machine."""


def tell_of_a_team(base_url: str, mailbox: Mailbox) -> None:
    """Plays and prints the story; mails are read in the local catcher."""
    marker = uuid.uuid4().hex[:8]
    addresses = {name: f"{name}.{marker}@example.com" for name in ("lena", "tomas", "iris", "nora", "officer")}
    lena, tomas, iris, nora, officer = (Api(base_url) for _ in addresses)

    chapter("Lena has not signed up yet, and chooses about cookies; her browser objects to being tracked")
    choice = {"preferences": True, "analytics": False, "wording_version": "2026-11-24"}
    chosen = lena.put("/v1/cookie-choices", choice, **{"Sec-GPC": "1"})
    visitor = str(uuid.UUID(lena.cookie("okacrm_visitor").partition(".")[0]))
    say("chosen", ", ".join(f"{each['category']} {each['state']}" for each in chosen["categories"]))
    say("known as", f"{visitor}, and by nothing else")

    chapter("She signs up, takes her choice along, and founds a workspace")
    account = lena.register(addresses["lena"], "Lena Ortiz")
    lena.sign_in(addresses["lena"], "influencer")
    lena.confirm_address(mailbox.token(addresses["lena"]))
    say("her choice", lena.get("/v1/cookie-choices")["holder"] + "'s now")
    workspace = lena.post("/v1/workspaces", {"name": "Studio Ortiz"})["organisation_id"]
    say("workspace", workspace)

    chapter("She invites Tomas by mail, who accepts in an ordinary session; a link counts once")
    lena.post(f"/v1/workspaces/{workspace}/invitations", {"email": addresses["tomas"], "role": "manager"})
    token = mailbox.token(addresses["tomas"])
    say("a look changes nothing", show(tomas.get(f"/v1/invitations/{token}"), "name", "role"))
    member = tomas.register(addresses["tomas"], "Tomas Berg")
    tomas.sign_in(addresses["tomas"], "influencer")
    say("before he accepts", f"the workspace is {tomas.refused('GET', f'/v1/workspaces/{workspace}')} to him")
    tomas.post(f"/v1/invitations/{token}/acceptance", {})
    say("his address", "verified by the link" if tomas.get("/v1/me")["email_verified"] else "not verified")
    for each in lena.get(f"/v1/workspaces/{workspace}/members")["items"]:
        say(each["role"], str(each["name"]))
    say("once more?", tomas.refused("GET", f"/v1/invitations/{token}"))

    chapter("Iris has no account and writes in about data of a child")
    form = iris.get("/v1/inquiry-form")
    time.sleep(FILLING_SECONDS)
    iris.post(
        "/v1/inquiries",
        {
            "kind": "privacy",
            "request_type": "child_report",
            "email": addresses["iris"],
            "text": "My daughter, who is nine, has an account. Please delete it.",
            "form_token": form["form_token"],
            "website": "",
        },
    )
    link = mailbox.token(addresses["iris"])
    say("her thread", iris.get("/v1/inquiry-thread", token=link)["state"])

    chapter("Staff find it first in their list, keep a note for themselves, and answer")
    nora.join_the_house(addresses["nora"], "staff")
    inquiry = nora.get("/v1/staff/inquiries", state="open")["items"][0]
    path = f"/v1/staff/inquiries/{inquiry['inquiry_id']}"
    say("reported a child?", "yes" if inquiry["child_reported"] else "no")
    nora.post(f"{path}/notes", {"text": "Call the mother back before anything is deleted."})
    nora.post(f"{path}/answers", {"text": "We have closed the account, and will tell you when it is erased."})
    say("the note says", nora.get(f"{path}/notes")["items"][0]["text"])
    answered = mailbox.token(addresses["iris"], apart_from=link)
    thread = iris.get("/v1/inquiry-thread", token=answered)
    for each in thread["correspondence"]:
        say(each["author"], each["text"])
    assert "Call the mother" not in str(thread)

    chapter("What audit recorded of all this, without a name, an address or a word")
    officer.join_the_house(addresses["officer"], "compliance")
    person = nora.get(path)["person_id"]
    for who, subject, latest in (
        ("the visitor", visitor, "cookie_consent_carried_over"),
        ("Lena", account["account_id"], "organisation_founded"),
        ("Tomas", member["account_id"], "organisation_member_joined"),
        ("Iris", person, "inquiry_answered"),
    ):
        for line in wait(lambda: recorded(officer, subject, latest), f"the records about {who}"):  # noqa: B023
            say(who, line)
    say("Lena's choices", states(officer, account["account_id"]))


def recorded(officer: Api, subject: str, latest: str) -> list[str] | None:
    """What the log tells of somebody, oldest first, once the record of this kind is among it."""
    records: list[dict[str, Any]] = officer.get(
        "/v1/audit/records", q=f"subject:{subject} publisher:identity", limit="100"
    )["items"]
    lines = [
        f"#{record['position']:<5}{record['type'].rsplit('.', 1)[-1]:<32} by {record['actor'].partition(':')[0]}"
        for record in reversed(records)
    ]
    return lines if any(latest in line for line in lines) else None


def states(officer: Api, subject: str) -> str:
    """How a person's consents stand by the log."""
    consents = officer.get("/v1/audit/consents", subject=subject)["consents"]
    return ", ".join(f"{each['purpose']} {each['state']}" for each in consents)
