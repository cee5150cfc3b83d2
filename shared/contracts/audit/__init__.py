"""Events of the audit service, by what they are about; `from shared.contracts.audit import ...` has them all."""

from shared.contracts.audit.corrections import RecordCorrected
from shared.contracts.audit.disclosures import DisclosureRecorded, RecipientEnded, RecipientEntered, RecipientRevised
from shared.contracts.audit.exports import ExportCompleted, ExportFailed, ExportPrepared, ExportRequested
from shared.contracts.audit.keys import CheckpointKeyRotated
from shared.contracts.audit.policies import PolicyPublished, PolicyWithdrawn
from shared.contracts.audit.questions import QuestionAsked

__all__ = [
    "CheckpointKeyRotated",
    "DisclosureRecorded",
    "ExportCompleted",
    "ExportFailed",
    "ExportPrepared",
    "ExportRequested",
    "PolicyPublished",
    "PolicyWithdrawn",
    "QuestionAsked",
    "RecipientEnded",
    "RecipientEntered",
    "RecipientRevised",
    "RecordCorrected",
]
