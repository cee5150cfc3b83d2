"""Operations by which anybody checks the log, and compliance sees how complete it is."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from services.audit.application import Audit
from services.audit.log import queries
from services.audit.tree.merkle import TILE_WIDTH
from services.audit.tree.notes import format_keys
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.services import service_called
from shared.eventstore.transaction import reading


class Log:
    """The tree and its checkpoints, which say nothing of anybody."""

    app: Audit

    @operation
    def completeness(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return {"publishers": queries.completeness(connection, service_called("audit").publishers)}

    @operation
    def read_checkpoint(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            _, note = queries.latest_checkpoint(connection)
        return {"note": note}

    @operation
    def read_log_key(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            newest, *_ = queries.log_keys(connection, self.app.log_key)
        return {"key": f"{newest}\n"}

    @operation
    def list_log_keys(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            keys = queries.log_keys(connection, self.app.log_key)
        return {"keys": format_keys(keys)}

    @operation
    def read_tile(self, call: Call, level: int, index: int, width: int = TILE_WIDTH) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            hashes = queries.tile(connection, level, index, width)
        return {"hashes": b64encode(hashes).decode()}

    @operation
    def prove_consistency(self, call: Call, from_size: int, to_size: int) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            path = queries.consistency(connection, from_size, to_size)
        return {"from": from_size, "to": to_size, "hashes": [b64encode(each).decode() for each in path]}
