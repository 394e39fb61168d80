"""Headless Chromium, as Debian packages it: `apt-get install chromium chromium-driver`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

FLAGS = [
    "--headless=new",
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # A mouse, as on a desk: without one the charts show their tool bars all the time.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
]


def missing() -> str:
    """Why there is no browser on this machine; empty if there is one."""
    absent = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"no {' and no '.join(absent)} here: apt-get install chromium chromium-driver" if absent else ""


@contextmanager
def browser(width: int = 1600, height: int = 1000) -> Iterator[Chrome]:
    """A browser that knows nothing of earlier visits; the size is that of the page."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    with TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        driver = Chrome(options, Service(shutil.which("chromedriver")))
        try:
            frame = height - driver.execute_script("return window.innerHeight")
            driver.set_window_size(width, height + frame)
            yield driver
        finally:
            driver.quit()
