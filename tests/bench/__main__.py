"""Measures the platform beside something simpler, side by side in one run, and prints ratios.

    python -m tests.bench [SCENARIO …] [--json FILE]

Figures of one machine at one time say little; ratios within a run say more. docs/performance.md keeps both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.platform import Platform
from tests.bench import append, audit, checking, commands, latency, pipeline, resources, scale, signing_in, verifying
from tests.bench.report import Report

SCENARIOS: dict[str, Callable[[Platform, Report], None]] = {
    "commands": commands.measure,
    "signing-in": signing_in.measure,
    "append": append.measure,
    "latency": latency.measure,
    "pipeline": pipeline.measure,
    "checking": checking.measure,
    "resources": resources.measure,
    "scale": scale.measure,
    "verifying": verifying.measure,
    "audit": audit.measure,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; all if none")
    arguments.add_argument("--json", type=Path, help="write the figures there as well")
    wanted = arguments.parse_args()
    unknown = set(wanted.scenarios) - set(SCENARIOS)
    if unknown:
        arguments.error(f"no such scenario: {', '.join(sorted(unknown))}")
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="okacrm-bench-"))
    try:
        with Platform(folder) as running:
            running.start()
            for name in wanted.scenarios or SCENARIOS:
                begun = time.monotonic()
                print(f"\n# {name}\n", flush=True)
                SCENARIOS[name](running, report)
                print(f"\n  ({time.monotonic() - begun:.0f} s)", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if wanted.json:
        machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
        wanted.json.write_text(json.dumps({"machine": machine, "figures": report.figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
