"""How the versions of the house's own documents are named."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import fields
from marshmallow.validate import Regexp

POLICY_VERSION_PATTERN = r"\d{4}-\d{2}-\d{2}(\.[1-9]\d?)?"


class PolicyVersion(fields.String):
    """The version of a policy: the day it is named after, and its number where a day has several (`2026-11-01.2`)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            validate=Regexp(rf"{POLICY_VERSION_PATTERN}\Z", re.ASCII), metadata={"example": "2026-11-01"}, **options
        )
