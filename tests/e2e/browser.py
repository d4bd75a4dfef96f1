"""Debian's Chromium, driven without a screen; or the reason why there is none."""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.redis_servers import in_ci

PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_S = 40.0


def require_browser() -> None:
    """Skip where there is no browser, and fail in CI unless it has said that it has none."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    reason = f"no {' and no '.join(missing)} on PATH: apt-get install chromium chromium-driver"
    if in_ci() and not os.environ.get("PENSTOCK_TEST_WITHOUT_CHROMIUM"):
        pytest.fail(reason)
    pytest.skip(reason)


class Browser:
    """A window on one page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def find(self, selector: str) -> WebElement:
        """Wait until something is there and can be seen."""
        waiting = WebDriverWait(
            self.driver, PATIENCE_S, ignored_exceptions=[StaleElementReferenceException]
        )

        def shown(driver: webdriver.Chrome) -> WebElement | None:
            found = driver.find_elements(By.CSS_SELECTOR, selector)
            return next((each for each in found if each.is_displayed()), None)

        return waiting.until(shown, f"nothing like {selector} is seen")  # type: ignore[return-value]  # selenium's type allows what never comes

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        WebDriverWait(
            self.driver, PATIENCE_S, ignored_exceptions=[StaleElementReferenceException]
        ).until(lambda _driver: holds(), what)

    def text(self, selector: str = "body") -> str:
        """Return what a person reads there."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 (JSON)
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def wear(self, width: int, scheme: str) -> None:
        """Be as wide as a screen, and light or dark as its owner likes."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        wish = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)

    def complaints(self) -> list[str]:
        """Return what the browser itself found wrong, such as a breach of the page's policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def asked(self) -> list[str]:
        """Return every address the page has asked for."""
        script = "return performance.getEntriesByType('resource').map((each) => each.name)"
        return list(self.run(script))


@contextmanager
def a_browser() -> Generator[Browser]:
    """Open a browser that knows nothing yet."""
    require_browser()
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    with tempfile.TemporaryDirectory(
        prefix="penstock-chromium-", ignore_cleanup_errors=True
    ) as name:
        for flag in (*FLAGS, f"--user-data-dir={name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(str(shutil.which("chromedriver")))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            yield Browser(driver)
        finally:
            driver.quit()
