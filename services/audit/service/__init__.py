"""The audit service: the log and its proofs, consents and disclosures, over RPC; and its own feed."""

from __future__ import annotations

from services.audit.service.application import Audit, build
from services.audit.service.consents import Consents
from services.audit.service.corrections import Corrections
from services.audit.service.disclosures import Disclosures
from services.audit.service.entries import Entries
from services.audit.service.exports import Exports
from services.audit.service.following import Following
from services.audit.service.log import Log
from services.audit.service.policies import Policies
from services.audit.service.processing import Processing
from services.audit.service.recipients import Recipients
from services.audit.service.records import Records
from shared.bus.operations import Application
from shared.bus.publishing import FeedOperations


class AuditService(
    Records,
    Consents,
    Corrections,
    Recipients,
    Disclosures,
    Policies,
    Processing,
    Exports,
    Log,
    Entries,
    Following,
    FeedOperations,
):
    """Who did what to whose data, when and why; what had this person consented to, and who received it."""

    name = "audit"
    app: Audit = Application(build)
