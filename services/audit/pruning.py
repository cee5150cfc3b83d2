"""What audit prunes, and how long it is kept. Neither the log nor its events are among it."""

from __future__ import annotations

from datetime import timedelta

from shared.eventstore.pruning import COMMANDS, Prune

PRUNED = (
    COMMANDS,
    Prune("exports", since="ended_at", kept=timedelta(days=30)),
    # The parts go with it.
    Prune("export_progress", since="ended_at", kept=timedelta(days=30)),
)
