"""Find labels, annotations and settings that YAML reads as numbers or booleans, which an API server refuses."""

from collections.abc import Iterator

from pods import Object


def faults(obj: Object) -> Iterator[str]:
    """Yield each value that is not a string where Kubernetes accepts only strings."""
    metadata = obj["metadata"]
    spec = obj.get("spec") or {}
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    template_metadata = template.get("metadata", {}) if isinstance(template, dict) else {}
    mappings = [("label", metadata.get("labels")), ("label", template_metadata.get("labels"))]
    mappings += [("annotation", metadata.get("annotations")), ("annotation", template_metadata.get("annotations"))]
    mappings += [("data", obj.get("data"))] if obj["kind"] in ("ConfigMap", "Secret") else []
    for field, values in mappings:
        for key, value in (values or {}).items():
            if not isinstance(value, str):
                yield f"{field} {key}: {value} is no text; put it in quotes"
