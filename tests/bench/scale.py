"""Two gateways and two identity services beside one of each, on the same cores."""

from __future__ import annotations

from deploy.local.platform import Platform
from tests.bench.commands import PURPOSES
from tests.bench.load import Request, drive
from tests.bench.people import influencers
from tests.bench.report import Report
from tests.replicas import second

SECONDS = 5.0
CALLERS = 10


def measure(platform: Platform, report: Report) -> None:
    people = influencers(platform.base_url, 2 * CALLERS)

    def read(caller: int, n: int) -> Request:
        return "GET", "/v1/me", people[caller].headers, None

    def command(caller: int, n: int) -> Request:
        person = people[caller + CALLERS * (n // 6 % 2)]
        return "PUT" if n % 6 < 3 else "DELETE", f"/v1/me/consents/{PURPOSES[n % 3]}", person.headers, None

    for what, request in (("read", read), ("command", command)):
        alone = drive(platform.base_url, CALLERS, SECONDS, request)
        report.add("scale", f"{what}, one gateway and one identity", **vars(alone))
        with second(platform) as other_url:
            both = drive((platform.base_url, other_url), CALLERS, SECONDS, request)
        report.add(
            "scale",
            f"{what}, two gateways and two identities",
            **vars(both),
            ratio=round(both.per_second / alone.per_second, 2),
        )
