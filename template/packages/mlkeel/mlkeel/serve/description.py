"""Describe the API as the contract of the model in use would have it, for its documentation and for its page."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mlkeel.config import Serving
from mlkeel.contract.request import MOST_REFUSALS, example
from mlkeel.inference.service import Service

PROBLEM = {
    "title": "Problem",
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}
REFUSAL = {
    "title": "Refusal",
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
REFUSALS = {
    "title": "Refusals",
    "type": "object",
    "properties": {"detail": {"type": "array", "items": REFUSAL, "maxItems": MOST_REFUSALS}},
    "required": ["detail"],
}
WHY = {
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
    schema = REFUSALS if status == 422 else PROBLEM
    return {"description": WHY[status], "content": {"application/json": {"schema": schema}}}


RESPONSES: dict[int | str, dict[str, Any]] = {status: _response(status) for status in WHY}
NOT_RECORDED = RESPONSES[400] | {"description": "Nothing is recorded here"}
QUEUED = {
    "title": "Queued",
    "type": "object",
    "properties": {"queued": {"type": "integer", "minimum": 1}},
    "required": ["queued"],
}


def describe(app: FastAPI, service: Service, serving: Serving) -> dict[str, Any]:
    """The OpenAPI document of `app` while `service` answers."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    row, answer = service.schema, service.predictor.kind.answer_schema(service.predictor.answers)
    schemas = {"Row": row, "Answer": answer, "Feedback": service.truths.schema()}
    document.setdefault("components", {})["schemas"] = schemas
    predict, feedback = (document["paths"][path]["post"] for path in ("/predict", "/feedback"))
    several = {"minItems": 1, "maxItems": serving.api_max_rows}
    content = {"schema": _one_or_many("Row", several)}
    if not service.rules.refusals([shown := example(row)]):
        content["example"] = shown
    predict["requestBody"] = {"required": True, "content": {"application/json": content}}
    predict["responses"]["200"] = {
        "description": "The answer for a row, or the answers for an array of rows",
        "content": {"application/json": {"schema": _one_or_many("Answer", {})}},
    }
    content = {"schema": _one_or_many("Feedback", several)}
    feedback["requestBody"] = {"required": True, "content": {"application/json": content}}
    queued = {"application/json": {"schema": QUEUED}}
    feedback["responses"]["202"] = {"description": "It will be recorded", "content": queued}
    if serving.api_keys:
        scheme = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        document["components"]["securitySchemes"] = {"key": scheme}
        predict["security"] = feedback["security"] = [{"key": []}]
    return document


def _one_or_many(name: str, limits: dict[str, int]) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{name}"}
    return {"anyOf": [one, {"type": "array", "items": one, **limits}]}


def page() -> tuple[str, dict[str, str]]:
    """The page to try the API, and headers by which a browser runs nothing but what stands there."""
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
    """The hash of the only element `tag`, which has no attributes, as Content Security Policy Level 3 writes it."""
    (content,) = re.findall(rf"<{tag}>(.*)</{tag}>", html, flags=re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
