"""How often somebody may ask: a quota per session, or per network for whoever has none.

The headers are those of draft-ietf-httpapi-ratelimit-headers. Each gateway process counts for itself, so that n
processes allow up to n times as much: this protects the platform from being overrun. What must hold across processes
and restarts, the throttling of attempts to sign in, is the identity service's.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from gateway.perimeter import Perimeter
from shared.contracts.problems import Problem

WINDOW_SECONDS = 60
MOST_REMEMBERED = 50_000
"""Callers of each kind. Beyond it the one who has been silent for longest is forgotten, and begins anew."""
CHOICES_PER_NETWORK = 60
"""How many choices about cookies people without an account may make, of whom a network can pretend to be any number."""
IPV6_PREFIX = 64
"""What one household or machine is given of the IPv6 address space, and can send from at will."""

Header = tuple[str, str]


@dataclass(frozen=True)
class Standing:
    """Where a caller stands with a quota."""

    policy: str
    quota: int
    remaining: int
    reset_after: int
    """Seconds until the whole quota is there again."""

    def headers(self) -> list[Header]:
        return [
            ("RateLimit-Policy", f'"{self.policy}";q={self.quota};w={WINDOW_SECONDS}'),
            ("RateLimit", f'"{self.policy}";r={self.remaining};t={self.reset_after}'),
        ]


class Quota:
    """So many requests a minute for each caller, in memory that is bounded.

    The generic cell rate algorithm (ITU-T I.371): per caller one moment, at which everything asked so far would be paid
    off at the steady rate. It may lie up to a window ahead.
    """

    def __init__(self, policy: str, requests: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._requests = requests
        self._interval = WINDOW_SECONDS / requests
        self._clock = clock
        self._lock = threading.Lock()
        self._paid_off_at: dict[str, float] = {}
        """The caller who asked last comes last."""

    def charge(self, caller: str) -> Standing:
        """One request more. Raises `rate-limited` when the quota is used up; such a request is not counted."""
        now = self._clock()
        with self._lock:
            debt = max(self._paid_off_at.pop(caller, now) - now, 0.0)
            allowed = debt + self._interval <= WINDOW_SECONDS
            if allowed:
                debt += self._interval
            self._paid_off_at[caller] = now + debt
            if len(self._paid_off_at) > MOST_REMEMBERED:
                del self._paid_off_at[next(iter(self._paid_off_at))]
        standing = Standing(
            self._policy, self._requests, int((WINDOW_SECONDS - debt) / self._interval), math.ceil(debt)
        )
        if not allowed:
            raise RateLimited(standing, retry_after=math.ceil(debt + self._interval - WINDOW_SECONDS))
        return standing


class Limits:
    """Whom a request is charged to."""

    def __init__(self, perimeter: Perimeter) -> None:
        self._sessions = Quota("session", perimeter.requests_per_session)
        self._networks = Quota("network", perimeter.requests_per_network)
        self._choices = Quota("choices", CHOICES_PER_NETWORK)

    def charge_session(self, session_id: str) -> Standing:
        return self._sessions.charge(session_id)

    def charge_network(self, client_address: str) -> Standing:
        return self._networks.charge(network_of(client_address))

    def charge_choice(self, client_address: str) -> Standing:
        """A choice of somebody without an account, which is kept for as long as the audit log is."""
        return self._choices.charge(network_of(client_address))


class RateLimited(Problem):
    """The quota is used up; `retry_after` is the seconds until one more request is allowed."""

    def __init__(self, standing: Standing, retry_after: int) -> None:
        super().__init__("rate-limited", retry_after=max(retry_after, 1))
        self.standing = standing


def network_of(address: str) -> str:
    """The network that an address stands for: itself, or the /64 that an IPv6 address is in."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX)))
    return address
