"""What audit prunes, and how long it is kept. Neither the log nor its events are among it."""

from __future__ import annotations

from datetime import timedelta

from shared.eventstore.pruning import COMMANDS, Prune

PRUNED = (
    COMMANDS,
    # Its parts go with it.
    Prune("exports", since="ended_at", kept=timedelta(days=30)),
)
