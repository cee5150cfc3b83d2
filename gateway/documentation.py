"""The OpenAPI document as one page to read: HTML and a style sheet, no script and nothing from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

STYLE_PATH = "/docs/style.css"
POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def documentation_html(document: dict[str, Any]) -> str:
    """The page. Each operation and each problem has an anchor of its own."""
    environment = Environment(
        loader=PackageLoader("gateway", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    template = environment.get_template("documentation.html")
    return template.render(_Page(document).content(), style_path=STYLE_PATH)


def style_sheet() -> bytes:
    return (files("gateway") / "documentation.css").read_bytes()


def prose(text: str) -> Markup:
    """Text with `code` in backticks and paragraphs."""
    paragraphs = []
    for paragraph in text.strip().split("\n\n"):
        parts = paragraph.split("`")
        spans = (f"<code>{escape(part)}</code>" if index % 2 else escape(part) for index, part in enumerate(parts))
        paragraphs.append("".join(spans))
    return Markup("</p><p>").join(Markup(paragraph) for paragraph in paragraphs)  # noqa: S704 - each part is escaped


class _Page:
    """What the template shows, taken from the document and nowhere else."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def content(self) -> dict[str, Any]:
        operations = [
            self._operation(path, method, operation)
            for path, methods in self._document["paths"].items()
            for method, operation in methods.items()
        ]
        groups = [
            {**tag, "operations": [operation for operation in operations if operation["tag"] == tag["name"]]}
            for tag in self._document["tags"]
        ]
        problems = [
            {"code": code, **example["value"]} for code, example in self._document["components"]["examples"].items()
        ]
        return {"info": self._document["info"], "groups": groups, "problems": problems}

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        reference = part.get("$ref")
        if reference is None:
            return part
        found: Any = self._document
        for name in reference.split("/")[1:]:
            found = found[name]
        return found  # type: ignore[no-any-return]

    def _operation(self, path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
        parameters = [self._resolved(parameter) for parameter in operation["parameters"]]
        content = operation.get("requestBody", {}).get("content", {})
        body = content.get("application/json")
        answers, problems = self._responses(operation["responses"])
        return {
            "id": operation["operationId"],
            "tag": operation["tags"][0],
            "method": method.upper(),
            "path": path,
            "summary": operation["summary"],
            "description": operation.get("description", ""),
            "who": _who(operation["security"]),
            "of_teams": bool(operation["security"]) and not _who(operation["security"]),
            "parameters": [
                {**parameter, "kind": _kind(parameter["schema"]), "required": parameter.get("required", False)}
                for parameter in parameters
            ],
            "members": list(self._members(body["schema"])) if body else [],
            "curl": _curl(path, method.upper(), operation["security"], parameters, content),
            "answers": answers,
            "problems": problems,
        }

    def _members(self, schema: dict[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
        schema = self._resolved(schema)
        for name, member in schema.get("properties", {}).items():
            inner = self._resolved(member)
            if "items" in inner:
                name, inner = f"{name}[]", self._resolved(inner["items"])
            yield {
                "name": prefix + name,
                "kind": _kind(inner),
                "required": name.removesuffix("[]") in schema.get("required", []),
                "description": member.get("description") or inner.get("description", ""),
            }
            yield from self._members(inner, f"{prefix}{name}.")

    def _responses(self, responses: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        answers, problems = [], []
        for status, response in responses.items():
            content = response.get("content", {})
            examples = content.get("application/problem+json", {}).get("examples", {})
            if examples:
                problems += [
                    {"status": status, "code": code, "title": self._resolved(example)["summary"]}
                    for code, example in examples.items()
                ]
                continue
            forms = [
                {"media_type": name, "members": list(self._members(form["schema"])), "example": _shown(form["example"])}
                for name, form in content.items()
            ]
            answers.append({"status": status, "description": response["description"], "forms": forms})
        return answers, problems


def _who(security: list[dict[str, Any]]) -> list[str]:
    return [name.removesuffix("_cookie") for scheme in security for name in scheme if name != "bearer"]


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", "object")
    kinds = [*(kind if isinstance(kind, list) else [kind])]
    if "format" in schema:
        kinds[0] = schema["format"]
    return " or ".join(kinds)


def _shown(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)


def _curl(
    path: str, method: str, security: list[Any], parameters: list[dict[str, Any]], content: dict[str, Any]
) -> str:
    query = []
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
        elif parameter["in"] == "query" and parameter["required"]:
            query.append(f"{parameter['name']}={parameter['example']}")
    url = f"$OKACRM{path}" + (f"?{'&'.join(query)}" if query else "")
    lines = [f'curl -sS -X {method} "{url}"' if method != "GET" else f'curl -sS "{url}"']
    if security:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    for media_type, body in [*content.items()][:1]:
        lines.append(f"-H 'Content-Type: {media_type}'")
        if "example" in body:
            lines.append(f"-d {shlex.quote(json.dumps(body['example'], ensure_ascii=False))}")
        else:
            lines.append("--data-binary @file")
    return " \\\n  ".join(lines)
