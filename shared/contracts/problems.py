"""What can go wrong, as closed vocabulary: every refusal that leaves a process carries one of these codes and no value.

The gateway renders a code as RFC 9457 problem details; the code is the stable last segment of the problem's `type`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ProblemType:
    """Status and short text of a problem, and what whoever meets it can do about it."""

    status: int
    title: str
    advice: str


PROBLEMS: dict[str, ProblemType] = {
    # requests
    "malformed-json": ProblemType(400, "The body is not JSON", "Send one UTF-8 JSON object."),
    "malformed-request": ProblemType(400, "The request cannot be read", "Check the request line, headers and path."),
    "validation-failed": ProblemType(422, "Some values cannot be accepted", "Each entry of `errors` names a value."),
    "cursor-invalid": ProblemType(
        422,
        "This cursor does not belong to this list",
        "Send a `next_cursor` that you were given for the same question, or none to begin anew.",
    ),
    "unsupported-media-type": ProblemType(415, "The body has the wrong type", "Send `application/json`."),
    "not-acceptable": ProblemType(406, "No such representation", "Ask for one of the documented media types."),
    "body-too-large": ProblemType(413, "The body is too large", "Send less; the documentation states the bound."),
    "length-required": ProblemType(
        411, "The length of the body is missing", "Send a Content-Length header, and no Transfer-Encoding."
    ),
    "head-too-large": ProblemType(431, "The request line and headers are too large", "Send fewer or shorter headers."),
    "request-too-slow": ProblemType(408, "The request did not arrive in time", "Send it again, without pauses."),
    "misdirected": ProblemType(
        421, "This is not the place for that request", "Use the public address of the platform, over HTTPS."
    ),
    "rate-limited": ProblemType(429, "Too many requests", "Wait as long as `Retry-After` says, and ask less often."),
    "not-found": ProblemType(404, "There is nothing here", "Check the address and the id."),
    "method-not-allowed": ProblemType(405, "This cannot be done here", "See the `Allow` header."),
    "idempotency-key-malformed": ProblemType(
        400, "The Idempotency-Key cannot be used", "Send 16 to 255 printable ASCII characters, such as a UUID."
    ),
    "idempotency-key-reused": ProblemType(
        422, "This Idempotency-Key was used for another request", "Use a new key for a new request."
    ),
    "conflict": ProblemType(409, "Somebody else changed this at the same moment", "Send the same request again."),
    # sessions and guards
    "not-signed-in": ProblemType(401, "No valid session", "Sign in."),
    "sign-in-refused": ProblemType(401, "E-mail or password is wrong", "Check both and try again."),
    "too-many-attempts": ProblemType(
        429, "Too many attempts to sign in", "Wait as many seconds as `Retry-After` says."
    ),
    "guard-not-held": ProblemType(403, "This account does not hold that guard", "Sign in with a guard you hold."),
    "wrong-guard": ProblemType(403, "This session may not do that", "Sign in with the guard that may."),
    "guard-ambiguous": ProblemType(
        400, "Several sessions could be meant", "Name one guard in the `Okacrm-Guard` header."
    ),
    "second-factor-required": ProblemType(
        401, "A second factor is needed", "Send `one_time_code` as well: from the authenticator, or a recovery code."
    ),
    "second-factor-refused": ProblemType(
        403, "The one-time code does not count", "Wait for the next code of the authenticator; each counts once."
    ),
    "second-factor-missing": ProblemType(
        403,
        "This guard asks for a second factor",
        "Enrol an authenticator, or send a one-time code with `POST /v1/session/step-up` if there is one.",
    ),
    "step-up-required": ProblemType(
        403, "This needs a fresh proof of who you are", "Send `POST /v1/session/step-up` first."
    ),
    "scope-missing": ProblemType(
        403, "This API token may not do that", "Use a token with the scope that the documentation names, or a session."
    ),
    "token-expiry-refused": ProblemType(
        422, "An API token cannot last so long", "Choose an `expires_at` within a year from now."
    ),
    "too-many-exports": ProblemType(409, "There are too many exports under way", "Wait until one of them has ended."),
    "too-many-tokens": ProblemType(409, "There are too many API tokens", "Revoke one that is not needed any more."),
    "csrf-failed": ProblemType(
        403, "The CSRF token is missing or stale", "Send the session's current `csrf_token` as `X-CSRF-Token`."
    ),
    "actor-refused": ProblemType(
        403, "The caller is not who it says it is", "Only known principals may call services."
    ),
    # accounts and consents
    "email-taken": ProblemType(409, "There is an account with this e-mail address", "Sign in instead."),
    "password-too-weak": ProblemType(
        422, "The password is too easy to guess", "Use at least 12 characters: several words, and none about yourself."
    ),
    "password-refused": ProblemType(403, "The password is wrong", "Send the password of this account."),
    "username-taken": ProblemType(409, "Somebody else has this username", "Choose another one."),
    "link-invalid": ProblemType(
        410, "This link does not count any more", "Ask for a new message; each link works once and for a short time."
    ),
    "asked-too-soon": ProblemType(429, "A message was sent a moment ago", "Wait two minutes before asking again."),
    "image-unusable": ProblemType(
        422, "This is not a picture that can be used", "Send a JPEG, PNG or WebP of at most 20 megapixels."
    ),
    "guard-already-held": ProblemType(409, "This account holds that guard already", "Nothing needs to be done."),
    "guard-already-requested": ProblemType(
        409, "Somebody asked for this guard already", "Have it decided; see `GET /v1/staff/guard-requests`."
    ),
    "guard-request-closed": ProblemType(
        410, "This request was decided or is out of time", "Ask again, and have somebody else approve it."
    ),
    "own-request": ProblemType(403, "Nobody approves what they asked for themselves", "Ask another colleague."),
    "own-account": ProblemType(403, "Nobody decides this about their own account", "Ask a colleague."),
    "second-factor-enabled": ProblemType(409, "A second factor is enabled already", "Disable it first."),
    "second-factor-not-enabled": ProblemType(409, "No second factor is enabled", "Enrol an authenticator first."),
    "age-statement-required": ProblemType(
        422, "The age statement is required", "Only people who may consent for themselves can register."
    ),
    "policy-version-unknown": ProblemType(
        422, "There is no such version of the privacy policy", "Accept the version that is in force."
    ),
    "policy-version-taken": ProblemType(
        409, "There was a version with this name before", "Name the version after another day, or add a number."
    ),
    "policy-notice-too-short": ProblemType(
        422,
        "People would not be told long enough before",
        "Let it take effect `notice_days` after today; a material change takes thirty days or more.",
    ),
    "policy-out-of-order": ProblemType(
        409, "Another version takes effect later than this one", "Withdraw that one first, or choose a later day."
    ),
    "policy-in-effect": ProblemType(
        409, "This version has taken effect", "Publish another version that takes its place."
    ),
    "policy-not-current": ProblemType(
        409, "This version of the policy was replaced or withdrawn", "Acknowledge one that is in force or to come."
    ),
    "account-not-found": ProblemType(404, "There is no such account", "Check the id."),
    "consent-already-given": ProblemType(409, "This consent is already given", "Nothing needs to be done."),
    "wording-not-in-force": ProblemType(
        422, "These words are not shown any more", "Show the words in force, see `GET /v1/purposes`, and ask again."
    ),
    "consent-not-given": ProblemType(409, "This consent is not given", "Nothing needs to be done."),
    "notice-not-refusable": ProblemType(
        422,
        "This kind of notice cannot be refused",
        "See `refusable` in `GET /v1/me/notice-preferences`.",
    ),
    "words-missing": ProblemType(422, "The English words are missing", "Send an entry of `wordings` in `en`."),
    "subject-erased": ProblemType(410, "This person's data has been erased", "Nothing can be written about them."),
    # inquiries
    "form-expired": ProblemType(410, "The form was open for too long", "Ask for a new `form_token` and send it again."),
    "inquiry-closed": ProblemType(409, "This inquiry is closed", "Write a new inquiry; staff can reopen this one."),
    "too-many-messages": ProblemType(
        409, "There are too many messages in this inquiry", "Wait for an answer, or write a new inquiry."
    ),
    "too-many-inquiries": ProblemType(
        409, "There are too many inquiries that are not closed", "Write in one that you have opened."
    ),
    "too-many-notes": ProblemType(409, "There are too many notes about this inquiry", "Close the inquiry."),
    "assignee-refused": ProblemType(
        422,
        "This inquiry cannot be assigned to them",
        "Choose a colleague whose guard deals with this kind of inquiry.",
    ),
    # organisations
    "foreign-organisation": ProblemType(404, "This is not an organisation of the asker", "Answered as `not-found`."),
    "role-insufficient": ProblemType(
        403, "Your role in this organisation does not permit that", "Ask somebody with a higher role."
    ),
    "last-owner": ProblemType(
        409, "The organisation would be left without an owner", "Make another member an owner first, or close it."
    ),
    "member-inactive": ProblemType(409, "This member's account is deactivated", "Choose a member who can sign in."),
    "too-many-organisations": ProblemType(409, "You own too many organisations", "Close one that is not needed."),
    "too-many-invitations": ProblemType(
        429, "You made too many invitations", "Go on tomorrow; one person may make a hundred a day."
    ),
    "email-not-verified": ProblemType(
        403, "Your e-mail address is not verified", "Follow the link that was sent to it, or ask for another one."
    ),
    "invitation-for-another": ProblemType(
        403, "Somebody else was invited", "Sign in to the account whose address the invitation was sent to."
    ),
    "already-member": ProblemType(409, "You are a member already", "Nothing needs to be done."),
    "already-client": ProblemType(409, "The workspace deals with this client already", "Nothing needs to be done."),
    # audit
    "correction-refers-to-itself": ProblemType(
        422, "A record cannot take its own place", "Name the record that says it right, or none."
    ),
    "not-yet-published": ProblemType(
        409, "The record is sequenced and waits for its checkpoint", "Ask again in a second."
    ),
    "checkpoint-out-of-range": ProblemType(
        422, "No such pair of tree sizes", "Ask for 1 ≤ from ≤ to ≤ the size of the latest checkpoint."
    ),
    # recipients and disclosures
    "recipient-kind-refused": ProblemType(
        422, "No recipient of this kind can be entered", "Enter it as one of the kinds that the privacy policy names."
    ),
    "transfer-mechanism-refused": ProblemType(
        422,
        "A transfer to this country cannot rest on that",
        "`none_needed` is for the EEA and `adequacy` for countries with a decision; elsewhere name another mechanism.",
    ),
    "validity-refused": ProblemType(
        422,
        "It cannot be valid for this time",
        "End it after it begins, and let what carries a flow of the platform begin now or later.",
    ),
    "carrier-refused": ProblemType(
        422, "This recipient cannot carry that", "Only vendors of infrastructure carry flows of the platform."
    ),
    "recipient-ended": ProblemType(409, "This recipient has ended", "Enter it anew if it receives data again."),
    "recipient-not-in-force": ProblemType(
        409, "The recipient was not in force at that moment", "Revise its validity, or check `disclosed_at`."
    ),
    "disclosure-in-future": ProblemType(
        422, "This disclosure is still to come", "Record a disclosure once it has happened."
    ),
    "consent-not-cited": ProblemType(
        422,
        "The consent is not cited as it has to be",
        "With the basis `consent`, and only then, name the record of the consent of this one person that was in force.",
    ),
    "withholding-refused": ProblemType(
        422,
        "This disclosure cannot be withheld from its person",
        "Only one to an authority can, under a document, until a moment after it.",
    ),
    "subject-unknown": ProblemType(
        422, "The log knows nobody by one of these ids", "Find the id with `POST /v1/audit/subject-lookups`."
    ),
    # the platform
    "feed-cursor-unknown": ProblemType(
        409, "The feed does not know this cursor", "Stop, and compare both sides: one of them was restored."
    ),
    "too-many-readers": ProblemType(
        429, "Too many readers wait for events", "Ask without `wait`, or as late as `Retry-After` says."
    ),
    "key-unknown": ProblemType(
        503, "A key to this data is missing", "Nothing was done. The data is not erased: the keyring must be repaired."
    ),
    "service-unavailable": ProblemType(503, "A part of the platform is away", "Nothing was done; try again."),
    "outcome-unknown": ProblemType(
        504, "No answer in time", "Send the same request with the same Idempotency-Key to learn the outcome."
    ),
    "internal": ProblemType(500, "Something failed on our side", "Quote the request id when you report it."),
}


class Problem(Exception):
    """A refusal with a stable code and public members: ids, numbers, times and closed vocabulary, never a value."""

    def __init__(self, code: str, **members: Any) -> None:
        super().__init__(code)
        self.code = code
        self.members = members

    @property
    def type(self) -> ProblemType:
        return PROBLEMS[self.code]

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "members": self.members}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Problem:
        return cls(data["code"], **data["members"])
