"""Deriving everything stored again: how fast, and in how much memory."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import psycopg

from deploy.local.platform import Platform
from tests.bench.report import Report

CHECKS = {
    "audit fsck": ("audit", "SELECT size FROM log_head"),
    "events fsck": ("identity", "SELECT position FROM feed_head"),
}


def measure(platform: Platform, report: Report) -> None:
    for command, (service, counting) in CHECKS.items():
        with psycopg.connect(platform.database_url(platform.databases[service].name, "postgres")) as connection:
            (records,) = connection.execute(counting).fetchone() or (0,)
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", *command.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"OKACRM_STATE_DIR": str(platform.state.root), "PATH": "/usr/bin:/bin"},
        )
        peak = _peak_memory(process)
        taken = time.perf_counter() - begun
        report.add(
            "checking",
            f"okacrm {command}, {records:,} records",
            per_second=round(records / taken),
            peak_mb=round(peak / 2**20, 1),
            clean=process.returncode == 0,
        )


def _peak_memory(process: subprocess.Popen[bytes]) -> int:
    """The most that was resident at any look, until the process ends."""
    peak, looked_at = 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, looked_at.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    process.wait()
    return peak
