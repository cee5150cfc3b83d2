import re
from html.parser import HTMLParser

from gateway.documentation import documentation_html, prose
from gateway.routes import ROUTES
from shared.contracts.problems import PROBLEMS
from tests.unit.gateway.playing import Browser


class Links(HTMLParser):
    """Collects the anchors and links of a page, and everything that would load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        if tag in ("script", "iframe", "img", "object", "embed", "style") or "style" in given or "onclick" in given:
            self.loads.append(tag)
        if tag == "link":
            self.loads.append(str(given["href"]))


def page(ask: Browser) -> tuple[str, Links]:
    response = ask("GET", "/docs")
    assert response.mimetype == "text/html"
    links = Links()
    links.feed(response.text)
    return response.text, links


def test_every_operation_and_every_problem_can_be_linked_to(ask: Browser) -> None:
    _, links = page(ask)
    assert len(links.ids) == len(set(links.ids))
    assert {route.operation_id for route in ROUTES} | {f"problem-{code}" for code in PROBLEMS} <= set(links.ids)


def test_every_link_leads_somewhere(ask: Browser) -> None:
    _, links = page(ask)
    for link in links.links:
        if link.startswith("#"):
            assert link[1:] in links.ids
        else:
            assert ask("GET", link).status_code == 200


def test_it_loads_one_style_sheet_and_nothing_else(ask: Browser) -> None:
    _, links = page(ask)
    assert links.loads == ["/docs/style.css"]
    style = ask("GET", "/docs/style.css")
    assert style.mimetype == "text/css"
    assert "url(" not in style.text
    policy = ask("GET", "/docs").headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def test_every_operation_has_an_example_to_copy(ask: Browser) -> None:
    text, _ = page(ask)
    assert len(re.findall(r"curl -sS (?:-X|&#34;)", text)) >= len(ROUTES)


def test_what_the_document_says_cannot_become_markup() -> None:
    assert prose("<b> `<i>`\n\n&") == "&lt;b&gt; <code>&lt;i&gt;</code></p><p>&amp;"
    document = {
        "info": {"title": "<script>", "description": "<script>"},
        "tags": [],
        "paths": {},
        "components": {"examples": {}},
    }
    assert "<script>" not in documentation_html(document)
