"""Debian's Chromium, controlled by Playwright, on the real pages."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Page, sync_playwright

from tests.support.paths import PROJECT

PICTURES = PROJECT / "test-artefacts"
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module", autouse=True)
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("No Chromium here: 'apt-get install chromium' brings it.")
    PICTURES.mkdir(exist_ok=True)
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright runs a loop in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
        connections.close_all()  # Django takes one for this loop; nobody could reach it afterwards
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(chromium: Any, live_server: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Return a window with access to our own server only. Its last view is saved as a picture."""
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
    context.route(lambda url: not url.startswith(live_server.url), lambda route: route.abort())
    window = context.new_page()
    window.set_default_timeout(20_000)
    refused, errors = note_what_the_policy_refuses(window), list[str]()
    window.on("pageerror", lambda error: errors.append(str(error)))
    yield window
    assert (refused, errors) == ([], [])
    window.screenshot(path=PICTURES / f"{request.node.name}.png", full_page=True)
    context.close()


def note_what_the_policy_refuses(window: Page) -> list[str]:
    """Return a list to which each violation of the Content-Security-Policy in the window is appended."""
    refused: list[str] = []
    window.on("console", lambda line: refused.append(line.text) if "Content Security Policy" in line.text else None)
    return refused
