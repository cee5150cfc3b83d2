"""A structlog processor that keeps personal values and secrets out of logs, whoever forgets to.

Names that a contract declares personal, and names of secrets, never show their value; anything that looks like an
e-mail address is struck out wherever it stands.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import MutableMapping
from functools import lru_cache
from importlib import import_module
from typing import Any

import shared.contracts
from shared.contracts.events import contracts

REDACTED = "[redacted]"
_SECRETS = frozenset(
    {"password", "token", "access_token", "csrf_token", "cookie", "authorization", "secret", "master_key", "arguments"}
)
_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
"""Anything around an @, wider than any grammar of addresses, so that credentials in a URL go as well."""


def redact(logger: Any, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Strikes out what must not be logged; to stand just before the renderer."""
    for name, value in entry.items():
        entry[name] = REDACTED if name in _forbidden() else _clean(value)
    return entry


@lru_cache(maxsize=1)
def _forbidden() -> frozenset[str]:
    for module in pkgutil.iter_modules(shared.contracts.__path__, "shared.contracts."):
        import_module(module.name)
    # "name" is personal in accounts, but as a log key it names processes and services.
    personal = {field for contract in contracts() for field in contract.personal_fields}
    return (_SECRETS | personal) - {"name"}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _ADDRESS.sub(REDACTED, value) if "@" in value else value
    if isinstance(value, dict):
        return {key: REDACTED if key in _forbidden() else _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value))
