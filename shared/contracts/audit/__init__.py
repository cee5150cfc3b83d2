"""Events of the audit service: what the log was asked, and what the house decided for everybody."""

from __future__ import annotations

from shared.contracts.audit.policies import PolicyPublished, PolicyWithdrawn
from shared.contracts.audit.questions import QuestionAsked

__all__ = [
    "PolicyPublished",
    "PolicyWithdrawn",
    "QuestionAsked",
]
