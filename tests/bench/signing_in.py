"""Signing in, beside the one thing in it that is slow on purpose: checking a password with Argon2id."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher

from deploy.local.platform import Platform
from tests.bench.load import ask, summary
from tests.bench.people import registered
from tests.bench.report import Report
from tests.making import PASSWORD

PEOPLE = 12
ROUNDS = 3
CALLERS = (1, 4)


def measure(platform: Platform, report: Report) -> None:
    hasher = PasswordHasher()
    stored = hasher.hash(PASSWORD)
    begun = time.perf_counter()
    for _ in range(PEOPLE):
        hasher.verify(stored, PASSWORD)
    checking = PEOPLE / (time.perf_counter() - begun)
    report.add("signing in", "checking a password and nothing else, 1 caller", per_second=round(checking, 1))

    addresses = [registered(platform.base_url) for _ in range(PEOPLE)]

    def sign_in(address: str) -> float:
        begun = time.perf_counter()
        body = {"email": address, "password": PASSWORD, "guard": "influencer", "transport": "bearer"}
        ask(platform.base_url, "POST", "/v1/sessions", body)
        return time.perf_counter() - begun

    for callers in CALLERS:
        begun = time.perf_counter()
        with ThreadPoolExecutor(callers) as threads:
            latencies = list(threads.map(sign_in, addresses * ROUNDS))
        measured = summary(latencies, time.perf_counter() - begun)
        report.add(
            "signing in",
            f"sign-in, {callers} callers",
            **vars(measured),
            ratio=round(measured.per_second / checking, 2),
        )
