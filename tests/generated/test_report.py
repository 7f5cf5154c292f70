"""The report of a trained project, in a browser, as a person opens it from the disk."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import clone_with_versions, succeed
from ..support.browser import Browser, chromium
from ..support.engine import NEEDS_DEBIAN

pytestmark = NEEDS_DEBIAN
TASKS = ("tabular-classification", "tabular-regression")  # one of texts is drawn by the same modules
HOSTILE = "<img src=x onerror=alert(1)> عمود 日本 " + "x" * 200
TEXT = 4.5  # contrast that WCAG 2.2 asks of text (1.4.3)
MARK = 1.5  # of a pale bar behind one that can be seen
CONTRASTS = {
    ("ink", "card"),
    ("ink", "back"),
    ("soft", "card"),
    ("soft", "back"),
    ("accent", "card"),
    ("accent", "back"),
}
CONTRASTS |= {("bad", "card"), ("bad", "tint"), ("ink", "heat"), ("ink", "pale")}
CONTRASTS |= {(line, "card") for line in ("one", "two", "three", "four", "five")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as chrome:
        yield chrome


@pytest.fixture(scope="module", params=TASKS)
def project(
    request: pytest.FixtureRequest, trained_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project with a current version and a run of the monitor about a column with a hostile name."""
    folder = clone_with_versions(trained_of(request.param), tmp_path_factory.mktemp(request.param) / "myproj")
    env = os.environ | {"PYTHONPATH": f"{folder}/src", "API_STORE": "off"}
    version = (folder / "artifacts" / "current").read_text(encoding="utf-8").strip()
    (folder / "reports").mkdir()
    (folder / "reports" / "monitor.json").write_text(json.dumps(run_of(version)), encoding="utf-8")
    succeed(".venv/bin/python", "-m", "myproj", "report", cwd=folder, env=env)
    return folder


def run_of(version: str) -> dict[str, Any]:
    column = {"divergence": 0.3, "threshold": 0.05, "missing": 0.0, "labels": ["a", HOSTILE], "before": [0.5, 0.5]}
    violation = {"check": "drift", "column": HOSTILE, "sentence": HOSTILE, "alarm": True}
    return {
        "time": "2026-11-23T08:00:00Z",
        "artifact": version,
        "outcome": "alarm",
        "window": {"rows": 1000},
        "violations": [violation],
        "columns": {HOSTILE: column | {"now": [0.9, 0.1]}},
    }


def opened(browser: Browser, project: Path, width: int, scheme: str) -> Browser:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get((project / "reports" / "report.html").as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    return browser


def colors(browser: Browser) -> dict[str, str]:
    names = sorted({name for pair in CONTRASTS for name in pair} | {"pale"})
    read = """const style = getComputedStyle(document.documentElement);
    return arguments[0].map((name) => style.getPropertyValue("--" + name));"""
    return dict(zip(names, browser.execute_script(read, names), strict=True))


def luminance(color: str) -> float:
    digits = color.removeprefix("#") if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_it_opens_without_a_fault_asks_for_nothing_and_fits(
    browser: Browser, project: Path, width: int, scheme: str
) -> None:
    page = opened(browser, project, width, scheme)
    assert page.get_log("browser") == []
    assert [address for address in page.fetched() if not address.startswith(("file:", "data:"))] == []
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    background = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background))) < 64) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(browser: Browser, project: Path, scheme: str) -> None:
    palette = colors(opened(browser, project, 1280, scheme))
    assert {
        pair: contrast(*(palette[name] for name in pair))
        for pair in CONTRASTS
        if contrast(*(palette[name] for name in pair)) < TEXT
    } == {}
    assert contrast(palette["pale"], palette["card"]) > MARK


def test_no_name_of_a_chart_is_cut_off(browser: Browser, project: Path) -> None:
    """A text of a drawing that reaches out of it is not seen."""
    cut = opened(browser, project, 1280, "light").execute_script(
        """return [...document.querySelectorAll("svg[role=img]")].flatMap((svg) => {
          const frame = svg.getBoundingClientRect();
          return [...svg.querySelectorAll("text")].filter((text) => {
            const box = text.getBoundingClientRect();
            const aside = box.left < frame.left - 2 || box.right > frame.right + 2;
            return frame.width && (aside || box.top < frame.top - 2 || box.bottom > frame.bottom + 2);
          }).map((text) => svg.getAttribute("aria-label").slice(0, 40) + ": " + text.textContent);
        })"""
    )
    assert cut == []


def test_a_hostile_name_is_text(browser: Browser, project: Path) -> None:
    page = opened(browser, project, 390, "light")
    assert page.all("img, script, iframe") == []
    assert HOSTILE in page.execute_script("return document.body.textContent")


def test_it_is_small(project: Path) -> None:
    assert (project / "reports" / "report.html").stat().st_size < 300_000
