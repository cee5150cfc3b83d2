"""The OpenAPI document as one page to read: HTML, a style sheet, a script that searches, and nothing from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.problems import TYPE_BASE

STYLE_PATH = "/docs/style.css"
SCRIPT_PATH = "/docs/search.js"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def documentation_html(document: dict[str, Any], public_url: str) -> str:
    """The page, whose examples speak to `public_url`. Each operation, problem and schema has an anchor of its own."""
    environment = Environment(
        loader=PackageLoader("gateway", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    template = environment.get_template("documentation.html")
    return template.render(
        _Page(document).content(),
        public_url=public_url,
        style_path=STYLE_PATH,
        script_path=SCRIPT_PATH,
        problem_base=TYPE_BASE,
    )


def style_sheet() -> str:
    return (files("gateway") / "documentation.css").read_text()


def script() -> str:
    return (files("gateway") / "documentation.js").read_text()


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
        shared = _shared_problems(operations)
        groups = [
            {**tag, "operations": [operation for operation in operations if operation["tag"] == tag["name"]]}
            for tag in self._document["tags"]
        ]
        problems = [
            {"code": code, **example["value"]} for code, example in self._document["components"]["examples"].items()
        ]
        return {
            "info": self._document["info"],
            "groups": groups,
            "shared_problems": shared,
            "problems": problems,
            "schemas": self._schemas(operations),
        }

    def _schemas(self, operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The schemas that answers and members refer to, and those that these refer to."""
        named: dict[str, dict[str, Any]] = {}
        wanted = [member["schema"] for each in operations for member in each["members"]]
        wanted += [form["schema"] for each in operations for answer in each["answers"] for form in answer["forms"]]
        while wanted:
            name = wanted.pop()
            if name and name not in named:
                schema = self._document["components"]["schemas"][name]
                members = list(self._members(schema))
                named[name] = {"name": name, "description": schema.get("description", ""), "members": members}
                wanted += [member["schema"] for member in members]
        return [named[name] for name in sorted(named)]

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
            "needs_session": bool(operation["security"]) and {} not in operation["security"],
            "of_teams": bool(operation["security"]) and not _who(operation["security"]),
            "parameters": [
                {
                    **parameter,
                    "kind": _kind(parameter["schema"]),
                    "schema": "",
                    "required": parameter.get("required", False),
                }
                for parameter in parameters
            ],
            "members": list(self._members(body["schema"])) if body else [],
            "curl": _curl(path, method.upper(), operation["security"], parameters, content),
            "answers": answers,
            "problems": problems,
        }

    def _members(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        schema = self._resolved(schema)
        for name, member in schema.get("properties", {}).items():
            inner = member
            if "items" in inner:
                name, inner = f"{name}[]", inner["items"]
            described = self._resolved(inner)
            yield {
                "name": name,
                "kind": _kind(described),
                "schema": _schema_name(inner),
                "required": name.removesuffix("[]") in schema.get("required", []),
                "description": member.get("description") or described.get("description", ""),
            }

    def _responses(self, responses: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        answers, problems = [], []
        for status, response in ((status, self._resolved(response)) for status, response in responses.items()):
            content = response.get("content", {})
            examples = content.get("application/problem+json", {}).get("examples", {})
            if examples:
                problems += [
                    {"status": status, "code": code, "title": self._resolved(example)["summary"]}
                    for code, example in examples.items()
                ]
                continue
            forms = [
                {"media_type": name, "schema": _schema_name(form["schema"]), "example": _shown(form["example"])}
                for name, form in content.items()
            ]
            answers.append({"status": status, "description": response["description"], "forms": forms})
        return answers, problems


def _shared_problems(operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The problems that all operations of a kind have, which are taken from each of them and said once."""
    kinds: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
        ("Every request", lambda operation: True),
        ("Every request that needs a session", lambda operation: operation["needs_session"]),
        ("Every change", lambda operation: operation["method"] != "GET"),
    ]
    shared = []
    for of, belongs in kinds:
        members = [operation for operation in operations if belongs(operation)]
        common = (
            [problem for problem in members[0]["problems"] if all(problem in each["problems"] for each in members)]
            if members
            else []
        )
        for operation in members:
            operation["problems"] = [problem for problem in operation["problems"] if problem not in common]
        shared.append({"of": of, "problems": common})
    return shared


def _schema_name(schema: dict[str, Any]) -> str:
    """The name of the schema that is referred to; empty for one that is written out."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


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
