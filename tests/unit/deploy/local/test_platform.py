"""What each process is told, and above all what it is not told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

from deploy.local.platform import PROCESSES, Description, Platform
from deploy.local.postgres import Server
from deploy.local.state import PlatformError, StateDirectory
from shared.runtime.config import ConfigurationError, Settings


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """As another shell finds it while this very process runs it."""
    state = StateDirectory(tmp_path)
    state.prepare()
    Description(
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        http_port=8123,
        metrics_address="127.0.0.1:20005",
        amqp_url="amqp://okacrm:secret@127.0.0.1:20001/okacrm",
        smtp_url="smtp://127.0.0.1:20003",
        mail_page="http://127.0.0.1:20004",
        postgres=Server("127.0.0.1", 20002, {}),
        database_prefix="okacrm",
        log_origin="okacrm.net/audit/00000000",
    ).save(state.description)
    return Platform.running(tmp_path)


def test_the_gateway_knows_no_database_and_no_key_but_its_own(platform: Platform) -> None:
    gateway = platform.environment("gateway")

    assert "postgresql" not in str(gateway)
    assert "OKACRM_MASTER_KEY_FILE" not in gateway
    assert Path(gateway["OKACRM_SIGNING_KEY_FILE"]).name == "gateway.pem"
    assert gateway["OKACRM_HTTP_PORT"] == "8123"
    assert gateway["OKACRM_METRICS_ADDRESS"] == "127.0.0.1:20005"


def test_how_the_gateway_faces_people_can_be_said_in_the_environment(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert platform.environment("gateway")["OKACRM_PUBLIC_URL"] == "http://127.0.0.1:8123"
    monkeypatch.setenv("OKACRM_CORS_ORIGINS", "http://localhost:5173")
    assert platform.environment("gateway")["OKACRM_CORS_ORIGINS"] == "http://localhost:5173"


def test_only_the_courier_of_audit_can_sign_checkpoints(platform: Platform) -> None:
    signers = [process for process in PROCESSES if "OKACRM_LOG_KEY_FILE" in platform.environment(process)]

    assert signers == ["courier audit"]
    assert "OKACRM_LOG_DIR" not in platform.environment("service audit")
    assert "OKACRM_LOG_PUBLIC_KEY_FILE" in platform.environment("service audit")


@pytest.mark.parametrize("kind", ["service", "courier"])
def test_a_service_reaches_its_own_database_only(platform: Platform, kind: str) -> None:
    for service, other in (("identity", "audit"), ("audit", "identity")):
        environment = platform.environment(f"{kind} {service}")
        assert f"okacrm_{service}" in environment["OKACRM_DATABASE_URL"]
        assert f"okacrm_{other}" not in str(environment)


def test_only_the_operator_can_destroy_keys(platform: Platform) -> None:
    assert "okacrm_keyring_custodian" in platform.environment("operator")["OKACRM_KEYRING_CUSTODIAN_URL"]
    assert not any("custodian" in str(platform.environment(process)) for process in PROCESSES)


def test_only_the_courier_of_identity_knows_the_mail_server(platform: Platform) -> None:
    senders = [process for process in PROCESSES if "OKACRM_SMTP_URL" in platform.environment(process)]

    assert senders == ["courier identity"]
    assert platform.environment("courier identity")["OKACRM_PUBLIC_URL"] == platform.base_url


def test_only_identity_can_unseal(platform: Platform) -> None:
    readers = [process for process in PROCESSES if "OKACRM_MASTER_KEY_FILE" in platform.environment(process)]

    assert readers == ["service identity", "courier identity"]


def test_only_the_gateway_seals_cursors(platform: Platform) -> None:
    sealers = [process for process in (*PROCESSES, "operator") if "cursor.key" in str(platform.environment(process))]

    assert sealers == ["gateway"]


def test_no_process_is_given_an_owner_or_the_administrator(platform: Platform) -> None:
    for process in (*PROCESSES, "operator"):
        assert "_owner" not in str(platform.environment(process))
        assert "//postgres:" not in str(platform.environment(process))


def test_secrets_are_named_by_file(platform: Platform) -> None:
    master_key = (b"k" * 32).hex()
    platform.state.secret("master.key", lambda: master_key.encode())

    assert master_key not in str(platform.environment("service identity"))


def test_an_unknown_process_is_refused(platform: Platform) -> None:
    with pytest.raises(PlatformError, match="no process is called 'service billing'"):
        platform.environment("service billing")


def test_a_description_without_its_process_is_no_running_platform(platform: Platform) -> None:
    path = platform.state.description
    path.write_text(path.read_text().replace(str(os.getpid()), "999999999"))

    with pytest.raises(PlatformError, match="no platform runs on"):
        Platform.running(platform.state.root)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_is_told_what_it_reads_and_nothing_else(platform: Platform, process: str) -> None:
    read = [setting for setting in Settings.declared() if setting.is_read_by(process)]
    told = set(platform.environment(process))

    assert {setting.name for setting in read if not setting.optional} <= told
    assert told <= {setting.name for setting in read}


@pytest.mark.parametrize("name", ["OKACRM_POSTGRES_URL", "OKACRM_AMQP_URL"])
def test_a_given_server_that_is_away_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OKACRM_POSTGRES_URL", "postgresql://u:hunter2@127.0.0.1:1/")
    monkeypatch.setenv("OKACRM_AMQP_URL", "amqp://u:hunter2@127.0.0.1:1/")
    if name == "OKACRM_AMQP_URL":
        monkeypatch.setattr("deploy.local.postgres.obstacle", lambda url: None)

    with pytest.raises(ConfigurationError, match=name) as told, Platform(tmp_path) as platform:
        platform.start_servers()
    assert "hunter2" not in str(told.value)


def test_a_port_that_somebody_has_is_told_with_what_to_do(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        Platform(tmp_path, taken.getsockname()[1]) as platform,
        pytest.raises(ConfigurationError, match=r"port \d+ is taken .*OKACRM_HTTP_PORT"),
    ):
        platform.start_servers()


def test_a_state_directory_that_cannot_be_made_is_told_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"/dev/null/state.*OKACRM_STATE_DIR"):
        StateDirectory(Path("/dev/null/state")).prepare()
