"""Show the rubric on the terminal."""

from rich import box
from rich.markup import escape
from rich.table import Table

from mlkeel.report.rubric import SOURCE, Rubric, RubricResult

STYLES = {"automated": None, "by hand": "yellow", "absent": "dim"}


def rubric_table(rubric: Rubric) -> Table:
    """Return a row for each test: automated, by hand or absent, and what shows that or what is missing."""
    table = Table("test", "done", box=box.SIMPLE)
    table.add_column("shown by, or missing", overflow="fold")
    for name, results in rubric.sections.items():
        table.add_section()
        table.add_row(f"[bold]{name}[/bold]", f"[bold]{rubric.scores[name]:g} of {len(results)}[/bold]", "")
        for result in results:
            table.add_row(escape(result.test.name), result.status, escape(_reason(result)), style=STYLES[result.status])
    table.caption = escape(f"After {SOURCE}: 1 automated, 0.5 by hand; the lowest section is the score.")
    table.caption_justify = "left"
    return table


def _reason(result: RubricResult) -> str:
    if result.status != "absent":
        return ", ".join(result.proofs)
    return f"{result.missing}. {result.test.remedy}"
