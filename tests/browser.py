"""A real Chromium for pages. Without one its tests are skipped, unless it is required."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Browser, ConsoleMessage, Download, Error, Page, async_playwright

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
LOOK = """async (slight) => (await axe.run({resultTypes: ["violations"]})).violations
    .filter(one => !slight.includes(one.impact))
    .map(one => [one.id, one.help, ...one.nodes.map(node => node.html)].join(" | "))"""
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


@cache
def endpoint() -> str:
    """Where this process's Chromium is reached: started once, each visit has its own contexts."""
    settings = {"executablePath": chromium(), "args": QUIET, "headless": True}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(settings, file)
        file.flush()
        running = subprocess.Popen(
            [sys.executable, "-m", "playwright", "launch-server", "--browser", "chromium",
             "--config", file.name],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        said = running.stdout
        assert said is not None
        address = said.readline().strip()
    atexit.register(_end, running)
    assert address.startswith("ws://"), "no Chromium could be started"
    return address


def _end(running: "subprocess.Popen[str]") -> None:
    os.killpg(running.pid, signal.SIGTERM)
    running.wait()


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.connect(endpoint())
        yield running
        await running.close()


async def content(download: Download) -> bytes:
    """What was downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved"
        await download.save_as(saved)
        return saved.read_bytes()


@asynccontextmanager
async def blank(running: Browser, locale: str = "zh-CN") -> AsyncIterator[Page]:
    """An empty page, on which nothing moves by itself."""
    context = await running.new_context(locale=locale, reduced_motion="reduce")
    try:
        page = await context.new_page()
        page.set_default_timeout(10_000)
        yield page
    finally:
        await context.close()


async def barriers(page: Page, *, but: Sequence[str] = ()) -> list[str]:
    """What hinders people with a screen reader or weak eyes, by axe-core, a line for each kind.

    `but`: how grave it is where that may pass, of "minor", "moderate", "serious", "critical".
    """
    if await page.evaluate("typeof axe === 'undefined'"):
        await page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    found: list[str] = await page.evaluate(LOOK, list(but))
    return found


@asynccontextmanager
async def visit(page: Page, url: str, size: tuple[int, int] = DESKTOP) -> AsyncIterator[None]:
    """Stays at an address; whatever is complained about on the console there fails the test."""
    complaints: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            complaints.append(said.text)

    def fall(fault: Error) -> None:
        complaints.append(str(fault))

    page.on("console", hear)
    page.on("pageerror", fall)
    try:
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.goto(url)
        yield
        await page.goto("about:blank")
    finally:
        page.remove_listener("console", hear)
        page.remove_listener("pageerror", fall)
    assert complaints == []


@asynccontextmanager
async def ticking(running: Browser, url: str, locale: str = "zh-CN") -> AsyncIterator[Page]:
    """A page whose time passes by `page.clock.run_for`."""
    async with blank(running, locale) as page:
        await page.clock.install()
        async with visit(page, url):
            yield page


@asynccontextmanager
async def opened(
    running: Browser, url: str, size: tuple[int, int] = DESKTOP, locale: str = "zh-CN"
) -> AsyncIterator[Page]:
    """A page of its own at an address."""
    async with blank(running, locale) as page, visit(page, url, size):
        yield page
