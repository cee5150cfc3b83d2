"""Every setting that is declared: good values are read, bad ones are one line that says what is wrong."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from deploy.local.platform import PROCESSES
from shared.runtime.config import (
    COURIERS,
    EVERY_PROCESS,
    GATEWAY,
    OPERATOR,
    SERVICES,
    UP,
    ConfigurationError,
    Setting,
    Settings,
    settings_page,
)

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "settings.md"
NAME = re.compile(r"OKACRM_[A-Z]+(?:_[A-Z]+)*")
READERS = {UP, OPERATOR, GATEWAY, SERVICES, COURIERS, *PROCESSES}
SECRET_WORD = "hunter2"
DATABASES = {
    "good": ["postgresql://u:p@h/d", "postgres://h:5432/", "postgresql:///d?host=/run/postgresql"],
    "bad": ["h", "http://h/d", "postgresql://", f"postgresql://u:{SECRET_WORD}@h:99999/d", "postgresql://h:x/d"],
}
FILES = {"bad": ["/nowhere/at/all", "/"]}
FOLDERS = {"good": ["/", "/nowhere/yet"], "bad": ["/dev/null", "/dev/null/below"]}
COUNTS = {"good": ["1", "1200"], "bad": ["0", "-1", "many", "1.5", "1e3", "٣", "9" * 30]}
INLINE = {"good": ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="], "bad": ["QQ==", f"{SECRET_WORD}!"]}

VALUES: dict[str, dict[str, list[str]]] = {
    "OKACRM_STATE_DIR": FOLDERS,
    "OKACRM_HTTP_PORT": {"good": ["1", "8000", "65535"], "bad": ["abc", "0", "-1", "70000", "8000.0", "٣", " 80"]},
    "OKACRM_METRICS_ADDRESS": {
        "good": ["127.0.0.1:9464", "[::1]:9000"],
        "bad": ["9464", ":9464", "localhost", "localhost:", "localhost:0", "localhost:65536"],
    },
    "OKACRM_POSTGRES_URL": DATABASES,
    "OKACRM_DATABASE_PREFIX": {"good": ["okacrm", "two_2"], "bad": ["Okacrm", "2nd", "a-b", "a" * 40, 'x"; --']},
    "OKACRM_MODE": {"good": ["local", "production"], "bad": ["lokal", "LOCAL", "prod"]},
    "OKACRM_AMQP_URL": {
        "good": ["amqp://u:p@h:5672/v", "amqps://h/"],
        "bad": ["h", "http://h", "amqp://", f"amqp://u:{SECRET_WORD}@h:0x1/v", f"amqp://u:{SECRET_WORD}@:1/v"],
    },
    "OKACRM_DATABASE_URL": DATABASES,
    "OKACRM_KEYRING_URL": DATABASES,
    "OKACRM_KEYRING_CUSTODIAN_URL": DATABASES,
    "OKACRM_ERASURES_URL": DATABASES,
    "OKACRM_MASTER_KEY_FILE": FILES,
    "OKACRM_MASTER_KEY": INLINE,
    "OKACRM_SERVICE_SECRET_FILE": FILES,
    "OKACRM_SERVICE_SECRET": INLINE,
    "OKACRM_CURSOR_KEY_FILE": FILES,
    "OKACRM_CURSOR_KEY": INLINE,
    "OKACRM_SIGNING_KEY_FILE": FILES,
    "OKACRM_TRUSTED_KEYS_DIR": FOLDERS,
    "OKACRM_LOG_KEY_FILE": FILES,
    "OKACRM_LOG_PUBLIC_KEY_FILE": FILES,
    "OKACRM_LOG_ORIGIN": {"good": ["okacrm.net/audit/1"], "bad": [" okacrm.net", "two\nlines"]},
    "OKACRM_LOG_DIR": FOLDERS,
    "OKACRM_SMTP_URL": {
        "good": ["smtp://h", "smtp+starttls://u:p@h", "smtps://u:p@h:465"],
        "bad": [
            f"smtp://u:{SECRET_WORD}@h",
            "h",
            f"http://u:{SECRET_WORD}@h",
            "smtp://",
            f"smtps://u:{SECRET_WORD}@:465",
        ],
    },
    "OKACRM_MAIL_FROM": {
        "good": ["a@b.example", "Okacrm <no-reply@okacrm.example>"],
        "bad": ["Okacrm", "Okacrm <>", "no-reply@", "@okacrm.example", "a@b.example\nBcc: c@d.example"],
    },
    "OKACRM_PUBLIC_URL": {
        "good": ["https://h", "http://127.0.0.1:8000"],
        "bad": ["h", "https://h/path", "https://u@h", "https://h:x", "ftp://h"],
    },
    "OKACRM_CORS_ORIGINS": {
        "good": ["", "https://h,https://i:8443"],
        "bad": ["*", "null", "https://h/", "https://h,i"],
    },
    "OKACRM_TRUSTED_PROXIES": {"good": ["", "10.0.0.0/8, ::1"], "bad": ["everywhere", "10.0.0.1/8"]},
    "OKACRM_REQUESTS_PER_SESSION": COUNTS,
    "OKACRM_REQUESTS_PER_NETWORK": COUNTS,
    "OKACRM_COMPARED_PAGES_PER_MINUTE": COUNTS,
    "OKACRM_AUDIT_DATABASE_URL": DATABASES,
    "OKACRM_TOKEN": {"good": ["okat_x", "@file"], "bad": [f" {SECRET_WORD}"]},
}
BAD = [(name, value) for name, values in VALUES.items() for value in values["bad"]]


def test_values_of_every_setting_are_tried() -> None:
    assert set(VALUES) == {setting.name for setting in Settings.declared()}


@pytest.mark.parametrize("setting", Settings.declared(), ids=lambda setting: setting.name)
class TestEachDeclaration:
    def test_a_good_value_is_read(self, setting: Setting[Any]) -> None:
        for value in VALUES[setting.name].get("good", []):
            Settings({setting.name: value}).check()

    def test_its_default_is_a_good_value(self, setting: Setting[Any]) -> None:
        if setting.default is not None:
            setting.value_in({})

    def test_it_says_what_it_means_and_who_reads_it(self, setting: Setting[Any]) -> None:
        assert setting.meaning.endswith(".")
        assert setting.read_by
        assert set(setting.read_by) <= READERS


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_one_line_without_secrets(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings({name: value}).check()
    told = str(refused.value)
    assert told.startswith(name)
    assert re.search(r" must | would ", told)
    assert "\n" not in told
    assert SECRET_WORD not in told


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_secret_of_another_length_is_none(tmp_path: Path, size: int) -> None:
    (tmp_path / "secret").write_bytes(b"k" * size)
    with pytest.raises(ConfigurationError, match=f"32 bytes: there are {size}"):
        Settings({"OKACRM_MASTER_KEY_FILE": str(tmp_path / "secret")}).check()


def test_a_secret_is_read_from_its_file_or_given_inline(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"k" * 32)
    assert Settings({"OKACRM_MASTER_KEY_FILE": str(tmp_path / "secret")}).master_key == b"k" * 32
    assert Settings({"OKACRM_SERVICE_SECRET": INLINE["good"][0]}).service_secret == b"A" * 32


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    settings = Settings({"OKACRM_HTTP_PORT": "", "OKACRM_TRUSTED_PROXIES": "", "OKACRM_DATABASE_URL": ""})
    settings.check()
    assert (settings.http_port, settings.trusted_proxies) == (8000, ())
    with pytest.raises(ConfigurationError, match="OKACRM_DATABASE_URL is not set"):
        _ = settings.database_url


def test_values_have_the_types_of_what_they_mean() -> None:
    settings = Settings({"OKACRM_HTTP_PORT": "8100", "OKACRM_TRUSTED_PROXIES": "10.0.0.0/8", "OKACRM_LOG_DIR": "/"})
    assert settings.http_port == 8100
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"),)
    assert settings.log_directory == Path("/")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("OKACRM_HTTPPORT", "OKACRM_HTTP_PORT"),
        ("OKACRM_HTTP_PROT", "OKACRM_HTTP_PORT"),
        ("OKACRM_AMQP_URI", "OKACRM_AMQP_URL"),
        ("OKACRM_PUBLIC_URLS", "OKACRM_PUBLIC_URL"),
    ],
)
def test_a_misspelled_name_is_told_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{typed} is no setting: {meant} is one"):
        Settings({typed: "1"}).check()


def test_names_that_others_set_are_left_alone() -> None:
    """Container platforms set such ones for a service that is called okacrm, and our tests have some of their own."""
    Settings({"OKACRM_SERVICE_HOST": "10.0.0.1", "OKACRM_PORT": "tcp://10.0.0.1:80", "PATH": "/bin"}).check()
    for name in ("OKACRM_CHAOS", "OKACRM_CHAOS_SEED", "OKACRM_CHAOS_SECONDS", "OKACRM_FUZZ_EXAMPLES"):
        Settings({name: "1"}).check()


def test_the_code_reads_no_variable_that_is_not_declared() -> None:
    read = {name for folder in ("shared", "services", "gateway", "deploy") for name in _names_in(folder)}
    # A header in the form of WSGI.
    assert read - {"OKACRM_GUARD"} <= set(VALUES)


def test_the_page_of_settings_is_up_to_date() -> None:
    assert PAGE.read_text() == settings_page(), "docs/settings.md is out of date: make settings"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_says_what_it_was_not_given(process: str) -> None:
    with pytest.raises(ConfigurationError, match=r"OKACRM_[A-Z_]+ is not set"):
        Settings({"OKACRM_MODE": "local"}).check_for(process)


def test_every_process_is_among_the_readers() -> None:
    assert {process.partition(" ")[0] for process in PROCESSES} == set(EVERY_PROCESS)


def _names_in(folder: str) -> set[str]:
    return {name for path in (ROOT / folder).rglob("*.py") for name in NAME.findall(path.read_text())}


def test_metrics_are_told_on_this_machine_alone_unless_it_is_said_otherwise() -> None:
    assert Settings({}).metrics_address == ("127.0.0.1", 9464)
    assert Settings({"OKACRM_METRICS_ADDRESS": "[::1]:9000"}).metrics_address == ("::1", 9000)
