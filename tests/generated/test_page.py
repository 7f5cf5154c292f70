"""The page of a served project, in a browser, as a person uses it."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
from load import free_port
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from ..conftest import clone_with_versions, succeed
from ..support.browser import Browser, chromium
from ..support.engine import NEEDS_DEBIAN

pytestmark = NEEDS_DEBIAN
NAME = """<img src=x onerror=alert(1)> 'a' "größe" {{ x }}"""
CLASSES = {f"class <b>{number}</b>": 2 ** -(number + 1.0) for number in range(1000)}
PROPERTIES = {
    NAME: {"type": "string", "maxLength": 3000},
    "kind": {"type": ["string", "null"], "enum": [*CLASSES, None]},
    "__proto__": {"type": "number", "exclusiveMinimum": 0},
} | {f"column {number}": {"type": ["number", "null"]} for number in range(100)}
EXAMPLE = dict.fromkeys(PROPERTIES) | {NAME: "", "kind": "class <b>7</b>", "__proto__": 1.5}
fetch = build_opener(ProxyHandler({})).open


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as chrome:
        yield chrome


@contextmanager
def served(project: Path, **variables: str) -> Iterator[str]:
    """The address of a server of the current version of `project`."""
    port = free_port()
    env = os.environ | {"PYTHONPATH": f"{project}/src", "API_HOST": "127.0.0.1", "PORT": str(port)} | variables
    log = project / f"serve-{port}.log"
    with log.open("w", encoding="utf-8") as out:
        server = subprocess.Popen(
            [".venv/bin/python", "-m", "myproj", "serve"], cwd=project, env=env, stdout=out, stderr=out
        )
    try:
        ready = WebDriverWait(f"http://127.0.0.1:{port}/readyz", 60, 0.1, [OSError])  # type: ignore[type-var]
        ready.until(lambda address: server.poll() is not None or fetch(address))
        assert server.poll() is None, log.read_text(encoding="utf-8")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def projects(trained_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A classifier and a regressor with current versions."""
    return [
        clone_with_versions(trained_of(task), tmp_path_factory.mktemp(task) / "myproj")
        for task in ("tabular-classification", "tabular-regression")
    ]


@pytest.fixture(scope="module")
def penguins(projects: list[Path]) -> Iterator[str]:
    with served(projects[0]) as address:
        yield address


@pytest.fixture(scope="module")
def weights(projects: list[Path]) -> Iterator[str]:
    with served(projects[1]) as address:
        yield address


@pytest.fixture
def odd(browser: Browser) -> Iterator[None]:
    """The page is told of a contract with many columns and classes, and with names that look like HTML."""
    content = {"application/json": {"example": EXAMPLE}}
    document = {
        "info": {"title": NAME, "version": "1"},
        "components": {"schemas": {"Row": {"properties": PROPERTIES, "required": list(PROPERTIES)}}},
        "paths": {"/predict": {"post": {"requestBody": {"content": content}}}},
    }
    responses = {"openapi.json": document, "predict": {"predicted": "class <b>0</b>", "probabilities": CLASSES}}
    script = f"""const responses = JSON.parse({json.dumps(json.dumps(responses))});
    const respond = (url) => new Response(JSON.stringify(responses[url]));
    fetch = async (url, options) => (window.sent = options?.body, respond(url));"""
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    yield
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def curl_output(command: str) -> Any:  # noqa: ANN401
    """What the command answers that the page shows, in a shell."""
    assert command.startswith("curl 'http://127.0.0.1:")
    return json.loads(succeed("sh", "-c", f"{command} --silent --noproxy '*'", cwd=Path("/")))


def test_the_chart_shows_what_the_api_answers(browser: Browser, penguins: str) -> None:
    browser.open(penguins)
    browser.fill("bill_length_mm", 39.1)
    browser.fill("island", "Torgersen")
    browser.fill("sex", "not known")
    browser.predict()
    output = curl_output(browser.texts("#curl")[0])
    lines = [text.rsplit(maxsplit=2) for text in browser.texts("li")]
    percentages = {name: float(share) for name, share, _ in lines}
    assert browser.texts("#said strong") == [output["predicted"]] == list(percentages)[:1]
    assert percentages == pytest.approx(
        {name: 100 * share for name, share in output["probabilities"].items()}, abs=0.051
    )
    assert sum(percentages.values()) == pytest.approx(100, abs=0.2)
    widths = [bar.size["width"] / browser.all(".track")[0].size["width"] for bar in browser.all(".bar")]
    assert widths == pytest.approx([share / 100 for share in percentages.values()], abs=0.01)


def test_the_keyboard_alone_gets_an_answer(browser: Browser, penguins: str) -> None:
    browser.open(penguins)
    reached = [browser.press(Keys.TAB) for _ in range(8)]
    controls = browser.all("header a, #form input, #form select, #send")
    assert reached == controls
    assert {control.value_of_css_property("outline-style") for control in reached[-1:]} == {"solid"}
    browser.press(Keys.ENTER)
    browser.wait("#facts:not(:empty)")
    browser.open(penguins)
    browser.press(Keys.TAB, Keys.TAB, Keys.TAB, Keys.CONTROL + "a", Keys.NULL, "41.5", Keys.ENTER)
    browser.wait("#facts:not(:empty)")
    assert '"bill_length_mm": 41.5,' in browser.texts("#curl")[0]


def test_a_violation_is_said_at_its_field(browser: Browser, penguins: str) -> None:
    browser.open(penguins)
    browser.fill("body_mass_g", 1_000_000)
    browser.predict("[aria-invalid]")
    field = browser.field("body_mass_g")
    messages = browser.texts(".error")
    assert browser.all("[aria-invalid='true']") == [field] == [browser.switch_to.active_element]
    error = browser.find_element(By.ID, (field.get_attribute("aria-describedby") or "").split()[1])
    assert "at most 9900" in error.text
    assert [text for text in messages if text] == [error.text]
    browser.fill("body_mass_g", "e")
    browser.predict("[aria-invalid]")
    WebDriverWait(browser, 5).until(lambda _: error.text == "This is not a number.")
    browser.fill("body_mass_g", "")
    browser.predict()
    assert not browser.all("[aria-invalid]")


def test_the_right_key_is_asked_for(browser: Browser, projects: list[Path]) -> None:
    with served(projects[0], API_KEYS="one,two") as address:
        browser.open(address)
        browser.fill("API key", "three 🐧")
        browser.predict("[aria-invalid]")
        assert browser.switch_to.active_element == browser.field("API key")
        assert any("Send one of the keys" in text for text in browser.texts(".error"))
        browser.fill("API key", "two")
        browser.predict()
        curl = browser.texts("#curl")[0]
    assert '-H "X-API-Key: $API_KEY"' in curl
    assert "two" not in curl


def test_an_estimate_is_drawn_in_its_interval(browser: Browser, weights: str) -> None:
    browser.open(weights)
    browser.predict()
    output = curl_output(browser.texts("#curl")[0])
    assert float(browser.texts("#said strong")[0].replace(",", "")) == pytest.approx(output["estimate"], rel=1e-5)
    ends = [text.replace(",", "").split() for text in browser.texts(".end")]
    interval = {name: float(value) for name, value in ends}
    assert interval == pytest.approx({name: output[name] for name in ("low", "high")}, rel=1e-5)
    bar = browser.all(".bar")[0].rect
    dot = browser.all(".dot")[0].rect
    assert bar["x"] < dot["x"] + dot["width"] / 2 == pytest.approx(bar["x"] + bar["width"] / 2, abs=2)


@pytest.mark.parametrize("path", ["", "docs"])
def test_nothing_comes_from_elsewhere(browser: Browser, penguins: str, path: str) -> None:
    browser.open(penguins + path)
    if path:
        assert "/predict" in browser.texts(".opblock-summary-path")
    else:
        browser.predict()
    urls = browser.fetched()
    assert penguins + ("openapi.json" if path else "predict") in urls
    assert [url for url in urls if not url.startswith((penguins, "data:", "about:"))] == []
    assert browser.get_log("browser") == []


def test_a_server_that_is_gone_is_said(browser: Browser, penguins: str) -> None:
    browser.open(penguins)
    conditions = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", conditions | {"offline": True})
    browser.predict("#alert:not(:empty)")
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", dict.fromkeys(conditions, -1) | {"offline": False})
    assert browser.texts("#alert")[0].startswith("The server cannot be reached.")
    browser.predict()


@pytest.mark.usefixtures("odd")
def test_many_columns_and_classes_of_any_name_are_usable(browser: Browser, penguins: str) -> None:
    browser.open(penguins, width=360, height=800)
    assert browser.texts("h1") == browser.texts("label bdi")[:1] == [NAME]
    text = "it's\n`$HOME` \\"
    browser.field(NAME).send_keys(text, Keys.CONTROL + Keys.ENTER)
    browser.wait("#facts:not(:empty)")
    sent = json.loads(browser.execute_script("return sent"))
    assert sent == EXAMPLE | {NAME: text}
    words = succeed("sh", "-c", browser.texts("#curl")[0].replace("curl", "printf '%s\\0'", 1), cwd=Path("/"))
    assert json.loads(words.split("\0")[-2]) == sent
    assert browser.texts("li bdi") == [*list(CLASSES)[:12], "988 others"]
    assert not browser.all("img, li b")
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(360, 800), (1280, 900)])
def test_it_fits_the_screen(
    browser: Browser, penguins: str, weights: str, tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    for name, address in (("penguins", penguins), ("weights", weights)):
        browser.open(address, width, height, scheme)
        browser.predict()
        browser.save_screenshot(str(tmp_path / f"{name}-{width}-{scheme}.png"))
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
