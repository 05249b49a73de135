"""The page that describes the API: complete, and loaded from nowhere else."""

from html.parser import HTMLParser

from api.http.docs_page import docs_page
from tests.api.served_hub import Hub


class Page(HTMLParser):
    """What a page links to, and the ids in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.links.add(value or "")
            elif name == "id":
                self.ids.add(value or "")


def test_it_describes_every_route_and_loads_nothing(hub: Hub) -> None:
    answer = hub.nobody().get("/docs")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = Page(answer.text)
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert "url(" not in answer.text
    assert not [link for link in page.links if link.startswith(("http:", "https:", "//"))]
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    described = hub.nobody().get("/openapi.json").json()
    for path in described["paths"]:
        assert f"<code>{path}</code>" in answer.text
    assert set(described["components"]["schemas"]) <= page.ids
    assert "/docs" not in described["paths"]


def test_texts_are_shown_and_not_run() -> None:
    text = '<img src=x onerror="alert(1)">'
    page = docs_page(
        {
            "info": {"title": text, "description": text},
            "paths": {"/x": {"get": {"operationId": text, "summary": text, "description": text, "responses": {}}}},
            "components": {"schemas": {text: {"description": text, "properties": {text: {"enum": [text]}}}}},
        }
    )
    assert "<img" not in page
    assert "img" not in Page(page).tags
