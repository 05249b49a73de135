"""``GET /docs``: the OpenAPI description as one page without scripts that loads nothing from anywhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
}
_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;text-transform:capitalize}
details{border-top:1px solid #8884;padding:.6rem 0}
summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:#8881;padding:.6rem;overflow-x:auto}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #8883}
.method{display:inline-block;width:3.6rem;font-weight:600;color:light-dark(#0f766e,#2dd4bf)}
.quiet{opacity:.7}
"""
_REFERENCE = "#/components/schemas/"


def serve_docs(app: FastAPI) -> None:
    """Add the page to an application; it is written once."""
    pages: list[str] = []

    async def docs(_: Request) -> HTMLResponse:
        if not pages:
            pages.append(docs_page(app.openapi()))
        return HTMLResponse(pages[0], headers=_HEADERS)

    app.add_route("/docs", docs, methods=["GET"], include_in_schema=False)


def docs_page(description: Mapping[str, Any]) -> str:
    """The page of an OpenAPI description."""
    info = description["info"]
    body = [f"<h1>{escape(info['title'])}</h1><p>{escape(info.get('summary', ''))}</p>"]
    body += [f"<p>{_prose(part)}</p>" for part in info.get("description", "").strip().split("\n\n") if part]
    body.append('<p>The same for programs: <a href="openapi.json">openapi.json</a></p>')
    topics: dict[str, list[str]] = {}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            topic = operation.get("tags", ["other"])[0]
            topics.setdefault(topic, []).append("".join(_operation(path, method.upper(), operation)))
    for topic, parts in topics.items():
        body += [f"<h2>{escape(topic)}</h2>", *parts]
    body.append("<h2>Bodies and answers</h2>")
    for name, schema in sorted(description["components"]["schemas"].items()):
        body += _model(name, schema)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>"
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary><span class="method">{method}</span>'
    yield f'<code>{escape(path)}</code> <span class="quiet">{escape(operation.get("summary", ""))}</span></summary>'
    yield f"<p>{_prose(operation.get('description', ''))}</p>"
    if "x-rate-class" in operation:
        whose = "an operator's key" if operation.get("x-operators-only") else "a key"
        yield f'<p class="quiet">Needs {whose}; rate class <code>{escape(operation["x-rate-class"])}</code>.</p>'
    parameters = operation.get("parameters", [])
    if parameters:
        rows = "".join(
            _row(parameter["name"], parameter["schema"], is_required=parameter.get("required", False))
            for parameter in parameters
        )
        yield f"<table><tr><th>parameter<th>type<th>meaning</tr>{rows}</table>"
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        yield f"<p>Body, {escape(media_type)}: {_type(body['schema'])}</p>"
    yield f"<pre>{escape(_curl(path, method, operation, has_body=bool(content)))}</pre>"
    yield "<table><tr><th>status<th>answer</tr>"
    for status, answer in sorted(operation["responses"].items()):
        kinds = ", ".join(_type(kind.get("schema", {})) for kind in answer.get("content", {}).values())
        yield f"<tr><td>{escape(status)}<td>{escape(answer.get('description', ''))} {kinds}</tr>"
    yield "</table></details>"


def _curl(path: str, method: str, operation: Mapping[str, Any], *, has_body: bool) -> str:
    key = ' -H "Authorization: Bearer $HUB_API_KEY"' if "x-rate-class" in operation else ""
    body = " -H 'Content-Type: application/json' -d @body.json" if has_body else ""
    verb = "" if method == "GET" or (method == "POST" and has_body) else f" -X {method}"
    return f'curl{verb} "$HUB{path}"{key}{body}'


def _model(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
    yield f"<p>{_prose(schema.get('description', ''))}</p><table><tr><th>field<th>type<th>meaning</tr>"
    required = schema.get("required", [])
    for field, kind in schema.get("properties", {}).items():
        yield _row(field, kind, is_required=field in required)
    yield "</table></details>"


def _row(name: str, schema: Mapping[str, Any], *, is_required: bool) -> str:
    notes = [_prose(schema["description"])] if "description" in schema else []
    if "default" in schema and schema["default"] is not None:
        notes.append(f"default <code>{escape(json.dumps(schema['default']))}</code>")
    notes += [f"e.g. <code>{escape(json.dumps(example))}</code>" for example in schema.get("examples", [])[:1]]
    bounds = {"minimum": "at least", "maximum": "at most", "maxLength": "at most", "maxItems": "at most"}
    notes += [f"{words} {schema[bound]}" for bound, words in bounds.items() if bound in schema]
    mark = "" if is_required else ' <span class="quiet">optional</span>'
    return f"<tr><td><code>{escape(name)}</code>{mark}<td>{_type(schema)}<td>{'; '.join(notes)}</tr>"


def _type(schema: Mapping[str, Any]) -> str:
    if reference := schema.get("$ref"):
        name = escape(str(reference).removeprefix(_REFERENCE))
        return f'<a href="#{name}"><code>{name}</code></a>'
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_type(each) for each in schema[choice])
    if "enum" in schema or "const" in schema:
        return " ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "any JSON")))


def _prose(text: str) -> str:
    """Text with its ``code`` marked."""
    parts = escape(text).replace("``", "`").split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
