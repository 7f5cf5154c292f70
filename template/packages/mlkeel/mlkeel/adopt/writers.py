"""Render the files that `adopt` changes as text: settings, suites, behaviour cases, and blocks of two READMEs.

The same decisions give the same bytes, and what a person wrote elsewhere in these files stays as it is.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import yaml

from mlkeel.adopt.infer_roles import RoleDecision
from mlkeel.behavior.cases import Case
from mlkeel.behavior.kinds import case_type_of
from mlkeel.behavior.perturbations import perturbations_of
from mlkeel.config import Gate, Settings
from mlkeel.contract import markdown
from mlkeel.contract.suites import Contract, Suite
from mlkeel.errors import InputError
from mlkeel.tasks.metrics import Metric, primary
from mlkeel.tasks.output_types import output_type_of

BLOCK_BEGIN = r"<!-- make adopt writes "
BLOCK_END = r"<!-- to here -->"
BLOCK = re.compile(rf"({BLOCK_BEGIN}(\w+) -->\n)(?:(?!{BLOCK_BEGIN}).)*?({BLOCK_END})", re.DOTALL)
BEHAVIOR_HEADER = """\
# What the model must do, in the words of somebody who knows the subject; read by test_behavior.py.
#
{about}# Cases with `draft: true` were drafted by `make adopt` from what the model does: review them, and take the mark
# away from those that are right, so that the next `make adopt` keeps them.
"""
NO_REASONS: Mapping[str, str] = MappingProxyType({})
MAX_EXAMPLE_VALUES = 24  # longer rows do not fit a README


def render_params(
    text: str,
    settings: Settings,
    decisions: dict[str, RoleDecision],
    metrics: Sequence[Metric],
    split_reason: str = "",
) -> str:
    """Render `conf/params.yaml` with the new values of what `adopt` decides; the rest stays as a person wrote it.

    In `data` and `gate`, only keys whose values differ are changed, and their comments stay; the reason of the split
    replaces its comment, and `columns` is rewritten.

    Raises:
        InputError: a section of `text` cannot be found.
    """
    blocks = _split_sections(text if text.endswith("\n") else f"{text}\n")
    if missing := {"data", "gate"} - set(blocks):
        raise InputError(
            f"conf/params.yaml: {', '.join(sorted(missing))} has no line of its own, so it cannot be changed there. "
            "Write the file with one section after the other."
        )
    if "columns" not in blocks:
        before, after = _split_after(blocks, "data")
        blocks = {**before, "columns": "", **after}
    gate_head, gate_comments = _gate_comments(metrics)
    data_comments = {"allow_leaky": "may give the target away"}
    reasons = {"split": _printable(split_reason)} if split_reason else {}
    new_blocks = {
        "data": _update_block(blocks["data"], "data:", _data_values(settings), data_comments, reasons),
        "columns": _columns_section(decisions) + _tail(blocks["columns"]),
        "gate": _update_block(blocks.get("gate", ""), gate_head, _gate_values(settings.gate), gate_comments),
    }
    for name, value in {"decision": settings.decision, "class_weight": settings.class_weight}.items():
        if value is None and name in blocks:
            new_blocks[name] = _tail(blocks[name])
    return "".join(new_blocks.get(name, block) for name, block in (blocks | {"gate": blocks.get("gate", "")}).items())


def _update_block(
    block: str, head: str, values: dict[str, Any], comments: dict[str, str], reasons: Mapping[str, str] = NO_REASONS
) -> str:
    """Set `values` in a block, one key a line; a value of None removes its key.

    New keys get their comments; keys with `reasons` get these in place of any comment.
    """
    tail = _tail(block)
    lines = block[: len(block) - len(tail)].splitlines(keepends=True) or [f"{head}\n"]
    old_values = next(iter((yaml.safe_load(block) or {"": None}).values()), None) or {}
    if re.match(r"[a-z_]+:\s*[^\s#]", lines[0]):  # all of it in one line, in braces
        lines = [f"{head}\n"]
        values = old_values | values
        old_values = {}
    indent = next((match[1] for line in lines[1:] if (match := re.match(r"( +)[^ #]", line))), "  ")
    for key, value in values.items():
        pattern = rf"{indent}['\"]?{re.escape(key)}['\"]?:"
        start = next((index for index, line in enumerate(lines) if re.match(pattern, line)), None)
        is_one_line = start is not None and not lines[start].split("#")[0].rstrip().endswith(":")
        if start is not None and old_values.get(key) == value and not (key in reasons and is_one_line):
            continue
        new_lines = [] if value is None else [f"{indent}{key}: {_to_yaml(value)}"]
        new_comments = {**comments, **reasons}
        if start is None:
            comment = f"  # {new_comments[key]}" if key in new_comments else ""
            lines += [f"{line}{comment}\n" for line in new_lines]
            continue
        end = start + 1
        while end < len(lines) and re.match(rf"{indent}(?: |- )", lines[end]):
            end += 1  # the rest of a value that takes several lines
        comment = f"  # {reasons[key]}" if key in reasons else _comment(lines[start])
        lines[start:end] = [f"{line}{comment}\n" for line in new_lines]
    return "".join(lines) + tail


def _comment(line: str) -> str:
    """Return the comment at the end of a line, with the spaces before it; a `#` within quotes begins none."""
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and line[index - 1] in " [{,:":
            quote = character
        elif character == "#" and line[index - 1] == " ":
            return line[len(line[:index].rstrip()) :].rstrip("\n")
    return ""


def _split_sections(text: str) -> dict[str, str]:
    """Split the file at its top-level keys, into blocks by key; what stands before the first key is under ""."""
    blocks = {"": ""}
    name = ""
    for line in text.splitlines(keepends=True):
        if match := re.match(r"""['"]?([^\s#'":{}\[\],-][^\s'":]*)['"]?\s*:(?:\s|$)""", line):
            name = match[1]
        blocks[name] = blocks.get(name, "") + line
    return blocks


def _split_after(blocks: dict[str, str], key: str) -> tuple[dict[str, str], dict[str, str]]:
    names = list(blocks)
    index = names.index(key) + 1
    return {name: blocks[name] for name in names[:index]}, {name: blocks[name] for name in names[index:]}


def _tail(block: str) -> str:
    """Return the empty lines and comments after the last line of a block, which belong to the next block."""
    lines = block.splitlines(keepends=True)
    while lines and (lines[-1][:1] in ("", "#", "\n")):
        lines.pop()
    return block[len("".join(lines)) :] or ("\n" if not block else "")


def _to_yaml(value: object) -> str:
    """Render a value in one line of YAML, quoted where it must be."""
    text: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=1_000_000, sort_keys=False)
    return text.strip()[1:-1]


def _data_values(settings: Settings) -> dict[str, Any]:
    data = settings.data
    return {
        "path": data.path.as_posix(),
        "target": data.target,
        "allow_leaky": list(data.allow_leaky) or None,
        "split": data.split.model_dump(mode="json", exclude_unset=True),
    }


def _columns_section(decisions: dict[str, RoleDecision]) -> str:
    lines = [
        f"  {_to_yaml(name)}: {decision.role}  # {_printable(decision.reason)}\n"
        for name, decision in decisions.items()
    ]
    return "columns:  # what each is; change a role, run `make adopt` again, and it keeps yours\n" + "".join(lines)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _gate_values(gate: Gate) -> dict[str, Any]:
    values = gate.model_dump() | {"slices": list(gate.slices)}
    return {key: _int_if_whole(value) if isinstance(value, float) else value for key, value in values.items()}


def _int_if_whole(value: float) -> float | int:
    """Write 3.0 as 3."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _gate_comments(metrics: Sequence[Metric]) -> tuple[str, dict[str, str]]:
    """Return the first line of a new gate, and the comment on each key."""
    loss = primary(metrics)
    slice_metric = metrics[0]
    unit = ", in the unit of the target" if slice_metric.in_target_unit else ""
    return "gate:  # a version that fails it is kept, but not made current", {
        "min_skill": f"of the baseline's {loss.phrase}, the share that must be saved: the skill",
        "min_slice_rows": "smaller slices are not judged",
        "min_slice_score": f"{slice_metric.phrase} of a slice, at least{unit}",
        "max_slice_error": f"{slice_metric.phrase} of a slice, at most{unit}",
        "max_regression": "share by which the loss may exceed that of the current version",
    }


def render_suite(content: Suite) -> str:
    """Render a suite as JSON with one expectation a line, so that a change of one is a change of one line."""
    lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in content["expectations"])
    meta = json.dumps(content["meta"], ensure_ascii=False)
    head = f'"name": "{content["name"]}",\n  "expectations": [\n'
    tail = f'\n  ],\n  "meta": {meta}\n'
    return "{\n  " + head + lines + tail + "}\n"


def render_behavior(
    cases: dict[str, list[Case]], contract: Contract, target: str, unanswerable: dict[str, list[Case]] | None = None
) -> str:
    """Render `tests/model/behavior.yaml`; `unanswerable` cases become comments."""
    parts = [BEHAVIOR_HEADER.format(about="".join(f"# {line}\n" for line in perturbations_of(contract).ABOUT))]
    for kind, description in case_type_of(contract, target).KINDS.items():
        lines = [f"\n{kind}:{'' if cases[kind] else ' []'}  # {description}\n"]
        parts.append("".join([*lines, *map(_case, cases[kind])]))
    commented = {kind: kind_cases for kind, kind_cases in (unanswerable or {}).items() if kind_cases}
    if commented:
        parts.append("\n# Cases of yours that the table cannot answer any more: correct them, or delete them.\n")
    for kind, kind_cases in commented.items():
        text = "".join([f"{kind}:\n", *map(_case, kind_cases)])
        parts.append("".join(f"# {line}" for line in text.splitlines(keepends=True)))
    return "".join(parts)


def _case(case: Case) -> str:
    return "  - " + "    ".join(f"{key}: {_to_yaml(value)}\n" for key, value in case.items())


def has_block(text: str, name: str) -> bool:
    """Whether a text has the markers of a block."""
    return any(match[2] == name for match in BLOCK.finditer(text))


def readme_blocks(settings: Settings, contract: Contract, draft_check: str, row: dict[Any, Any]) -> dict[str, str]:
    """Render the blocks of the README.

    Args:
        settings: with the path and the target of the table.
        contract: the contract, with the features.
        draft_check: how well the drafted contract works, in a sentence.
        row: an example row to predict.
    """
    names = [column.name for column in contract.columns]
    features = ", ".join(map(markdown.code, names[:12])) + (", …" if len(names) > 12 else "")
    task = output_type_of(contract, settings.data.target).task_sentence(contract, settings.data.target, markdown.text)
    values = "".join(f"        {_to_python(name)}: {_to_python(row[name])},\n" for name in names)
    path = settings.data.path.as_posix()
    imports = "from mlkeel.inference.predictor import Predictor\nfrom mlkeel.registry.artifact import current\n"
    call = "predictor.predict_row(\n    {\n" + values + "    }\n)\n"
    example = f"""
```python
from pathlib import Path

{imports}
predictor = Predictor.load(current(Path("artifacts")))
{call}```
"""
    return {
        "data": f"""\
It {task} from {features}.
The table is `{path}`; `conf/params.yaml` says what each of its columns is, and why.
{markdown.text(draft_check)}
""",
        "predict": f"""\
```sh
make predict IN={path} OUT=predictions/{settings.data.path.name}
```
{example if len(names) <= MAX_EXAMPLE_VALUES else ""}""",
    }


def replace_blocks(readme: str, blocks: dict[str, str]) -> str:
    """Replace the text between the markers of each block of the README; without markers it stays as it is."""

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}\n{blocks[match[2]]}\n{match[3]}" if match[2] in blocks else match[0]

    return BLOCK.sub(fill, readme)


def _to_python(value: Any) -> str:  # noqa: ANN401 - a number, a string or a missing value
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "None" if value != value else repr(float(value))
