import re
from html.parser import HTMLParser

from gateway.application import Application
from gateway.documentation import documentation_html, prose
from gateway.perimeter import Perimeter
from gateway.routes import ROUTES
from shared.contracts.problems import PROBLEMS
from tests.unit.gateway.playing import CURSORS, Browser, Services


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
        if tag == "script":
            self.loads.append(str(given.get("src")))
        if (
            tag in ("iframe", "img", "object", "embed", "style")
            or "style" in given
            or any(name.startswith("on") for name in given)
        ):
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


def test_it_loads_a_style_sheet_and_a_script_and_nothing_else(ask: Browser) -> None:
    text, links = page(ask)
    assert links.loads == ["/docs/style.css", "/docs/search.js"]
    assert '<script src="/docs/search.js" defer></script>' in text
    style, script = (ask("GET", path) for path in links.loads)
    assert (style.mimetype, script.mimetype) == ("text/css", "text/javascript")
    assert "url(" not in style.text
    assert "://" not in script.text
    for means in ("fetch", "eval", "innerHTML", "import"):
        assert means not in script.text
    policy = ask("GET", "/docs").headers["Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; style-src 'self'; script-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def test_what_the_search_looks_for_is_there(ask: Browser) -> None:
    text, _ = page(ask)
    script = ask("GET", "/docs/search.js").text
    for id in re.findall(r'getElementById\("([a-z-]+)"\)', script):
        assert f'id="{id}"' in text
    assert text.count("<li data-words=") == len(ROUTES)


def test_its_examples_speak_to_the_address_that_is_served(services: Services) -> None:
    served = Perimeter(public_url="https://okacrm.example", hosts=frozenset({"okacrm.example", "localhost"}))
    for host in ("okacrm.example", "localhost"):
        answer = Browser(Application(services, served, CURSORS))("GET", "/docs", headers={"Host": host})
        assert "OKACRM=https://okacrm.example\n" in answer.text
        assert "127.0.0.1" not in answer.text


def test_what_is_said_is_small(ask: Browser) -> None:
    """Of what was 926 kB and 2.4 MB; much more than this is something that is said again and again."""
    for path, plain, compressed in (("/docs", 600_000, 70_000), ("/openapi.json", 600_000, 70_000)):
        assert len(ask("GET", path).data) < plain
        assert len(ask("GET", path, headers={"Accept-Encoding": "gzip"}).data) < compressed


def test_every_operation_has_an_example_to_copy(ask: Browser) -> None:
    text, _ = page(ask)
    assert len(re.findall(r"curl -sS (?:-X|&#34;)", text)) >= len(ROUTES)


def test_what_the_document_says_cannot_become_markup() -> None:
    assert prose("<b> `<i>`\n\n&") == "&lt;b&gt; <code>&lt;i&gt;</code></p><p>&amp;"
    document = {
        "info": {"title": "<script>", "description": "<script>"},
        "tags": [],
        "paths": {},
        "components": {"examples": {}, "schemas": {}},
    }
    assert "<script>" not in documentation_html(document, "http://localhost:8000")
