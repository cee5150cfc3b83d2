"""Following a feed over HTTP: a page at once, or as soon as there is one (long polling, RFC 6202).

A reader who waits costs a connection and a green thread, and no call: how far a feed goes is asked for all its readers
together, a few times a second at most.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.endpoints import Endpoint
from gateway.request import Request
from gateway.response import Response
from gateway.routing import Representation
from gateway.sessions import Session
from shared.contracts.problems import Problem

LOOK_SECONDS = 0.25
MOST_WAITING = 200
MOST_WAITING_PER_TOKEN = 4


class WaitingRoom:
    """Who waits for events in this process: bounded in all and per token, until the process is about to end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_token: Counter[str] = Counter()
        self._closed = threading.Event()

    @contextmanager
    def place(self, token_id: str) -> Iterator[None]:
        """A place for one reader. Raises `Problem("too-many-readers")` if there is none left for this token."""
        with self._lock:
            if self._of_token.total() >= MOST_WAITING or self._of_token[token_id] >= MOST_WAITING_PER_TOKEN:
                raise Problem("too-many-readers")
            self._of_token[token_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._of_token[token_id] -= 1
                if not self._of_token[token_id]:
                    del self._of_token[token_id]

    def closes_within(self, seconds: float) -> bool:
        """Waits, and answers whether everybody has to leave."""
        return self._closed.wait(seconds)

    def close(self) -> None:
        self._closed.set()


class FeedHead:
    """How far one feed goes, as somebody heard it a moment ago."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._position = 0

    def position(self, ask: Callable[[], int]) -> int:
        """What `ask` answers, unless it was asked within `LOOK_SECONDS` or somebody is asking: nobody waits for it."""
        if time.monotonic() >= self._asked_at + LOOK_SECONDS and self._asking.acquire(blocking=False):
            try:
                self._asked_at = time.monotonic()
                self._position = ask()
            finally:
                self._asking.release()
        return self._position


class FollowFeed(Endpoint):
    """Answers with the next events of a feed, in the bytes that were published."""

    def __init__(self, *arguments: Any, waiting_room: WaitingRoom) -> None:
        super().__init__(*arguments)
        self._waiting_room = waiting_room
        self._head = FeedHead()

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        assert session is not None
        wait = arguments.pop("wait")
        page = self._call(request, session, arguments)
        if wait and not page["entries"]:
            with self._waiting_room.place(session.id):
                self._await_event_behind(page["position"], wait, request, session)
            # The token may have been revoked meanwhile.
            session = self._sessions.open(request, self.route)
            page = self._call(request, session, arguments)
        return Response(self.route.status, _page_text(page).encode())

    def _await_event_behind(self, position: int, seconds: int, request: Request, session: Session) -> None:
        def head() -> int:
            answer: int = self._call(request, session, {"after": None, "limit": 0})["head"]
            return answer

        deadline = time.monotonic() + seconds
        while self._head.position(head) <= position and (left := deadline - time.monotonic()) > 0:
            if self._waiting_room.closes_within(min(left, LOOK_SECONDS)):
                return


def _page_text(page: dict[str, Any]) -> str:
    """The page as JSON, into which events are put as they came: nobody may write what was published anew."""
    rest = json.dumps({"next_cursor": page["next_cursor"], "head": page["head"]}, separators=(",", ":"))
    return f'{{"items":[{",".join(page["entries"])}],{rest[1:]}'
