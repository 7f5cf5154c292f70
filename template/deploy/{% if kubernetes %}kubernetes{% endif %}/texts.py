"""Find labels, annotations and settings that YAML reads as numbers or as true, which an API server refuses."""

from collections.abc import Iterator

from pods import Object


def faults(thing: Object) -> Iterator[str]:
    """What is a number or a yes in places where Kubernetes takes text alone."""
    meta = thing["metadata"]
    spec = thing.get("spec") or {}
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    inner = template.get("metadata", {}) if isinstance(template, dict) else {}
    maps = [("label", meta.get("labels")), ("label", inner.get("labels"))]
    maps += [("annotation", meta.get("annotations")), ("annotation", inner.get("annotations"))]
    maps += [("data", thing.get("data"))] if thing["kind"] in ("ConfigMap", "Secret") else []
    for what, texts in maps:
        for key, value in (texts or {}).items():
            if not isinstance(value, str):
                yield f"{what} {key}: {value} is no text; put it in quotes"
