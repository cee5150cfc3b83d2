"""Figures as they are measured: printed as a table, kept for JSON."""

from __future__ import annotations

from typing import Any


class Report:
    """What was measured so far."""

    def __init__(self) -> None:
        self.figures: list[dict[str, Any]] = []

    def add(self, scenario: str, what: str, **values: Any) -> None:
        """One line of the table; `aim` and `ratio` stand out if given."""
        self.figures.append({"scenario": scenario, "what": what, **values})
        shown = "  ".join(f"{name} {_number(value)}" for name, value in values.items() if value is not None)
        print(f"  {what:<48} {shown}", flush=True)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
