"""Write what `adopt` changes in a project as text: settings, suites, behaviour, and the data's part of two READMEs.

The same decisions give the same bytes, and what a person wrote elsewhere in these files stays as it is.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import yaml

from mlkeel.adopt.columns import Decision
from mlkeel.behavior.cases import Case
from mlkeel.behavior.changes import changes_of
from mlkeel.behavior.kinds import cases_of
from mlkeel.config import Gate, Settings
from mlkeel.contract.suites import Contract, Suite
from mlkeel.errors import InputError
from mlkeel.tasks.kinds import kind_of
from mlkeel.tasks.metrics import Metric, primary

BEGIN, END = r"<!-- make adopt writes ", r"<!-- to here -->"
BLOCK = re.compile(rf"({BEGIN}(\w+) -->\n)(?:(?!{BEGIN}).)*?({END})", re.DOTALL)
BEHAVIOR = """\
# What the model must do, in the words of somebody who knows the subject; read by test_behavior.py.
#
{about}# Cases with `draft: true` were drafted by `make adopt` from what the model does: review them, and take the mark
# away from those that are right, so that the next `make adopt` keeps them.
"""
READABLE = 24  # values in an example row
DATA_README = """\
# Data

<!-- make adopt writes columns -->
<!-- to here -->

Say here what a row is, who measured it, when, and under which licence.
"""


def params(text: str, settings: Settings, decisions: dict[str, Decision], metrics: Sequence[Metric]) -> str:
    """The text of `conf/params.yaml` with other values of what adopt decides; all else stays as a person wrote it.

    Of `data` and `gate` only the keys are changed whose values differ, and their comments stay; `columns` is new.
    """
    blocks = _blocks(text if text.endswith("\n") else f"{text}\n")
    if lost := {"data", "gate"} - set(blocks):
        raise InputError(
            f"conf/params.yaml: {', '.join(sorted(lost))} has no line of its own, so it cannot be changed there. Write "
            "the file with one section after the other."
        )
    if "columns" not in blocks:
        before, after = _cut(blocks, "data")
        blocks = {**before, "columns": "", **after}
    head, comments = _gate_comments(metrics)
    new = {
        "data": _changed(blocks["data"], "data:", _data(settings), {"trusted": "may give the target away"}),
        "columns": _columns(decisions) + _tail(blocks["columns"]),
        "gate": _changed(blocks.get("gate", ""), head, _gate(settings.gate), comments),
    }
    return "".join(new.get(name, block) for name, block in (blocks | {"gate": blocks.get("gate", "")}).items())


def _changed(block: str, head: str, values: dict[str, Any], comments: dict[str, str]) -> str:
    """A block with these values under its name, each in its line; one that is None is taken out."""
    tail = _tail(block)
    lines = block[: len(block) - len(tail)].splitlines(keepends=True) or [f"{head}\n"]
    before = next(iter((yaml.safe_load(block) or {"": None}).values()), None) or {}
    if re.match(r"[a-z_]+:\s*[^\s#]", lines[0]):  # all of it in one line, in braces
        lines, values, before = [f"{head}\n"], before | values, {}
    indent = next((found[1] for line in lines[1:] if (found := re.match(r"( +)[^ #]", line))), "  ")
    for key, value in values.items():
        name = rf"{indent}['\"]?{re.escape(key)}['\"]?:"
        place = next((number for number, line in enumerate(lines) if re.match(name, line)), None)
        if place is not None and before.get(key) == value:
            continue
        written = [] if value is None else [f"{indent}{key}: {_scalar(value)}"]
        if place is None:
            comment = f"  # {comments[key]}" if key in comments else ""
            lines += [f"{line}{comment}\n" for line in written]
            continue
        end = place + 1
        while end < len(lines) and re.match(rf"{indent}(?: |- )", lines[end]):
            end += 1  # the rest of a value that takes several lines
        lines[place:end] = [f"{line}{_comment(lines[place])}\n" for line in written]
    return "".join(lines) + tail


def _comment(line: str) -> str:
    """The comment at the end of a line, with the blanks before it; a sign within quotes begins none."""
    quote = ""
    for place, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and line[place - 1] in " [{,:":
            quote = sign
        elif sign == "#" and line[place - 1] == " ":
            return line[len(line[:place].rstrip()) :].rstrip("\n")
    return ""


def _blocks(text: str) -> dict[str, str]:
    """The file in blocks, each from its name up to the next name; what stands before the first has no name."""
    blocks, name = {"": ""}, ""
    for line in text.splitlines(keepends=True):
        if found := re.match(r"""['"]?([^\s#'":{}\[\],-][^\s'":]*)['"]?\s*:(?:\s|$)""", line):
            name = found[1]
        blocks[name] = blocks.get(name, "") + line
    return blocks


def _cut(blocks: dict[str, str], after: str) -> tuple[dict[str, str], dict[str, str]]:
    names = list(blocks)
    place = names.index(after) + 1
    return {name: blocks[name] for name in names[:place]}, {name: blocks[name] for name in names[place:]}


def _tail(block: str) -> str:
    """The empty lines and comments after the last line of a block, which belong to what follows."""
    lines = block.splitlines(keepends=True)
    while lines and (lines[-1][:1] in ("", "#", "\n")):
        lines.pop()
    return block[len("".join(lines)) :] or ("\n" if not block else "")


def _scalar(value: object) -> str:
    """A value in one line of YAML, quoted where it must be."""
    shown: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=1_000_000, sort_keys=False)
    return shown.strip()[1:-1]


def _data(settings: Settings) -> dict[str, Any]:
    data = settings.data
    return {
        "path": data.path.as_posix(),
        "target": data.target,
        "trusted": list(data.trusted) or None,
        "split": data.split.model_dump(),
    }


def _columns(decisions: dict[str, Decision]) -> str:
    lines = [f"  {_scalar(name)}: {one.role}  # {_printable(one.reason)}\n" for name, one in decisions.items()]
    return "columns:  # what each is; change a role, run `make adopt` again, and it keeps yours\n" + "".join(lines)


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _gate(gate: Gate) -> dict[str, Any]:
    values = gate.model_dump() | {"slices": list(gate.slices)}
    return {key: _rounded(value) if isinstance(value, float) else value for key, value in values.items()}


def _rounded(value: float) -> float | int:
    """No point where none is needed."""
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _gate_comments(metrics: Sequence[Metric]) -> tuple[str, dict[str, str]]:
    """What a gate that is new says of itself, and of each key."""
    loss, of_slices = primary(metrics), metrics[0]
    unit = ", in the unit of the target" if of_slices.in_target_unit else ""
    return "gate:  # a model that falls short is kept, but not put in use", {
        "margin": f"of the baseline's {loss.said}, the share that must be saved",
        "slice_rows": "smaller slices are not judged",
        "slice_limit": f"{of_slices.said} of a slice, at {'least' if of_slices.greater_is_better else 'most'}{unit}",
        "champion": "of the loss of the model in use, the share by which a new one may be worse",
    }


def suite(content: Suite) -> str:
    """A suite in JSON with one expectation a line, so that a change of one rule is a change of one line."""
    lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in content["expectations"])
    meta = json.dumps(content["meta"], ensure_ascii=False)
    head, tail = f'"name": "{content["name"]}",\n  "expectations": [\n', f'\n  ],\n  "meta": {meta}\n'
    return "{\n  " + head + lines + tail + "}\n"


def behavior(
    cases: dict[str, list[Case]], contract: Contract, target: str, gone: dict[str, list[Case]] | None = None
) -> str:
    """The text of `tests/model/behavior.yaml`; cases that are `gone` stay as comments."""
    parts = [BEHAVIOR.format(about="".join(f"# {line}\n" for line in changes_of(contract).ABOUT))]
    for kind, said in cases_of(contract, target).KINDS.items():
        lines = [f"\n{kind}:{'' if cases[kind] else ' []'}  # {said}\n"]
        parts.append("".join([*lines, *map(_case, cases[kind])]))
    left = {kind: some for kind, some in (gone or {}).items() if some}
    if left:
        parts.append("\n# Cases of yours that the table cannot answer any more: correct them, or delete them.\n")
    for kind, some in left.items():
        text = "".join([f"{kind}:\n", *map(_case, some)])
        parts.append("".join(f"# {line}" for line in text.splitlines(keepends=True)))
    return "".join(parts)


def _case(case: Case) -> str:
    return "  - " + "    ".join(f"{key}: {_scalar(value)}\n" for key, value in case.items())


def columns_block(title: str, rows: int, decisions: dict[str, Decision]) -> dict[str, str]:
    """What `data/README.md` says of a table."""
    lines = "".join(f"| `{_cell(name)}` | {one.role} | {_cell(one.reason)} |\n" for name, one in decisions.items())
    return {"columns": f"`{title}`: {rows:,} rows.\n\n| column | role | seen |\n|---|---|---|\n{lines}"}


def has_block(text: str, name: str) -> bool:
    """Whether a text has the marks of a block."""
    return any(found[2] == name for found in BLOCK.finditer(text))


def readme_blocks(settings: Settings, contract: Contract, trial: str, row: dict[Any, Any]) -> dict[str, str]:
    """What the project's README says of its data and of the `trial` of its contract, and how it predicts a `row`."""
    names = [column.name for column in contract.columns]
    shown = ", ".join(f"`{_cell(name)}`" for name in names[:12]) + (", …" if len(names) > 12 else "")
    what = kind_of(contract, settings.data.target).promised(contract, settings.data.target, _cell)
    values = "".join(f"        {_python(name)}: {_python(row[name])},\n" for name in names)
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
It {what} from {shown}.
The table is `{path}`; `conf/params.yaml` says what each of its columns is, and why.
{trial}
""",
        "predict": f"""\
```sh
make predict IN={path} OUT=predictions/{settings.data.path.name}
```
{example if len(names) <= READABLE else ""}""",
    }


def with_blocks(readme: str, blocks: dict[str, str]) -> str:
    """The README with other text between the marks of each block; without marks, as it is."""

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}\n{blocks[found[2]]}\n{found[3]}" if found[2] in blocks else found[0]

    return BLOCK.sub(fill, readme)


def _python(value: Any) -> str:  # noqa: ANN401 - a number, a text or nothing
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "None" if value != value else repr(float(value))


def _cell(text: str) -> str:
    """Text that neither ends a cell of a table nor a piece of code."""
    return text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
