"""The inquiry: somebody writes in, staff answer, and it stays a case when what was written is long erased.

Internal notes are not here. They are streams of their own (`services.identity.inquiries.internal_notes`), so that
nothing that is made from an inquiry can hold one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.identity.accounts.aggregate import LinkRequest, PersonalText
from shared.contracts.categories import Category
from shared.contracts.events import Event
from shared.contracts.identity import (
    InquiryAnswered,
    InquiryAssigned,
    InquiryChildReported,
    InquiryClosed,
    InquiryHandedOver,
    InquiryLinkRenewed,
    InquiryMessageReceived,
    InquiryOpened,
    InquiryPersonErased,
    InquiryReclassified,
    InquiryReopened,
)
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import CHILD_REPORT, COMPLIANCE_INQUIRY_KINDS, INQUIRY_KINDS
from shared.eventstore.aggregates import Aggregate, evolve

OPEN, PENDING, CLOSED = "open", "pending", "closed"
"""The states of `shared.contracts.vocabulary.INQUIRY_STATES`."""
PRIVACY = "privacy"
KINDS_OF_GUARD: Mapping[str, tuple[str, ...]] = {"staff": INQUIRY_KINDS, "compliance": COMPLIANCE_INQUIRY_KINDS}
"""Which kinds of inquiry a guard deals with. To all other guards, only their own inquiries are there."""

ERASING_CORRESPONDENCE = (None, Category.COMMUNICATIONS)
"""Erasures after which nothing that was written can be read: of the person as a whole, and of this category."""

LINK_LIFETIME = timedelta(days=14)
BETWEEN_LINKS = timedelta(minutes=2)
REOPENED_WITHIN = timedelta(days=30)
"""How long after its end a person can still take an inquiry up again."""
MOST_MESSAGES = 100
MOST_UNANSWERED = 10
"""Messages of a person since the last answer: whoever has more to say is waiting for us, or is a machine."""


@dataclass(frozen=True)
class Standing:
    """How far an inquiry has come, and so what can be done about it."""

    state: str
    messages: int
    unanswered: int
    closed_at: datetime | None
    erased: bool

    def against_reply(self, now: datetime) -> str | None:
        """The code of the problem that keeps the person from writing once more; None if nothing does."""
        if self.erased:
            return "subject-erased"
        if self.messages >= MOST_MESSAGES or self.unanswered >= MOST_UNANSWERED:
            return "too-many-messages"
        if self.closed_at is not None and now >= self.closed_at + REOPENED_WITHIN:
            return "inquiry-closed"
        return None

    def against_answer(self) -> str | None:
        """The code of the problem that keeps staff from answering; None if nothing does."""
        if self.erased:
            return "subject-erased"
        if self.state == CLOSED:
            return "inquiry-closed"
        if self.messages >= MOST_MESSAGES:
            return "too-many-messages"
        return None

    def actions_of_person(self, now: datetime) -> list[str]:
        """What the person can do now."""
        return [] if self.against_reply(now) else ["reply"]

    def actions_of_staff(self) -> list[str]:
        """What staff can do now."""
        answering = [] if self.against_answer() else ["answer"]
        noting = [] if self.erased else ["note"]
        dealing = ["reopen"] if self.state == CLOSED else ["assign", "reclassify", "close"]
        return [*answering, *noting, *dealing, "report_child"]


@dataclass(frozen=True)
class Correspondent:
    """Who writes in: somebody with an account, or a visitor under a new subject id, who says where to answer."""

    person_id: UUID
    has_account: bool
    email: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Matter:
    """What somebody writes in about."""

    kind: str
    text: str
    request_type: str | None = None
    troubleshooting: dict[str, Any] | None = None


@dataclass
class Inquiry(Aggregate, stream="inquiry"):
    """One matter between a person and the house."""

    id: UUID
    person_id: UUID | None = None
    has_account: bool = False
    kind: str = ""
    email: PersonalText = None
    state: str = OPEN
    messages: int = 0
    unanswered: int = 0
    closed_at: datetime | None = None
    assigned_to: UUID | None = None
    link: LinkRequest | None = None
    handed_over: bool = False
    child_reported: bool = False
    child: UUID | None = None
    erased: bool = False
    """Whether what was written can no longer be read."""
    person_erased: bool = False

    @property
    def standing(self) -> Standing:
        return Standing(self.state, self.messages, self.unanswered, self.closed_at, self.erased)

    def open(
        self, by: Correspondent, matter: Matter, *, message_id: UUID, request_id: UUID, now: datetime
    ) -> Iterator[Event]:
        """Takes in what somebody wrote; `request_id` is that of the link that a visitor is sent.

        A privacy inquiry is handed over at once, and the report of a child is marked.
        """
        _must_fit(matter.kind, matter.request_type)
        yield InquiryOpened(
            inquiry_id=self.id,
            person_id=by.person_id,
            has_account=by.has_account,
            kind=matter.kind,
            message_id=message_id,
            text=matter.text,
            email=by.email,
            name=by.name,
            troubleshooting=matter.troubleshooting,
            request_id=None if by.has_account else request_id,
            expires_at=None if by.has_account else now + LINK_LIFETIME,
            opened_at=now,
        )
        yield from self._hand_over(matter.request_type, now=now)

    def must_be_of(self, person_id: UUID) -> None:
        """Raises `Problem("not-found")` to whoever it does not belong to."""
        if self.person_id != person_id:
            raise Problem("not-found")

    def must_concern(self, guard: str) -> None:
        """Raises `Problem("not-found")` to a guard that does not deal with this kind, or if nobody ever wrote in."""
        if self.kind not in KINDS_OF_GUARD.get(guard, ()):
            raise Problem("not-found")

    def reply(self, text: str, *, message_id: UUID, now: datetime) -> Iterator[Event]:
        """Takes in one more message of the person, which also takes a closed inquiry up again.

        Raises `Problem("inquiry-closed")` long after its end, `too-many-messages` or `subject-erased`.
        """
        _unless(self.standing.against_reply(now))
        if self.state == CLOSED:
            yield InquiryReopened(inquiry_id=self.id, person_id=self._person, how="by_person", reopened_at=now)
        yield InquiryMessageReceived(
            inquiry_id=self.id, person_id=self._person, message_id=message_id, text=text, received_at=now
        )

    def answer(
        self, text: str, *, by: UUID, to: PersonalText, message_id: UUID, request_id: UUID, now: datetime
    ) -> Iterator[Event]:
        """Answers the person at an address, a visitor with another link.

        Raises `Problem("inquiry-closed")`, `too-many-messages`, or `subject-erased` if there is nobody to answer.
        """
        _unless(self.standing.against_answer())
        yield InquiryAnswered(
            inquiry_id=self.id,
            person_id=self._person,
            message_id=message_id,
            answered_by=by,
            text=text,
            email=_readable(to),
            request_id=None if self.has_account else request_id,
            expires_at=None if self.has_account else now + LINK_LIFETIME,
            answered_at=now,
        )

    def renew_link(self, request_id: UUID, *, now: datetime) -> Iterator[Event]:
        """Asks for another link to the thread of a visitor.

        Raises `Problem("asked-too-soon")` if one was sent a moment ago, or `subject-erased`.
        """
        if self.link is not None and now < self.link.expires_at - LINK_LIFETIME + BETWEEN_LINKS:
            raise Problem("asked-too-soon")
        yield InquiryLinkRenewed(
            inquiry_id=self.id,
            person_id=self._person,
            email=_readable(self.email),
            request_id=request_id,
            expires_at=now + LINK_LIFETIME,
        )

    def assign(self, colleague: UUID | None, *, now: datetime) -> Iterator[Event]:
        """Gives the inquiry to a colleague, or to nobody. Raises `Problem("inquiry-closed")`."""
        if self.state == CLOSED:
            raise Problem("inquiry-closed")
        if colleague != self.assigned_to:
            yield InquiryAssigned(inquiry_id=self.id, person_id=self._person, assigned_to=colleague, assigned_at=now)

    def reclassify(self, kind: str, request_type: str | None, *, now: datetime) -> Iterator[Event]:
        """Says what the inquiry is really about; what turns out to be about privacy is handed over, once.

        It goes back to nobody in particular, since whoever dealt with it may have nothing to do with its new kind.
        Raises `Problem("inquiry-closed")`.
        """
        _must_fit(kind, request_type)
        if self.state == CLOSED:
            raise Problem("inquiry-closed")
        if kind != self.kind:
            yield InquiryReclassified(inquiry_id=self.id, person_id=self._person, kind=kind, reclassified_at=now)
            yield from self.assign(None, now=now)
            yield from self._hand_over(request_type, now=now)

    def close(self, *, now: datetime) -> Iterator[Event]:
        """Ends the inquiry; ending it again is no event."""
        if self.state != CLOSED:
            yield InquiryClosed(inquiry_id=self.id, person_id=self._person, closed_at=now)

    def reopen(self, *, now: datetime) -> Iterator[Event]:
        """Takes a closed inquiry up again; one that is not closed stays as it is."""
        if self.state == CLOSED:
            yield InquiryReopened(inquiry_id=self.id, person_id=self._person, how="by_staff", reopened_at=now)

    def report_child(self, account_id: UUID | None, *, now: datetime) -> Iterator[Event]:
        """Marks that this is about data of a child, and whose account it is; saying it again is no event."""
        if not self.child_reported or account_id not in (None, self.child):
            yield InquiryChildReported(
                inquiry_id=self.id, person_id=self._person, account_id=account_id, reported_at=now
            )

    def erase_person(self, category: str | None, *, now: datetime) -> Iterator[Event]:
        """Says that keys of the person were destroyed: of one category, or as a whole, which is said once."""
        if not self.person_erased:
            yield InquiryPersonErased(inquiry_id=self.id, person_id=self._person, category=category, erased_at=now)

    def _hand_over(self, request_type: str | None, *, now: datetime) -> Iterator[Event]:
        if self.kind != PRIVACY or self.handed_over:
            return
        yield InquiryHandedOver(
            inquiry_id=self.id,
            person_id=self._person,
            has_account=self.has_account,
            request_type=request_type,
            handed_over_at=now,
        )
        if request_type == CHILD_REPORT:
            yield from self.report_child(None, now=now)

    @property
    def _person(self) -> UUID:
        assert self.person_id is not None
        return self.person_id

    @evolve
    def _opened(self, event: InquiryOpened) -> None:
        self.person_id = event.person_id
        self.has_account = event.has_account
        self.kind = event.kind
        self.email = event.email
        self._keep_link(event.request_id, event.expires_at)
        self._count_message()

    @evolve
    def _message_received(self, event: InquiryMessageReceived) -> None:
        self.state = OPEN
        self._count_message()

    @evolve
    def _answered(self, event: InquiryAnswered) -> None:
        self.state = PENDING
        self.messages += 1
        self.unanswered = 0
        self._keep_link(event.request_id, event.expires_at)

    @evolve
    def _link_renewed(self, event: InquiryLinkRenewed) -> None:
        self._keep_link(event.request_id, event.expires_at)

    @evolve
    def _assigned(self, event: InquiryAssigned) -> None:
        self.assigned_to = event.assigned_to

    @evolve
    def _closed(self, event: InquiryClosed) -> None:
        self.state = CLOSED
        self.closed_at = event.closed_at

    @evolve
    def _reopened(self, event: InquiryReopened) -> None:
        self.state = OPEN
        self.closed_at = None

    @evolve
    def _reclassified(self, event: InquiryReclassified) -> None:
        self.kind = event.kind

    @evolve
    def _handed_over(self, event: InquiryHandedOver) -> None:
        self.handed_over = True

    @evolve
    def _child_reported(self, event: InquiryChildReported) -> None:
        self.child_reported = True
        self.child = event.account_id or self.child

    @evolve
    def _person_erased(self, event: InquiryPersonErased) -> None:
        self.erased = self.erased or event.category in ERASING_CORRESPONDENCE
        self.person_erased = self.person_erased or event.category is None

    def _count_message(self) -> None:
        self.messages += 1
        self.unanswered += 1

    def _keep_link(self, request_id: UUID | None, expires_at: datetime | None) -> None:
        if request_id is not None and expires_at is not None:
            self.link = LinkRequest(request_id, expires_at)


def _must_fit(kind: str, request_type: str | None) -> None:
    """Raises `Problem("validation-failed")` for a request that only a privacy inquiry can make."""
    if request_type is not None and kind != PRIVACY:
        errors = [{"pointer": "/request_type", "message": "Only a privacy inquiry asks for this."}]
        raise Problem("validation-failed", errors=errors)


def _unless(refusal: str | None) -> None:
    if refusal is not None:
        raise Problem(refusal)


def _readable(address: PersonalText) -> str:
    """The address, unless it was erased, and the person with it."""
    if not isinstance(address, str):
        raise Problem("subject-erased")
    return address
