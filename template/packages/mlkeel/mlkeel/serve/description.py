"""Describe the API by the contract of the current version: its OpenAPI document, and the headers of its page."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mlkeel.config import ServerConfig
from mlkeel.contract.request import MAX_VIOLATIONS, example
from mlkeel.inference.loaded_model import LoadedModel

PROBLEM_SCHEMA = {
    "title": "Problem",
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}
VIOLATION_SCHEMA = {
    "title": "Violation",
    "type": "object",
    "properties": {
        "row": {"type": ["integer", "null"], "description": "Counted from 1."},
        "column": {"type": ["string", "null"]},
        "rule": {"type": "string"},
        "value": {},
        "message": {"type": "string"},
    },
    "required": ["row", "column", "rule", "value", "message"],
}
VIOLATIONS_SCHEMA = {
    "title": "Violations",
    "type": "object",
    "properties": {"detail": {"type": "array", "items": VIOLATION_SCHEMA, "maxItems": MAX_VIOLATIONS}},
    "required": ["detail"],
}
STATUS_DESCRIPTIONS = {
    400: "This is not JSON",
    401: "No key, or a wrong one",
    408: "The request came too slowly",
    413: "Too many bytes or rows",
    415: "The content type is not JSON",
    422: "Values that break the contract",
    503: "Busy, or stopping",
    504: "The prediction took too long",
}


def _response(status: int) -> dict[str, Any]:
    schema = VIOLATIONS_SCHEMA if status == 422 else PROBLEM_SCHEMA
    return {"description": STATUS_DESCRIPTIONS[status], "content": {"application/json": {"schema": schema}}}


RESPONSES: dict[int | str, dict[str, Any]] = {status: _response(status) for status in STATUS_DESCRIPTIONS}
NOT_RECORDED = RESPONSES[400] | {"description": "Nothing is recorded here"}
QUEUED_SCHEMA = {
    "title": "Queued",
    "type": "object",
    "properties": {"queued": {"type": "integer", "minimum": 1}},
    "required": ["queued"],
}


def describe(app: FastAPI, model: LoadedModel, server_config: ServerConfig) -> dict[str, Any]:
    """Return the OpenAPI document of `app` while it serves `model`."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    predictor = model.predictor
    document.setdefault("components", {})["schemas"] = {
        "Row": model.schema,
        "Answer": predictor.output_type.output_schema(predictor.output_names),
        "Feedback": model.feedback.schema(),
    }
    predict, feedback = (document["paths"][path]["post"] for path in ("/predict", "/feedback"))
    row_limits = {"minItems": 1, "maxItems": server_config.api_max_rows}
    content = {"schema": _one_or_many("Row", row_limits)}
    example_row = example(model.schema)
    if not model.validator.violations([example_row]):
        content["example"] = example_row
    predict["requestBody"] = {"required": True, "content": {"application/json": content}}
    predict["responses"]["200"] = {
        "description": "The answer for a row, or the answers for an array of rows",
        "content": {"application/json": {"schema": _one_or_many("Answer", {})}},
    }
    content = {"schema": _one_or_many("Feedback", row_limits)}
    feedback["requestBody"] = {"required": True, "content": {"application/json": content}}
    queued = {"application/json": {"schema": QUEUED_SCHEMA}}
    feedback["responses"]["202"] = {"description": "It will be recorded", "content": queued}
    if server_config.api_keys:
        scheme = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        document["components"]["securitySchemes"] = {"key": scheme}
        predict["security"] = feedback["security"] = [{"key": []}]
    return document


def _one_or_many(name: str, limits: dict[str, int]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{name}"}
    return {"anyOf": [reference, {"type": "array", "items": reference, **limits}]}


def page() -> tuple[str, dict[str, str]]:
    """Return the page to try the API, and headers that keep a browser from running any other code."""
    html = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    policy = {
        "default-src": "'none'",
        "script-src": _hash(html, "script"),
        "style-src": _hash(html, "style"),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return html, {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
    }


def _hash(html: str, tag: str) -> str:
    """Return the hash of the only element `tag`, which has no attributes, as Content Security Policy Level 3 has it."""
    (content,) = re.findall(rf"<{tag}>(.*)</{tag}>", html, flags=re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
