"""What people write stays words: in chat, on pages, in what is searched for."""

from urllib.parse import urlencode

from sqlalchemy import func, select

from models import Person
from services import signup
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_BOTH

HOSTILE = "<b>陈</b>&_*{{7*7}}{% raw %}[x](http://evil.example)"
STATEMENTS = ("'; DROP TABLE person; --", "%' OR 1=1 --", "100%", "a_b", "\\", '"', "') OR ('a'='a")


async def test_what_people_write_stays_words_in_chat(city: City) -> None:
    chen = await city.volunteer(HOSTILE)
    await chen.say("/profile")
    shown = await chen.sees("http://evil.example")
    assert HOSTILE in shown.words
    named = shown.words.index(HOSTILE), shown.words.index(HOSTILE) + len(HOSTILE)
    within = [one for one in shown.entities if named[0] < one.offset < named[1]]
    assert {one.type for one in within} <= {"url", "bot_command"}  # as Telegram sees them


async def test_what_people_write_stays_words_on_pages(city: City) -> None:
    wang = await city.coordinator("王强")
    await city.making.volunteer(HOSTILE, name_search=signup.search_of(HOSTILE))
    async with desk_of(city, wang) as desk:
        listed = await desk.open("/volunteers")
    assert HOSTILE in listed.words
    assert "<b>陈" not in listed.text
    assert "49" not in listed.words.partition("陈")[2][:20]


@ON_BOTH
async def test_nothing_that_is_searched_for_is_a_statement(city: City) -> None:
    wang = await city.coordinator("王强")
    await city.making.volunteer("陈晓丽", name_search=signup.search_of("陈晓丽"))
    async with desk_of(city, wang) as desk:
        for typed in STATEMENTS:
            found = await desk.open(f"/volunteers?{urlencode({'typed': typed})}")
            assert (found.status, "陈晓丽" in found.words) == (200, False), typed
        assert "陈晓丽" in (await desk.open(f"/volunteers?{urlencode({'typed': '陈'})}")).words
    async with city.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Person)) == 2
