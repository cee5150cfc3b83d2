"""The registers of which each row follows from one leaf: entered with the leaf, and derived again when it is checked.

A register is declared here and nowhere else. What follows from several leaves together, such as disclosures, is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection

from services.audit.consents.register import ConsentEntry, entry_of
from services.audit.consents.reliances import Reliance, reliance_of
from services.audit.log.corrections import CorrectionEntry, correction_of
from services.audit.policies.register import AcknowledgementEntry, PolicyNotice, acknowledgement, policy_notice
from services.audit.tree.leaves import Leaf
from shared.eventstore.transaction import copy_rows


@dataclass(frozen=True)
class Register:
    """A table with the index of a leaf and, as further columns, the fields of the `entry` that `derive` gives of it.

    `derive` gives None for a leaf that says nothing. What is found to be wrong is called after `name`.
    """

    name: str
    table: str
    entry: type[Any]
    derive: Callable[[Leaf], Any]

    def enter(self, connection: Connection, leaves: Sequence[tuple[int, Leaf]]) -> None:
        """Enters what leaves at their positions say."""
        columns = ", ".join(("leaf_index", *(field.name for field in fields(self.entry))))
        entries = [(index, entry) for index, leaf in leaves if (entry := self.derive(leaf)) is not None]
        copy_rows(connection, f"{self.table} ({columns})", [(index, *vars(entry).values()) for index, entry in entries])


REGISTERS = (
    Register("consent", "consents", ConsentEntry, entry_of),
    Register("reliance", "reliances", Reliance, reliance_of),
    Register("correction", "corrections", CorrectionEntry, correction_of),
    Register("acknowledgement", "policy_acknowledgements", AcknowledgementEntry, acknowledgement),
    Register("policy-notice", "policy_notices", PolicyNotice, policy_notice),
)
