"""What people are told while a part is away: a precise problem, and the one true outcome afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.platform import PROCESSES
from tests import making
from tests.chaos.faults import SERVERS, Disturbed, wait_until
from tests.chaos.load import Client, Reply, Request


@pytest.fixture
def client(disturbed: Disturbed) -> Iterator[Client]:
    client = Client(disturbed.platform.base_url)
    yield client
    client.close()


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_is_away_is_503_and_comes_back_without_a_restart(
    disturbed: Disturbed, client: Client, server: str
) -> None:
    if server not in disturbed.victims:
        pytest.skip("a server that was given to us is not ours to stop")
    disturbed.await_rest()
    processes = {name: pid for name, pid in disturbed.platform.pids().items() if name in PROCESSES}
    change, registration = disturbed.load.command(), _registration()
    with disturbed.halted(server):
        for request in (change, registration, change):
            _assert_nothing_done(client.send(request))
    assert disturbed.load.settle(client, change).is_definite
    assert disturbed.load.settle(client, registration).status == 201
    disturbed.assert_sound()
    assert {name: disturbed.platform.pids()[name] for name in PROCESSES} == processes


def test_an_rpc_without_an_answer_is_504_and_the_same_key_tells_the_outcome(
    disturbed: Disturbed, client: Client
) -> None:
    request = _registration()
    with disturbed.frozen("service identity"):
        unanswered = client.send(request)
    assert (unanswered.status, unanswered.problem) == (504, "outcome-unknown")
    first = disturbed.load.settle(client, request)
    again = disturbed.load.settle(client, request)
    assert first.status == again.status == 201
    assert first.document == again.document
    disturbed.assert_sound()


def test_a_change_without_an_answer_happens_at_most_once(disturbed: Disturbed, client: Client) -> None:
    """The session is still known to the gateway, so the command itself is what gets no answer."""
    person = disturbed.load.people[0]
    name = f"Ada {making.email()}"
    request = Request("PATCH", "/v1/me", "/v1/me", making.email(), {"name": name}, person)
    warming = Request("GET", "/v1/session", "/v1/session", making.email(), None, person)

    def is_unanswered() -> bool:
        if client.send(warming).status != 200:
            return False
        with disturbed.frozen("service identity"):
            return client.send(request).problem == "outcome-unknown"

    wait_until(is_unanswered, lambda: "never was a command sent that got no answer")
    reply = disturbed.load.settle(client, request)
    assert reply.status == 200
    assert reply.document["name"] == name
    disturbed.assert_sound()


def _assert_nothing_done(reply: Reply) -> None:
    assert (reply.status, reply.problem) == (503, "service-unavailable")
    assert int(reply.headers["Retry-After"]) > 0


def _registration() -> Request:
    return Request("POST", "/v1/accounts", "/v1/accounts", making.email(), making.registration_body())
