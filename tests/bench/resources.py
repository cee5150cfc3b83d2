"""What the platform takes while nobody asks anything of it."""

from __future__ import annotations

import time

import psutil

from deploy.local.platform import Platform
from tests.bench.report import Report

SECONDS = 15.0


def measure(platform: Platform, report: Report) -> None:
    time.sleep(5)
    families = {name: _family(pid) for name, pid in platform.pids().items()}
    before = {name: _cpu(family) for name, family in families.items()}
    time.sleep(SECONDS)
    total = 0.0
    for name, family in families.items():
        used = (_cpu(family) - before[name]) / SECONDS * 100
        total += used
        ours = name.startswith(("gateway", "service", "courier"))
        memory = sum(process.memory_full_info().pss for process in family) / 2**20
        resident = sum(process.memory_info().rss for process in family) / 2**20
        aim = {"aim": "resident under 90"} if ours else {}
        report.add(
            "resources", name, resident_mb=round(resident, 1), pss_mb=round(memory, 1), cpu=round(used, 2), **aim
        )
    report.add("resources", "all processes, idle", cpu=round(total, 2), aim="cpu under 5")


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _cpu(family: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in family if process.is_running())
