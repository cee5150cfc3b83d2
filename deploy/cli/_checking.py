"""How a check of what is stored speaks: findings a line each, progress on standard error, and a summary."""

from __future__ import annotations

import json
import resource
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shared.runtime.checking import Finding, Report

FOUND, COULD_NOT_RUN = 1, 2


def run_check(check: Callable[[Report], None], *, as_json: bool, limit: int, counted: str) -> None:
    """Runs a check and ends the command: with 0 when all holds, 1 when something does not, 2 when it could not run.

    `counted` names what the speed is told of. An error is told without what the database has to say about rows.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from deploy.local.state import PlatformError
    from shared.runtime.checking import Report
    from shared.runtime.config import ConfigurationError

    findings: list[Finding] = []
    report = Report(
        tell=findings.append if as_json else click.echo,
        progress=lambda line: click.echo(line, err=True),
        limit=limit,
    )
    try:
        check(report)
    except (PlatformError, ConfigurationError, OSError) as error:
        _give_up(str(error))
    except SQLAlchemyError as error:
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        _give_up(f"{type(error).__name__}{f' ({state})' if state else ''} while reading the database")
    except Exception as error:  # noqa: BLE001 - a fault of the check itself must not look like a finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        _give_up(f"{type(error).__name__} at {place.filename}:{place.lineno}")
    click.echo(_as_json(report, findings, counted) if as_json else _as_text(report, counted))
    raise SystemExit(0 if report.clean else FOUND)


def _give_up(reason: str) -> None:
    click.echo(f"Error: could not check: {reason}", err=True)
    raise SystemExit(COULD_NOT_RUN)


def _as_text(report: Report, counted: str) -> str:
    lines = [
        f"{what}  … and {count - report.limit:,} more"
        for what, count in sorted(report.findings.items())
        if count > report.limit
    ]
    lines += [f"note: {note}" for note in report.notes]
    looked_at = ", ".join(f"{count:,} {name}" for name, count in report.looked_at.items()) or "nothing there"
    found = sum(report.findings.values())
    verdict = "CLEAN" if report.clean else f"{found:,} FINDINGS of {len(report.findings)} kinds"
    lines.append(
        f"{verdict}: {looked_at} in {report.seconds:.1f} s "
        f"({_speed(report, counted):,.0f} {counted}/s, {_resident_megabytes():.0f} MB)"
    )
    return "\n".join(lines)


def _as_json(report: Report, findings: list[Finding], counted: str) -> str:
    from shared.runtime.checking import as_document

    return json.dumps(
        {
            "clean": report.clean,
            "findings": [as_document(finding) for finding in findings],
            "counts": dict(report.findings),
            "looked_at": dict(report.looked_at),
            "notes": report.notes,
            "seconds": round(report.seconds, 3),
            f"{counted}_per_second": round(_speed(report, counted)),
            "resident_megabytes": round(_resident_megabytes(), 1),
        },
        indent=2,
    )


def _speed(report: Report, counted: str) -> float:
    return report.looked_at[counted] / max(report.seconds, 1e-9)


def _resident_megabytes() -> float:
    """The most memory that this process had."""
    try:
        # Not what getrusage says on Linux: that includes the process which started this one.
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / (1 << 10)
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def checking_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all checks have."""
    command = click.option("--limit", default=100, show_default=True, help="Findings of each kind to show.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)
