"""Calendars to subscribe to: one's own from the chat, an organisation's for everybody."""

import re
from typing import Any

import aiohttp
import pytest
from icalendar import Calendar

from models import Duty, EnrolmentState, Person, RoleKind
from playground.phone import Phone
from services import enrolment, feeds, personal_data, planning, profile
from services.errors import NotAllowed
from tests.attending import place
from tests.city import City


async def address_of(chen: Phone) -> str:
    """The path that is shown in the chat now."""
    shown = await chen.sees("/calendar/")
    found = re.search(r"/calendar/[\w-]+\.ics", shown.words)
    assert found, shown.words
    return found.group()


async def events(web: aiohttp.ClientSession, path: str) -> dict[str, tuple[str, str]]:
    """What a calendar shows: (summary, status) by UID."""
    async with web.get(path) as answer:
        assert answer.status == 200, path
        assert answer.content_type == "text/calendar"
        calendar: Any = Calendar.from_ical(await answer.text())
    return {
        str(one["uid"]): (str(one["summary"]), str(one.get("status", "")))
        for one in calendar.walk("VEVENT")
    }


async def act(city: City, who: Person, verb: Any, *given: Any) -> Any:
    async with city.database.write() as session:
        actor = await session.get_one(Person, who.id)
        return await verb(city.making.work(session, actor), *given)


async def test_a_volunteer_subscribes_to_what_they_have_before_them(
    city: City, web: aiohttp.ClientSession
) -> None:
    chen = await city.volunteer("陈晓丽")
    person = await city.person(chen)
    wang = await city.making.coordinator("王强", role=RoleKind.ADMINISTRATOR)
    activity = await city.making.activity(wang)
    first = await city.making.shift(activity)
    second = await city.making.shift(activity, "2026-12-01 09:00")
    own = await act(city, person, enrolment.enrol, first.id)
    await place(city.making, second, person, EnrolmentState.APPLIED)
    async with city.database.write() as session:
        session.add(
            Duty(organisation_id=person.organisation_id, person_id=person.id,
                 starts_at=first.starts_at, ends_at=first.ends_at, given_at=city.clock())
        )  # fmt: skip
    await chen.say("/mine")
    await chen.press("订阅我的日历")
    path = await address_of(chen)
    assert await events(web, path) == {
        f"shift-{first.id}@muster": ("河岸植树", "CONFIRMED"),
        f"shift-{second.id}@muster": ("河岸植树", "TENTATIVE"),
        "duty-1@muster": ("值班：石岐街道志愿服务协会", ""),
    }
    await act(city, person, enrolment.cancel, own.id)
    assert f"shift-{first.id}@muster" not in await events(web, path)
    await act(city, wang, planning.call_off, activity.id, "台风")
    shown = await events(web, path)
    assert shown[f"shift-{second.id}@muster"] == ("河岸植树", "CANCELLED")
    await city.start_again()
    assert await events(web, path) == shown, "the address outlasts a restart"


async def test_an_address_is_renewed_and_given_up(city: City, web: aiohttp.ClientSession) -> None:
    chen = await city.volunteer("陈晓丽")
    activity = await city.making.activity(await city.making.coordinator("王强"))
    await act(
        city, await city.person(chen), enrolment.enrol, (await city.making.shift(activity)).id
    )
    await chen.say("/mine")
    await chen.press("订阅我的日历")
    first = await address_of(chen)
    await chen.press("我的活动")
    await chen.press("订阅我的日历")
    assert await address_of(chen) == first, "asking again shows the same"
    await chen.press("换一个地址")
    await chen.sees("这是新的地址")
    second = await address_of(chen)
    assert second != first and await events(web, second)
    await chen.press("停用这个地址")
    await chen.sees("已停用")
    answers = set()
    for path in (first, second, "/calendar/" + "x" * 32 + ".ics", "/calendar/x.ics"):
        async with web.get(path) as answer:
            answers.add((answer.status, await answer.text(), answer.headers.get("Cache-Control")))
    assert answers == {(404, "404: Not Found", "no-store")}, "wrong and revoked look alike"


async def test_an_organisations_calendar_names_no_people(
    city: City, web: aiohttp.ClientSession
) -> None:
    he = await city.making.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
    wang = await city.making.coordinator("王强", organisation="zs-xiaolan")
    activity = await city.making.activity(he, contact="何会长 13800000000")
    shift = await city.making.shift(activity)
    gone = await city.making.activity(he, "花展")
    gone_shift = await city.making.shift(gone)
    draft = await city.making.activity(he, "草稿", state="draft", published_at=None)
    await city.making.shift(draft)
    await city.making.shift(await city.making.activity(wang, "小榄菊展"))
    await act(city, he, planning.call_off, gone.id, "台风")
    feed = await act(city, he, feeds.renew_of_organisation, he.organisation_id)
    path = f"/calendar/{feed.secret}.ics"
    assert await events(web, path) == {
        f"shift-{shift.id}@muster": ("河岸植树", "CONFIRMED"),
        f"shift-{gone_shift.id}@muster": ("花展", "CANCELLED"),
    }
    async with web.get(path) as answer:
        text = await answer.text()
        assert "何会长" not in text and "13800000000" not in text
    with pytest.raises(NotAllowed):
        await act(city, wang, feeds.renew_of_organisation, he.organisation_id)
    with pytest.raises(NotAllowed):
        await act(city, wang, feeds.of_organisation, he.organisation_id)
    await act(city, he, feeds.revoke_of_organisation, he.organisation_id)
    async with web.get(path) as answer:
        assert answer.status == 404


async def test_what_has_not_changed_is_not_sent_again(
    city: City, web: aiohttp.ClientSession
) -> None:
    he = await city.making.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
    activity = await city.making.activity(he)
    await city.making.shift(activity)
    feed = await act(city, he, feeds.renew_of_organisation, he.organisation_id)
    path = f"/calendar/{feed.secret}.ics"

    async def look(**headers: str) -> tuple[int, str, str]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with web.get(path, headers=given) as answer:
            assert answer.headers["Cache-Control"].startswith("private")
            return answer.status, answer.headers["ETag"], answer.headers["Last-Modified"]

    status, etag, modified = await look()
    assert (status, modified) == (200, "Mon, 23 Nov 2026 02:00:00 GMT")
    city.clock.forward(hours=1)
    assert await look() == (200, etag, modified)
    assert await look(If_None_Match=etag) == (304, etag, modified)
    assert await look(If_None_Match=f'"x", W/{etag}') == (304, etag, modified)
    assert await look(If_Modified_Since=modified) == (304, etag, modified)
    assert (await look(If_Modified_Since="nonsense"))[0] == 200
    await city.making.shift(activity, "2026-11-29 09:00")
    status, newer, modified = await look(If_None_Match=etag)
    assert (status, modified) == (200, "Mon, 23 Nov 2026 03:00:00 GMT") and newer != etag
    async with web.head(path) as answer:
        assert answer.status == 200 and answer.headers["ETag"] == newer


async def test_looking_too_often_is_refused(city: City, web: aiohttp.ClientSession) -> None:
    he = await city.making.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
    feed = await act(city, he, feeds.renew_of_organisation, he.organisation_id)
    for path in (f"/calendar/{feed.secret}.ics", "/calendar/wrong.ics"):
        statuses = []
        for _ in range(31):
            async with web.get(path) as answer:
                statuses.append(answer.status)
                waits = answer.headers.get("Retry-After")
        assert len(set(statuses[:30])) == 1 and (statuses[30], waits) == (429, "60")


async def test_who_leaves_or_is_forgotten_has_no_calendar_any_more(
    city: City, web: aiohttp.ClientSession
) -> None:
    chen = await city.making.volunteer("陈晓丽")
    feed = await act(city, chen, feeds.renew_own)
    path = f"/calendar/{feed.secret}.ics"
    assert await events(web, path) == {}
    told = await act(city, chen, personal_data.everything_about)
    assert "secret_hash" not in told["calendar_feeds"][0]
    await act(city, chen, profile.withdraw)
    async with web.get(path) as answer:
        assert answer.status == 404
    await act(city, chen, personal_data.forget)
    async with web.get(path) as answer:
        assert answer.status == 404
