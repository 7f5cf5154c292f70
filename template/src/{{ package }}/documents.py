"""Write what `adopt` changes in a project as text: settings, suites, behaviour, and the data's part of two READMEs.

The same decisions give the same bytes, and what a person wrote elsewhere in these files stays as it is.
"""

import json
import re
from typing import Any

import yaml

from .behavior import Case
from .cases import KINDS
from .changes import ABOUT
from .columns import Decision
from .contract import Contract, Suite
from .evaluate import MARGIN, SLICE_LIMIT
from .settings import Gate, Settings
from .target import promised

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


def params(text: str, settings: Settings, decisions: dict[str, Decision]) -> str:
    """The text of `conf/params.yaml` with other blocks `data`, `columns` and `gate`; all else stays as it is."""
    blocks = _blocks(text)
    if "columns" not in blocks:
        before, after = _cut(blocks, "data")
        blocks = {**before, "columns": "", **after}
    new = {"data": _data(settings), "columns": _columns(decisions), "gate": _gate(settings.gate)}
    return "".join(new[name] + _tail(block) if name in new else block for name, block in blocks.items())


def _blocks(text: str) -> dict[str, str]:
    """The file in blocks, each from its name up to the next name; what stands before the first has no name."""
    blocks, name = {"": ""}, ""
    for line in text.splitlines(keepends=True):
        if found := re.match(r"([a-z_]+):", line):
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


def _data(settings: Settings) -> str:
    data = settings.data
    trusted = f"  trusted: {_scalar(list(data.trusted))}  # may give the target away\n" if data.trusted else ""
    shares = _scalar(data.split.model_dump())
    path = _scalar(data.path.as_posix())
    return f"data:\n  path: {path}\n  target: {_scalar(data.target)}\n{trusted}  split: {shares}\n"


def _columns(decisions: dict[str, Decision]) -> str:
    lines = [f"  {_scalar(name)}: {one.role}  # {_printable(one.reason)}\n" for name, one in decisions.items()]
    return "columns:  # what each is; change a role, run `make adopt` again, and it keeps yours\n" + "".join(lines)


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _gate(gate: Gate) -> str:
    return f"""\
gate:  # a model that falls short is kept, but not put in use
  margin: {gate.margin:g}  # {MARGIN}
  slices: {_scalar(list(gate.slices))}
  slice_rows: {gate.slice_rows}  # smaller slices are not judged
  slice_limit: {gate.slice_limit:g}  # {SLICE_LIMIT}
  champion: {gate.champion:g}  # of the loss of the model in use, the share by which a new one may be worse
"""


def suite(content: Suite) -> str:
    """A suite in JSON with one expectation a line, so that a change of one rule is a change of one line."""
    lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in content["expectations"])
    meta = json.dumps(content["meta"], ensure_ascii=False)
    head, tail = f'"name": "{content["name"]}",\n  "expectations": [\n', f'\n  ],\n  "meta": {meta}\n'
    return "{\n  " + head + lines + tail + "}\n"


def behavior(cases: dict[str, list[Case]]) -> str:
    """The text of `tests/model/behavior.yaml`."""
    parts = [BEHAVIOR.format(about="".join(f"# {line}\n" for line in ABOUT))]
    for kind, said in KINDS.items():
        lines = [f"\n{kind}:{'' if cases[kind] else ' []'}  # {said}\n"]
        for case in cases[kind]:
            keys = [f"{key}: {_scalar(value)}\n" for key, value in case.items()]
            lines += ["  - ", "    ".join(keys)]
        parts.append("".join(lines))
    return "".join(parts)


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
    what = promised(contract, settings.data.target, _cell)
    values = "".join(f"        {_python(name)}: {_python(row[name])},\n" for name in names)
    path, package = settings.data.path.as_posix(), __name__.partition(".")[0]
    imports = f"from {package}.artifact import current\nfrom {package}.predict import Predictor\n"
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
