"""What identity prunes, and how long it is kept. Events, and what they tell of accounts, are not among it."""

from __future__ import annotations

from datetime import timedelta

from services.identity.access.throttles import LONGEST_MEMORY
from shared.eventstore.pruning import COMMANDS, Prune

PRUNED = (
    COMMANDS,
    Prune("mails", since="settled_at", kept=timedelta(days=30)),
    Prune("security_signals", since="occurred_at", kept=timedelta(days=180)),
    Prune("session_tokens", since="expires_at", kept=timedelta(days=1)),
    # A day and the twelve hours of the longest session: its row goes after its token.
    Prune("sessions", since="opened_at", kept=timedelta(hours=36)),
    Prune("cookie_choices", since="expires_at", kept=timedelta(days=1)),
    Prune("link_tokens", since="expires_at", kept=timedelta(days=1)),
    Prune("guard_requests", since="expires_at", kept=timedelta(days=1)),
    # As long as whoever presents one that ended is to be noticed.
    Prune("ended_tokens", since="ended_at", kept=timedelta(days=30)),
    Prune("throttles", since="last_failed_at", kept=LONGEST_MEMORY),
    Prune("failed_addresses", since="failed_at", kept=LONGEST_MEMORY),
)
