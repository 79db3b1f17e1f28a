"""A real Chromium for pages. Without one its tests are skipped, unless it is required."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, async_playwright

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1440, 900), (390, 844)
MISSING = "no Chromium on this machine: apt-get install chromium"


def chromium() -> str:
    """Where the system's Chromium is. Skips the test without one, or fails if it must be there."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    if os.environ.get("MUSTER_REQUIRE_CHROMIUM") == "1":
        pytest.fail(MISSING, pytrace=False)
    pytest.skip(MISSING)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=QUIET)
        yield running
        await running.close()


@asynccontextmanager
async def opened(
    running: Browser, url: str, size: tuple[int, int] = DESKTOP, locale: str = "zh-CN"
) -> AsyncIterator[Page]:
    """A page; whatever it complains about on its console fails the test."""
    context = await running.new_context(
        viewport={"width": size[0], "height": size[1]}, locale=locale, reduced_motion="reduce"
    )
    page = await context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("pageerror", lambda fault: complaints.append(str(fault)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    try:
        await page.goto(url)
        yield page
    finally:
        await context.close()
    assert complaints == []
