"""Operations on policies: publishing a version, and which one counted when, and for whom."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.audit.application import Audit
from services.audit.log import queries
from services.audit.log.asking import keep_question
from services.audit.policies import queries as policy_queries
from services.audit.policies.aggregate import Edition, Policy, Summary, policy_id
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import command_of

EVERYTHING = 2**62
"""More records than there can be: what is public is shown before a checkpoint covers it."""


class Policies:
    """What the house tells people that it does with their data."""

    app: Audit

    @operation
    def publish_policy(
        self,
        call: Call,
        policy: str,
        policy_version: str,
        material: bool,
        notice_days: int,
        effective_at: str,
        summaries: list[dict[str, str]],
        document_url: str,
        document_sha256: str,
    ) -> Outcome:
        _must_be_compliance(call)
        edition = Edition(
            version=policy_version,
            material=material,
            notice=timedelta(days=notice_days),
            effective_at=datetime.fromisoformat(effective_at),
            summaries=[Summary(each["language"], each["subject"], each["text"]) for each in summaries],
            document_url=document_url,
            document_sha256=document_sha256,
        )

        def publish(work: UnitOfWork) -> Outcome:
            document = work.load(Policy, policy_id(policy))
            work.record(document, document.publish(policy, edition, now=work.now))
            return _changed(document, policy, policy_version)

        return self.app.store.perform(command_of(call), publish)

    @operation
    def withdraw_policy(self, call: Call, policy: str, policy_version: str) -> Outcome:
        _must_be_compliance(call)

        def withdraw(work: UnitOfWork) -> Outcome:
            document = work.load(Policy, policy_id(policy))
            work.record(document, document.withdraw(policy, policy_version, now=work.now))
            return _changed(document, policy, policy_version)

        return self.app.store.perform(command_of(call), withdraw)

    @operation
    def list_policies(self, call: Call) -> dict[str, Any]:
        """Every version that is or was in force, or is to be."""
        with reading(self.app.engine) as connection:
            known = policy_queries.versions(connection, EVERYTHING)
        moment = now()
        shown = [policy_queries.version_view(each, known, moment) for each in known if not each.withdrawn]
        return {"items": shown}

    @operation
    def read_policy(self, call: Call, policy: str, policy_version: str) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            known = policy_queries.versions(connection, EVERYTHING)
        for version in known:
            if (version.policy, version.name) == (policy, policy_version):
                return policy_queries.version_view(version, known, now())
        raise Problem("not-found")

    @operation
    def review_policies(self, call: Call) -> dict[str, Any]:
        """Every version, also those that were withdrawn, and the records of what was decided about it."""
        with reading(self.app.engine) as connection:
            size = queries.published_size(connection)
            known = policy_queries.versions(connection, size)
        keep_question(self.app.store, call, "policies", subjects=[], size=size)
        moment = now()
        items = [
            {**policy_queries.version_view(each, known, moment), **policy_queries.records_of(each)} for each in known
        ]
        return {"items": items, "checkpoint": size}

    @operation
    def read_policies_in_force(self, call: Call, subject: str, at: str | None = None) -> dict[str, Any]:
        """Which versions counted at a moment, and what of them had reached a person by then."""
        moment = datetime.fromisoformat(at) if at else now()
        with reading(self.app.engine) as connection:
            size = queries.published_size(connection)
            found = policy_queries.in_force_for(connection, UUID(subject), moment, size)
        keep_question(self.app.store, call, "policies_in_force", subjects=[UUID(subject)], size=size)
        return {"subject": subject, "at": rfc3339(moment), "checkpoint": size, "policies": found}


def _must_be_compliance(call: Call) -> None:
    """The gateway asks before it calls; what is decided for everybody does not rely on that."""
    if call.actor.kind != "compliance":
        raise Problem("wrong-guard")


def _changed(document: Policy, policy: str, version: str) -> Outcome:
    return {
        "policy": policy,
        "policy_version": version,
        **position(document),
    }
