"""Identity's read models, as they are rebuilt, and its tables that follow from no event."""

from __future__ import annotations

from collections.abc import Mapping

from services.identity.access.pruning import PRUNED
from services.identity.policies.projections import begin_with_first_version
from services.identity.projections import projections
from services.identity.subscriptions import POLICIES
from shared.bus.rebuilding import ReadFeed, followed_read_model
from shared.eventstore.rebuilding import ReadModel, own_read_models

NOT_DERIVED: Mapping[str, str] = {
    "email_index": "blind indexes of addresses, made of what nobody stores",
    "username_index": "blind indexes of usernames",
    "passwords": "hashes of passwords",
    "authenticators": "secrets of second factors, and the last step that was used",
    "recovery_codes": "hashes of codes",
    "session_tokens": "hashes of what sessions are presented by, and when each was used",
    "api_token_hashes": "hashes of what API tokens are presented by",
    "service_token_hashes": "hashes of what service tokens are presented by, and when each was used",
    "ended_tokens": "hashes of what is worth nothing any more",
    "link_tokens": "hashes of links that wait to be followed",
    "unsubscription_links": "hashes of links to unsubscribe",
    "inquiry_links": "hashes of the links of threads",
    "invitees": "blind indexes of addresses, and hashes of links",
    "known_devices": "blind indexes of devices",
    "throttles": "failed attempts",
    "failed_addresses": "addresses that were tried",
    "mails": "mails to be sent, and what became of them",
    "distributions": "how far mails to many people have come",
    "foreign_events": "events of others that mails are about",
    "jobs": "scheduled work",
    "loops": "how loops of the courier stand",
}
"""Tables beside the events that no handler of a projection writes, by what they hold instead."""


def read_models(read_feed: ReadFeed) -> tuple[ReadModel, ...]:
    """Return every read model; `read_feed` is asked for the feeds of others."""
    policies = followed_read_model(POLICIES, "policy_versions", read_feed=read_feed, begin=begin_with_first_version)
    return (*own_read_models(projections, PRUNED), policies)
