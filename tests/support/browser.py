"""Headless Chromium with the few gestures that the tests of the page need."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from .engine import install


class Browser(webdriver.Chrome):
    """Chromium with the few gestures that these tests need."""

    def open(self, address: str, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Load a page afresh, with its logs emptied, and wait for its form."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        likes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in likes.items()]
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.get("about:blank")
        for log in ("browser", "performance"):
            self.get_log(log)
        self.get(address)
        self.wait("#form:not([hidden]), .opblock-summary-path")

    def all(self, selector: str) -> list[WebElement]:
        return self.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.all(selector)]

    def wait(self, selector: str) -> WebElement:
        """The first element that `selector` matches, once there is one."""
        return WebDriverWait(self, 20, 0.05).until(lambda _: self.all(selector))[0]

    def field(self, name: str) -> WebElement:
        """The control that is labelled with this name."""
        label = next(label for label in self.all("label") if label.find_element(By.TAG_NAME, "bdi").text == name)
        return self.find_element(By.ID, str(label.get_attribute("for")))

    def fill(self, name: str, value: object) -> None:
        field = self.field(name)
        if field.tag_name == "select":
            Select(field).select_by_visible_text(str(value))
        else:
            field.clear()
            field.send_keys(str(value))

    def press(self, *keys: str) -> WebElement:
        """Type on the keyboard, and return what has the focus then."""
        webdriver.ActionChains(self).send_keys(*keys).perform()
        return self.switch_to.active_element

    def predict(self, outcome: str = "#facts:not(:empty)") -> None:
        self.find_element(By.ID, "send").click()
        self.wait(outcome)

    def fetched(self) -> list[str]:
        """The addresses that were asked for since the page was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium and its driver, which are installed where they are missing."""
    install("chromium", "chromium-driver", "curl")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Browser(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()
