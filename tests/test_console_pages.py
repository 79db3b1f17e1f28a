"""Every page of the console in a real Chromium: on a phone, in both languages, by day and night.

The pages are those of the route table, so that a new one is looked at as well.
"""

from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Page, Request
from sqlalchemy import update

from models import Person, RoleKind
from services.words import LANGUAGES
from tests.belongings import examples, filled
from tests.browser import PHONE, barriers
from tests.city import City
from tests.consoles import screen_of
from tests.databases import ON_SQLITE
from web.console.framework import ENTRIES

SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SLIGHT = ("minor", "moderate")


@ON_SQLITE
@pytest.mark.parametrize("half", [0, 1])
async def test_every_page_is_fit_for_a_phone_and_a_screen_reader(city: City, half: int) -> None:
    """Also asks for nothing that is not Muster's own; pages take turns in language and look."""
    phone = await city.coordinator("何市长", role=RoleKind.ADMINISTRATOR)
    keys = await examples(city, phone)
    looked_at = 0
    strangers: set[str] = set()
    async with screen_of(city, phone, size=PHONE) as page:

        def note(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme != "data" and parts.netloc != home.netloc:
                strangers.add(request.url)

        home = urlsplit(page.url)
        page.on("request", note)
        await page.add_init_script(path=AXE_FILE_PATH)  # once for all pages: it is large
        pages = [one for one in ENTRIES if one.method == "GET"]
        for number, entry in enumerate(pages[half::2]):
            address = f"{home.scheme}://{home.netloc}/console{filled(entry, keys)}"
            if entry.live or not await is_page(page, address):
                continue
            await speak(city, keys["person_id"], LANGUAGES[number % len(LANGUAGES)])
            scheme = SCHEMES[number // len(LANGUAGES) % len(SCHEMES)]
            await page.emulate_media(color_scheme=scheme)
            await page.goto(address)
            assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], address
            assert await barriers(page, but=SLIGHT) == [], f"{address} {scheme}"
            looked_at += 1
    assert looked_at > 30
    assert strangers == set()


async def is_page(page: Page, address: str) -> bool:
    """Whether it is a whole page: neither a file nor a part, nor something refused."""
    answer = await page.request.get(address)
    assert answer.status in (200, 403, 404, 409), f"{address}: {answer.status}"
    html = answer.headers["content-type"].startswith("text/html")
    return answer.status == 200 and html and "<html" in await answer.text()


async def speak(city: City, person_id: int, language: str) -> None:
    """From now on their pages are in this language."""
    async with city.database.write() as session:
        await session.execute(
            update(Person).where(Person.id == person_id).values(language=language)
        )
