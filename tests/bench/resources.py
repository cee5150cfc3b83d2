from deploy.local.platform import Platform
from tests.bench.report import Report


def measure(platform: Platform, report: Report) -> None: ...
