"""Who acknowledged which version of a policy, and who was told of one, from the leaves that say so."""

from __future__ import annotations

from dataclasses import dataclass

from services.audit.tree.leaves import Leaf
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountRegistered, NoticeSent, PolicyAcknowledged
from shared.contracts.vocabulary import POLICY_LETTER, PRIVACY_POLICY, REGISTRATION

_REGISTERED = contract_of(AccountRegistered).type
_ACKNOWLEDGED = contract_of(PolicyAcknowledged).type
_NOTICE_SENT = contract_of(NoticeSent).type


@dataclass(frozen=True)
class AcknowledgementEntry:
    """That a person acknowledged a version of a policy, as a leaf says it."""

    subject: str
    policy: str
    policy_version: str
    how: str
    acknowledged_at: str
    recorded_at: str


@dataclass(frozen=True)
class PolicyNotice:
    """That a person was told of a version of a policy; `about` is the event that published it."""

    subject: str
    about: str
    told_at: str


def acknowledgement(leaf: Leaf) -> AcknowledgementEntry | None:
    """What a leaf says of a policy that its person acknowledged: whoever registers does that for the privacy policy.

    Raises `KeyError` if it lacks what it must have.
    """
    if leaf.type == _REGISTERED:
        policy, how, at = PRIVACY_POLICY, REGISTRATION, leaf.data["registered_at"]
    elif leaf.type == _ACKNOWLEDGED:
        policy, how, at = leaf.data["policy"], leaf.data["how"], leaf.data["acknowledged_at"]
    else:
        return None
    return AcknowledgementEntry(
        subject=leaf.subjects[0],
        policy=policy,
        policy_version=leaf.data["policy_version"],
        how=how,
        acknowledged_at=at,
        recorded_at=leaf.received_at,
    )


def policy_notice(leaf: Leaf) -> PolicyNotice | None:
    """What a leaf says of a person who was told of a version of a policy. Raises `KeyError` as `acknowledgement`."""
    if leaf.type != _NOTICE_SENT or leaf.data["letter"] != POLICY_LETTER:
        return None
    return PolicyNotice(subject=leaf.subjects[0], about=leaf.data["about"], told_at=leaf.data["sent_at"])
