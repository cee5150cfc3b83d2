from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main, operator_environment


def test_every_module_of_the_package_is_a_command() -> None:
    shown = CliRunner().invoke(main, ["--help"])

    assert shown.exit_code == 0
    for command in ("up", "status", "migrate", "subscriptions", "mailcatcher", "service", "courier", "gateway"):
        assert f"\n  {command} " in shown.output


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from deploy.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "heavy = {'eventlet', 'nameko', 'kombu', 'sqlalchemy', 'psycopg', 'cryptography'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ännchen@example.org"], "must be in ASCII"),
        (["anna@\u212aelvin.example"], "that domain names do not have"),
        (["anna@example.org", "--name", "Anna\u202e"], "cannot be seen"),
        (["anna@example.org", "--time-zone", "localtime"], "localtime"),
    ],
    ids=ascii,
)
def test_operators_type_what_people_may(arguments: list[str], why: str) -> None:
    shown = CliRunner().invoke(main, ["staff", "create", *arguments, "--role", "staff"])

    assert shown.exit_code == 2
    assert why in shown.stderr


def test_what_went_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["status"], env={"OKACRM_STATE_DIR": str(tmp_path / "nowhere")})

    assert shown.exit_code == 1
    assert shown.output.startswith("Error: no platform runs on")
    assert "Traceback" not in shown.output


@pytest.mark.parametrize("command", [["audit", "fsck"], ["events", "fsck"], ["events", "fsck", "identity"]])
def test_a_check_that_could_not_run_is_told_apart_from_one_that_found_something(
    command: list[str], tmp_path: Path
) -> None:
    nowhere = {"OKACRM_STATE_DIR": str(tmp_path), "OKACRM_DATABASE_URL": ""}
    shown = CliRunner().invoke(main, command, env=nowhere)

    assert shown.exit_code == 2
    assert "Error: could not check: OKACRM_" in shown.stderr
    assert shown.stdout == ""


def test_without_a_platform_an_operator_works_with_the_variables_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OKACRM_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("OKACRM_AMQP_URL", "amqp://elsewhere/")

    assert operator_environment()["OKACRM_AMQP_URL"] == "amqp://elsewhere/"
