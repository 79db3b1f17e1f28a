"""Words stay words: in chats, pages, statements of the database, templates, tables and logs."""

import logging
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from models import Person
from services import directory
from services.directory import Wanted
from services.words import Words
from services.work import Work
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_BOTH, ON_SQLITE

HOSTILE = (
    "<b>fat</b><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "*bold* _it_ [link](https://evil.example)",
    "{{ 7*7 }}{% raw %}{{ config }}",
    "%(name)s %s {name} ${7*7}",
    "'; DROP TABLE person; --",
    "&amp;&lt;tg-spoiler>",
)  # fmt: skip


@ON_SQLITE
@pytest.mark.parametrize("words", HOSTILE)
async def test_what_an_organiser_writes_is_shown_as_it_was_written(
    city: City, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    wang, chen = await city.coordinator("王强"), await city.volunteer("陈晓丽")
    organiser = await city.person(wang)
    activity = await city.making.activity(organiser, title=words, address=words, bring=words)
    await city.making.shift(activity)
    await chen.say(f"/start a-{activity.id}")
    await city.answered()
    (shown,) = [one for one in chen.messages if words in (one.text or "")]
    assert not [one for one in shown.entities if one.type in ("text_link", "spoiler")]
    async with desk_of(city, wang) as desk:
        for path in ("/activities", f"/activities/{activity.id}"):
            page = await desk.open(path)
            assert page.status == 200
            assert words not in page.text or not set(words) & set("<>\"&'")
            assert "<script>alert" not in page.text
            assert "<img src=x" not in page.text
            assert "49" not in page.text.partition("<h1")[2].partition("</h1>")[0]
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


@ON_BOTH
@pytest.mark.parametrize("typed", ["%", "_", "'", "\\", "' OR 1=1 --", "*", "a%' ESCAPE '", "%%%%"])
async def test_what_is_searched_for_is_no_part_of_a_statement(city: City, typed: str) -> None:
    """Neither finds everybody nor fails."""
    wang = await city.coordinator("王强")
    await city.volunteer("陈晓丽")
    async with city.database.read() as session:
        person = await session.get_one(Person, (await city.person(wang)).id)
        work = Work(session, city.clock(), city.policy, person)
        assert (await directory.page(work, Wanted(typed=typed))).total == 0
        before = await session.scalar(select(func.count()).select_from(Person))
    async with desk_of(city, wang) as desk:
        for path in ("/volunteers?typed=", "/volunteers?q=", "/activities?q=", "/audit?who="):
            assert (await desk.open(path + quote(typed))).status < 500
    async with city.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Person)) == before


@pytest.mark.parametrize("said", HOSTILE)
def test_no_template_takes_a_parameter_for_a_part_of_itself(words: Words, said: str) -> None:
    for language in words.languages:
        rendered = words.render("menu/not_understood", language)
        assert rendered.text
        shown = words.render("lockouts/restored", language, by=said)
        assert said in shown.unformatted
