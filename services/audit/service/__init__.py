"""The audit service: the log and its proofs, and the consent history, over RPC; and its own feed."""

from __future__ import annotations

from services.audit.service.application import Audit, build
from services.audit.service.consents import Consents
from services.audit.service.exports import Exports
from services.audit.service.following import Following
from services.audit.service.log import Log
from services.audit.service.records import Records
from shared.bus.operations import Application
from shared.bus.publishing import FeedOperations


class AuditService(Records, Consents, Exports, Log, Following, FeedOperations):
    """Who did what to whose data, when and why; and what had this person consented to at that moment."""

    name = "audit"
    app: Audit = Application(build)
