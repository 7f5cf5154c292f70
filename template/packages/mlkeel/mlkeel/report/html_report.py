"""Write `reports/report.html`: one file that needs no other, no script and no network; `report.css` says how it looks.

All names and values come from people's tables; htpy escapes each of them.
"""

from importlib.resources import files
from pathlib import Path

import htpy as h
from htpy import Node
from markupsafe import Markup

from mlkeel.errors import DataError
from mlkeel.files import whole_file
from mlkeel.project import Project
from mlkeel.report.advice import Advice, advise, verdict
from mlkeel.report.html_parts import ago, clean, counted, day, said_as
from mlkeel.report.html_sections import data, history, model
from mlkeel.report.review import Review, review
from mlkeel.tasks.kinds import kind_of


def write(project: Project, root: Path, store: str) -> Path:
    """Write the report on the `project` in `root`, whole or not at all.

    Raises:
        InputError: no model is in use, or `reports/` cannot be written.
    """
    content = page(review(project, root, store)).encode("utf-8", "replace")
    goal = root / "reports" / "report.html"
    try:
        goal.parent.mkdir(exist_ok=True)
        with whole_file(goal, "wb") as file:
            file.write(content)
    except OSError as error:
        raise DataError(f"{goal}: cannot be written ({error.strerror}). Make room there, and run it again.") from error
    return goal


def page(review: Review) -> str:
    """The report as HTML."""
    style = Markup((files(__package__) / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    title = f"{review.settings.data.target}: report on the model"
    body = h.body[_head(review), h.main[data(review), model(review), history(review)], _foot(review)]
    head = h.head[
        h.meta(charset="utf-8"),
        h.meta(name="viewport", content="width=device-width, initial-scale=1"),
        h.link(rel="icon", href="data:,"),
        h.title[clean(title)],
        h.style[style],
    ]
    return "".join(h.html(lang="en")[head, body].iter_chunks())


def _head(review: Review) -> Node:
    advices, metrics = advise(review), review.metrics
    contract, target, run = review.contract, review.settings.data.target, review.latest
    does = kind_of(contract, target).promised(contract, target, lambda name: name.replace("`", "'")).split("`")
    facts: dict[str, Node] = {
        "Version in use": h.code[review.version],
        "Trained": f"{day(metrics.created)}, {ago(review.age)}",
        "On": [h.code[said_as(review.settings.data.path)], f", {metrics.rows['train']:,} rows to learn from"],
        "Watched": f"{day(run.time)}: {run.said}; {run.window.rows:,} rows" if run else "not yet",
    }
    return h.header[
        h.p(".kind")["Report on the model"],
        h.h1[said_as(target)],
        h.p(".does")[
            "It ",
            [h.b[said_as(part)] if place % 2 else clean(part) for place, part in enumerate(does)],
            f" from {counted(len(contract.columns), 'column')}.",
        ],
        h.p(class_=["verdict", {"grave": any(advice.grave for advice in advices)}])[verdict(review, advices)],
        h.dl(".facts")[(h.div[h.dt[name], h.dd[value]] for name, value in facts.items())],
        h.section(".next", aria_labelledby="next")[
            h.h2("#next")["What to do next"], h.ol[(_to_do(advice) for advice in advices)]
        ],
        h.nav(aria_label="Sections")[
            h.a(href="#data")["The data"], h.a(href="#model")["The model"], h.a(href="#history")["History"]
        ],
    ]


def _to_do(advice: Advice) -> Node:
    return h.li(class_={"grave": advice.grave})[
        h.p[h.strong[said_as(advice.why)], " ", said_as(advice.what)],
        h.code(".command")[advice.command] if advice.command else None,
    ]


def _foot(review: Review) -> Node:
    return h.footer[f"Written by make report, {review.when.day} {review.when:%B %Y, %H:%M} UTC."]
