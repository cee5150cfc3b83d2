"""Feeds: what services publish, for programs of internal teams that have no access to the broker."""

from __future__ import annotations

from marshmallow import Schema, fields

from gateway.routing import TEAMS, Route
from gateway.schemas import EXAMPLE_ID, EXAMPLE_INSTANT, Answer, Count, Text, says
from shared.contracts.services import PUBLISHERS

LARGEST_PAGE = 500
LONGEST_WAIT_SECONDS = 25
"""Shorter than the half minute after which many proxies give a silent answer up."""
CURSOR = r"[1-9][0-9]{0,8}\.[1-9][0-9]{0,14}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EXAMPLE_CURSOR = f"1.17.{EXAMPLE_ID}"
EXAMPLE_EVENT = {
    "actor": f"influencer:{EXAMPLE_ID}",
    "correlationid": EXAMPLE_ID,
    "data": {"account_id": EXAMPLE_ID, "effective_at": EXAMPLE_INSTANT, "purpose": "product_news"},
    "datacontenttype": "application/json",
    "dataschema": "https://okacrm.net/schemas/identity/consent_withdrawn/1",
    "datasubjects": EXAMPLE_ID,
    "id": EXAMPLE_ID,
    "source": "/services/identity",
    "specversion": "1.0",
    "streamversion": 4,
    "subject": f"account-{EXAMPLE_ID}",
    "time": EXAMPLE_INSTANT,
    "type": "okacrm.identity.consent_withdrawn",
    "feedepoch": 1,
    "feedposition": 17,
}


class FeedQuestionSchema(Schema):
    """From where on, how much, and how long to wait for it."""

    after = Text(
        80,
        pattern=CURSOR,
        load_default=None,
        metadata=says(
            "The `next_cursor` of the page before. Without it the feed begins at its beginning.", EXAMPLE_CURSOR
        ),
    )
    limit = Count(1, LARGEST_PAGE, load_default=100, metadata=says("At most so many events.", 100))
    wait = Count(
        0,
        LONGEST_WAIT_SECONDS,
        load_default=0,
        metadata=says("If there is nothing yet, the answer waits so many seconds for the next event.", 0),
    )


class FeedPageSchema(Answer):
    """Consecutive events of a feed."""

    items = fields.List(
        fields.Dict(
            keys=fields.String(),
            metadata=says(
                "An event, as the very message that the broker carries: a CloudEvents envelope.", EXAMPLE_EVENT
            ),
        ),
        metadata={"description": "What comes next, in the order of the feed; nothing if there is nothing yet."},
    )
    next_cursor = fields.String(
        allow_none=True,
        metadata=says(
            "Keep it together with what you made of these events, and send it as `after`. It is `feedepoch`, "
            "`feedposition` and `id` of your last event; null while the feed is empty.",
            EXAMPLE_CURSOR,
        ),
    )
    head = fields.Integer(metadata=says("The position up to which the feed goes.", 17))


def _follow(publisher: str) -> Route:
    return Route(
        "GET",
        f"/v1/feeds/{publisher}",
        guards=TEAMS,
        calls=f"{publisher}.follow_feed",
        summary=f"Follow the feed of {publisher}",
        description=(
            "Every event once and in order, from the first one on or behind a cursor. Personal values stay sealed. "
            "`409 feed-cursor-unknown` says that this feed does not hold your last event, or not there: the service or "
            "you went back to an older copy. Stop then, and compare."
        ),
        tag="Feeds",
        query=FeedQuestionSchema,
        answers=FeedPageSchema,
        scope=f"feed:{publisher}",
        problems=("feed-cursor-unknown", "too-many-readers"),
        follows=True,
    )


routes = [_follow(publisher) for publisher in PUBLISHERS]
