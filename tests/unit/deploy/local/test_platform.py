"""What each process is told, and above all what it is not told."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from deploy.local.platform import PROCESSES, Description, Platform
from deploy.local.postgres import Server
from deploy.local.state import PlatformError, StateDirectory


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
