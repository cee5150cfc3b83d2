"""Who is believed about where a request comes from and where it was sent."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from gateway.application import Application
from gateway.perimeter import Perimeter
from shared.runtime.config import ConfigurationError, Settings
from tests.unit.gateway.playing import CURSORS, Browser, Services, bearer, code_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
SERVED = Perimeter(local=False, hosts=frozenset({"app.example"}), trusted_proxies=PROXIES)
PROXIED = {"REMOTE_ADDR": "10.0.0.1", "HTTP_HOST": "app.example"}


def client(peer: str, forwarded: str | None = None) -> str:
    environ = {"REMOTE_ADDR": peer} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    return SERVED.provenance(environ).client_address


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.66, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.66,198.51.100.9,10.0.0.2", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fd00::1", "2001:DB8::0009", "2001:db8::9"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"),
        ("", "198.51.100.9", ""),
    ],
)
def test_the_client_stands_behind_the_last_proxy_that_is_trusted(peer: str, forwarded: str, expected: str) -> None:
    assert client(peer, forwarded) == expected


def test_scheme_and_host_are_those_the_nearest_proxy_names() -> None:
    forwarded = {"HTTP_X_FORWARDED_PROTO": "http, https", "HTTP_X_FORWARDED_HOST": "evil.example, App.Example"}
    seen = SERVED.provenance(PROXIED | {"HTTP_HOST": "gateway.internal"} | forwarded)
    assert (seen.scheme, seen.host) == ("https", "app.example")
    unproxied = SERVED.provenance({"REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "app.example", **forwarded})
    assert (unproxied.scheme, unproxied.host) == ("https", "app.example")


@pytest.fixture
def ask(services: Services) -> Browser:
    return Browser(Application(services, SERVED, CURSORS))


@pytest.mark.parametrize("host", ["app.example", "APP.example", "app.example:443", "app.example:8443"])
def test_the_gateway_answers_to_its_name(ask: Browser, host: str) -> None:
    assert ask("GET", "/v1/me", headers=bearer(), environ_overrides=PROXIED | {"HTTP_HOST": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "app.example.evil.example",
        "evil.example/app.example",
        "app.example@evil.example",
        "app.example,evil.example",
        "app.example:80:80",
        "app.example\n",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "",
    ],
)
def test_it_answers_to_no_other(ask: Browser, services: Services, host: str) -> None:
    for path in ("/v1/me", "/docs", "/openapi.json", "/nothing"):
        answer = ask("GET", path, headers=bearer(), environ_overrides=PROXIED | {"HTTP_HOST": host})
        assert (answer.status_code, code_of(answer)) == (421, "misdirected")
        assert "evil" not in answer.text + str(answer.headers)
    assert services.calls == []


def test_a_forwarded_host_counts_only_from_a_proxy(ask: Browser) -> None:
    evil = {"HTTP_X_FORWARDED_HOST": "evil.example"}
    assert code_of(ask("GET", "/v1/me", environ_overrides=PROXIED | evil)) == "misdirected"
    direct = PROXIED | evil | {"REMOTE_ADDR": "192.0.2.1"}
    assert ask("GET", "/v1/me", headers=bearer(), environ_overrides=direct).status_code == 200


def test_plain_http_is_not_served_to_people(ask: Browser) -> None:
    plain = PROXIED | {"HTTP_X_FORWARDED_PROTO": "http"}
    assert code_of(ask("GET", "/v1/me", headers=bearer(), environ_overrides=plain)) == "misdirected"


def test_probes_ask_by_address(ask: Browser) -> None:
    for path in ("/healthz", "/readyz"):
        assert ask("GET", path, environ_overrides={"HTTP_HOST": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8100", "[::1]:8000"])
def test_on_a_developers_machine_it_answers_to_the_names_of_that_machine(services: Services, host: str) -> None:
    ask = Browser(Application(services, Perimeter(), CURSORS))
    assert ask("GET", "/v1/audit/log/key", environ_overrides={"HTTP_HOST": host}).status_code == 200
    rebound = ask("GET", "/v1/audit/log/key", environ_overrides={"HTTP_HOST": "rebound.example"})
    assert code_of(rebound) == "misdirected"


# --- what the environment says ----------------------------------------------------------------------------------------


def perimeter(**variables: str) -> Perimeter:
    return Perimeter.from_settings(Settings({f"OKACRM_{name}": value for name, value in variables.items()}))


def test_a_perimeter_is_what_the_environment_says() -> None:
    served = perimeter(
        PUBLIC_URL="https://app.example:8443",
        TRUSTED_PROXIES="10.0.0.0/8, fd00::/8",
        CORS_ORIGINS="https://www.example,https://b.example:8443",
        REQUESTS_PER_SESSION="5",
        REQUESTS_PER_NETWORK="6",
    )
    assert served == Perimeter(
        local=False,
        hosts=frozenset({"app.example"}),
        public_url="https://app.example:8443",
        trusted_proxies=PROXIES,
        cors_origins=frozenset({"https://www.example", "https://b.example:8443"}),
        requests_per_session=5,
        requests_per_network=6,
    )


def test_locally_nothing_has_to_be_said() -> None:
    assert perimeter(MODE="local") == Perimeter()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PUBLIC_URL": "http://app.example"},
        {"PUBLIC_URL": "app.example"},
        {"PUBLIC_URL": "https://app.example/path"},
        {"PUBLIC_URL": "https://user@app.example"},
        {"PUBLIC_URL": "https://app.example:x"},
        {"PUBLIC_URL": "https://app.example", "TRUSTED_PROXIES": "everywhere"},
        {"PUBLIC_URL": "https://app.example", "TRUSTED_PROXIES": "10.0.0.1/8"},
        {"PUBLIC_URL": "https://app.example", "CORS_ORIGINS": "*"},
        {"PUBLIC_URL": "https://app.example", "CORS_ORIGINS": "null"},
        {"PUBLIC_URL": "https://app.example", "CORS_ORIGINS": "https://app.example/"},
        {"PUBLIC_URL": "https://app.example", "CORS_ORIGINS": "https://*.example.org/"},
        {"PUBLIC_URL": "https://app.example", "REQUESTS_PER_SESSION": "0"},
        {"PUBLIC_URL": "https://app.example", "REQUESTS_PER_NETWORK": "many"},
    ],
)
def test_what_cannot_be_meant_keeps_the_gateway_from_starting(variables: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="OKACRM_"):
        perimeter(**variables)
