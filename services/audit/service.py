"""The audit service: the log and its proofs, consents and disclosures, over RPC; and its own feed."""

from __future__ import annotations

from services.audit.application import Audit
from services.audit.consents.methods import Consents
from services.audit.corrections.methods import Corrections
from services.audit.disclosures.methods.disclosures import Disclosures
from services.audit.disclosures.methods.recipients import Recipients
from services.audit.exports.methods import Exports
from services.audit.exports.projections import projections
from services.audit.log.methods.entries import Entries
from services.audit.log.methods.following import Following
from services.audit.log.methods.proofs import Log
from services.audit.log.methods.records import Records
from services.audit.policies.methods import Policies
from services.audit.processing import Processing
from services.audit.tree.notes import Verifier
from shared.bus.operations import Application
from shared.bus.publishing import FeedOperations
from shared.privacy.keyring import NoKeyring
from shared.runtime.config import Settings
from shared.service.wiring import event_store


def build(settings: Settings) -> Audit:
    return Audit(
        store=event_store("audit", settings, projections, NoKeyring()),
        log_key=Verifier.from_pem(settings.log_origin, settings.log_public_key),
    )


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
