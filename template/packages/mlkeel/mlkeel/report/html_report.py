"""Write `reports/report.html`: one self-contained file without scripts, styled by `report.css`.

All names and values come from tables of users; htpy escapes each of them.
"""

from importlib.resources import files
from pathlib import Path

import htpy as h
from htpy import Node
from markupsafe import Markup

from mlkeel.errors import DataError
from mlkeel.files import atomic_write
from mlkeel.project import Project
from mlkeel.report.html_parts import clean, format_age, format_time, pluralize, user_text
from mlkeel.report.html_sections import data_section, history_section, model_section
from mlkeel.report.recommendations import Recommendation, recommend, verdict
from mlkeel.report.report_data import ReportData, collect
from mlkeel.tasks.output_types import output_type_of


def write(project: Project, root: Path, store: str) -> Path:
    """Write the report on the `project` in `root` atomically, and return its path.

    Raises:
        InputError: there is no current version, or `reports/` cannot be written.
    """
    content = page(collect(project, root, store)).encode("utf-8", "replace")
    path = root / "reports" / "report.html"
    try:
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path, "wb") as file:
            file.write(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Make room there, and run it again.") from error
    return path


def page(report: ReportData) -> str:
    """Return the report as HTML."""
    style = Markup((files(__package__) / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    title = f"{report.settings.data.target}: report on the model"
    sections = h.main[data_section(report), model_section(report), history_section(report)]
    body = h.body[_head(report), sections, _foot(report)]
    head = h.head[
        h.meta(charset="utf-8"),
        h.meta(name="viewport", content="width=device-width, initial-scale=1"),
        h.link(rel="icon", href="data:,"),
        h.title[clean(title)],
        h.style[style],
    ]
    return "".join(h.html(lang="en")[head, body].iter_chunks())


def _head(report: ReportData) -> Node:
    recommendations = recommend(report)
    metrics = report.metrics_file
    contract = report.contract
    target = report.settings.data.target
    run = report.latest_run
    output_type = output_type_of(contract, target)
    task_parts = output_type.task_sentence(contract, target, lambda name: name.replace("`", "'")).split("`")
    facts: dict[str, Node] = {
        "Current version": h.code[report.version],
        "Trained": f"{format_time(metrics.created)}, {format_age(report.age_days)}",
        "On": [h.code[user_text(report.settings.data.path)], f", {metrics.rows['train']:,} rows to learn from"],
        "Split": user_text(metrics.split.sentence if metrics.split else "not known"),
        "Watched": f"{format_time(run.time)}: {run.summary}; {run.window.rows:,} rows" if run else "not yet",
    }
    return h.header[
        h.p(".kind")["Report on the model"],
        h.h1[user_text(target)],
        h.p(".does")[
            "It ",
            [h.b[user_text(part)] if index % 2 else clean(part) for index, part in enumerate(task_parts)],
            f" from {pluralize(len(contract.columns), 'column')}.",
        ],
        h.p(class_=["verdict", {"critical": any(recommendation.critical for recommendation in recommendations)}])[
            verdict(report, recommendations)
        ],
        h.dl(".facts")[(h.div[h.dt[name], h.dd[value]] for name, value in facts.items())],
        h.section(".next", aria_labelledby="next")[
            h.h2("#next")["What to do next"],
            h.ol[(_recommendation_item(recommendation) for recommendation in recommendations)],
        ],
        h.nav(aria_label="Sections")[
            h.a(href="#data")["The data"], h.a(href="#model")["The model"], h.a(href="#history")["History"]
        ],
    ]


def _recommendation_item(recommendation: Recommendation) -> Node:
    return h.li(class_={"critical": recommendation.critical})[
        h.p[h.strong[user_text(recommendation.why)], " ", user_text(recommendation.what)],
        h.code(".command")[recommendation.command] if recommendation.command else None,
    ]


def _foot(report: ReportData) -> Node:
    return h.footer[f"Written by make report, {report.created_at.day} {report.created_at:%B %Y, %H:%M} UTC."]
