"""The mail server's address."""

from __future__ import annotations

import pytest

from services.identity.notices.mail.smtp import SmtpServer


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1:2525", SmtpServer("smtp", "127.0.0.1", 2525, None, None)),
        ("smtp://mail.example", SmtpServer("smtp", "mail.example", 25, None, None)),
        (
            "smtp+starttls://us%40er:p%2Fw@mail.example",
            SmtpServer("smtp+starttls", "mail.example", 587, "us@er", "p/w"),
        ),
        ("smtps://user:pw@mail.example", SmtpServer("smtps", "mail.example", 465, "user", "pw")),
    ],
)
def test_a_url_says_which_server_and_how(url: str, server: SmtpServer) -> None:
    assert SmtpServer.from_url(url) == server
