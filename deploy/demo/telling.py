"""How the story is told: chapters, lines, and waiting for what comes in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 15.0


def wait(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (held := condition()):
        if time.monotonic() >= deadline:
            raise SystemExit(f"waited {PATIENCE:.0f} seconds in vain for {what}")
        time.sleep(0.2)
    return held


def chapter(title: str) -> None:
    print(f"\n{title}\n")


def say(label: str, text: str) -> None:
    print(f"    {label:<20} {text}")


def show(values: dict[str, Any], *names: str) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names)


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())
