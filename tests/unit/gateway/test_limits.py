"""Whoever asks too often waits, and nobody else does."""

from __future__ import annotations

import json

import pytest

from gateway.application import Application
from gateway.limits import WINDOW_SECONDS, Quota, RateLimited, network_of
from gateway.perimeter import Perimeter
from tests.unit.gateway.playing import CURSORS, TOKENS, Browser, Services, bearer, code_of


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_quota_is_used_up_and_comes_back(clock: Clock) -> None:
    quota = Quota("session", 60, clock)
    assert [quota.charge("ada").remaining for _ in range(60)] == list(range(59, -1, -1))
    with pytest.raises(RateLimited):
        quota.charge("ada")
    clock.time += 1
    assert quota.charge("ada").remaining == 0
    clock.time += WINDOW_SECONDS
    assert quota.charge("ada").remaining == 59


def test_it_is_each_callers_own(clock: Clock) -> None:
    quota = Quota("session", 1, clock)
    quota.charge("ada")
    quota.charge("grace")
    with pytest.raises(RateLimited):
        quota.charge("ada")


def test_being_refused_does_not_prolong_the_wait(clock: Clock) -> None:
    quota = Quota("session", 1, clock)
    quota.charge("ada")
    for _ in range(3):
        clock.time += WINDOW_SECONDS / 4
        with pytest.raises(RateLimited):
            quota.charge("ada")
    clock.time += WINDOW_SECONDS / 4
    quota.charge("ada")


def test_what_is_remembered_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.limits.MOST_REMEMBERED", 2)
    quota = Quota("network", 1, clock)
    for caller in ("a", "b", "c"):
        quota.charge(caller)
    with pytest.raises(RateLimited):
        quota.charge("c")
    quota.charge("a")  # forgotten, as the one who was silent for longest


def test_the_headers_say_where_one_stands(clock: Clock) -> None:
    quota = Quota("session", 120, clock)
    assert quota.charge("ada").headers() == [
        ("RateLimit-Policy", '"session";q=120;w=60'),
        ("RateLimit", '"session";r=119;t=1'),
    ]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("", ""),
    ],
)
def test_an_ipv6_household_is_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_session_has_a_quota_whatever_network_it_is_used_from(services: Services) -> None:
    ask = Browser(Application(services, Perimeter(requests_per_session=2, requests_per_network=1), CURSORS))
    for address in ("192.0.2.1", "192.0.2.2"):
        answer = ask("GET", "/v1/me", headers=bearer(), environ_overrides={"REMOTE_ADDR": address})
        assert answer.headers["RateLimit-Policy"] == '"session";q=2;w=60'
    refused = ask("GET", "/v1/me", headers=bearer())
    assert code_of(refused) == "rate-limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= WINDOW_SECONDS
    assert refused.headers["RateLimit"].startswith('"session";r=0;t=')
    assert ask("GET", "/v1/me", headers=bearer("client")).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/audit/log/key", {}),
        ("/v1/me", {}),
        ("/v1/me", {"Authorization": "Bearer forged-forged-forged"}),
        ("/v1/audit/records", {"Authorization": f"Bearer {TOKENS['influencer']}"}),
        ("/nothing", {}),
        ("/docs", {}),
    ],
)
def test_whoever_has_no_session_that_may_shares_the_quota_of_the_network(
    services: Services, path: str, headers: dict[str, str]
) -> None:
    ask = Browser(Application(services, Perimeter(requests_per_network=1), CURSORS))
    first = ask("GET", path, headers=headers)
    assert first.headers["RateLimit"] == '"network";r=0;t=60'
    calls = len(services.calls)
    assert code_of(ask("GET", path, headers=headers)) == "rate-limited"
    assert {call.name for call in services.calls[calls:]} <= {"identity.resolve_session"}
    elsewhere = ask("GET", path, headers=headers, environ_overrides={"REMOTE_ADDR": "192.0.2.9"})
    assert elsewhere.status_code == first.status_code


def test_probes_are_answered_as_often_as_they_ask(services: Services) -> None:
    ask = Browser(Application(services, Perimeter(requests_per_network=1), CURSORS))
    for path in ("/healthz", "/readyz") * 2:
        answer = ask("GET", path)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


def test_a_refusal_is_a_problem_like_any_other(services: Services) -> None:
    ask = Browser(Application(services, Perimeter(requests_per_network=1), CURSORS))
    ask("GET", "/v1/audit/log/key")
    refused = ask("GET", "/v1/audit/log/key")
    document = json.loads(refused.data)
    assert document["type"] == "https://okacrm.net/problems/rate-limited"
    assert str(document["retry_after"]) == refused.headers["Retry-After"]
