"""Stars: of volunteers after a shift, of recipients by a link; leaders' private words."""

import re
from html import unescape
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from models import (
    Activity,
    Appraisal,
    AuditEntry,
    Mark,
    Person,
    RatedBy,
    Rating,
    RoleKind,
    Shift,
)
from playground.phone import labels
from services import appraisals, hours, measures, personal_data, ratings
from services.errors import Gone, NotAllowed, Refusal
from services.ratings import Sum
from tests.attending import propose
from tests.browser import PHONE, barriers, blank, browser
from tests.certified import RECORD, act, issued, served
from tests.city import City, Phone
from tests.consoles import desk_of
from tests.databases import ON_SQLITE
from tests.making import Making
from web import ratings as pages
from web.limits import Rate


async def rated(making: Making, shift: Shift, name: str, stars: int, words: str = "") -> Person:
    """Somebody who was at a shift and rates it."""
    person = await making.volunteer(name)
    attendance = await propose(making, shift, person)
    await act(making, person, ratings.rate, attendance, stars)
    if words:
        await act(making, person, ratings.add_words, attendance, words)
    return person


async def begun(city: City) -> tuple[Phone, Person, Activity, Shift]:
    """Wang's phone, Wang, an activity of theirs, and its shift, which is over."""
    phone = await city.coordinator("王强")
    wang = await city.person(phone)
    activity = await city.making.activity(wang)
    shift = await city.making.shift(activity, "2026-11-21 09:00")
    return phone, wang, activity, shift


# Volunteers


async def test_a_shift_is_rated_with_one_press_on_the_message_about_its_hours(city: City) -> None:
    phone, wang, _, shift = await begun(city)
    li = await city.volunteer("李敏")
    attendance = await propose(city.making, shift, await city.person(li), 170)
    await act(city.making, wang, hours.confirm_all, shift.id)
    await city.sent()
    await li.sees("这次感觉怎么样")
    await li.press("4 ⭐")
    thanks = await li.sees("谢谢你评价")
    assert "⭐⭐⭐⭐" in thanks.words and "2小时50分" in thanks.words.replace(" ", "")
    await li.press("补充几句")
    await li.say("工具不够用")
    assert "工具不够用" in (await li.sees("工具不够用")).words
    await li.press("改星数")
    await li.press("5 ⭐")
    await li.sees("⭐⭐⭐⭐⭐")
    async with city.database.read() as session:
        (row,) = (await session.scalars(select(Rating))).all()
        assert (row.stars, row.words) == (5, "工具不够用")
    await act(city.making, wang, hours.correct, attendance, 160, "早退")
    await city.sent()
    corrected = await li.sees("更正")
    assert not any("⭐" in label for label in labels(corrected)), "they have rated it already"
    # Nobody is recognised: one is not told, three are.
    await phone.say("/feedback")
    await phone.sees("已有 1 人，满 3 人后显示")
    await rated(city.making, shift, "陈晓丽", 4, "很有意义")
    await rated(city.making, shift, "赵六", 3)
    await phone.press("河岸植树")
    shown = await phone.sees("4.0")
    assert "3 人" in shown.words and "李敏" not in shown.words
    await phone.press("大家怎么说")
    words = await phone.sees("不显示姓名")
    assert "工具不够用" in words.words and "很有意义" in words.words
    assert "李敏" not in words.words and "陈晓丽" not in words.words


async def test_only_who_was_there_rates_and_not_for_ever(making: Making) -> None:
    wang = await making.coordinator("王强")
    shift = await making.shift(await making.activity(wang), "2026-11-21 09:00")
    li, zhao = await making.volunteer("李敏"), await making.volunteer("赵六")
    attendance = await propose(making, shift, li)
    for who, stars in ((zhao, 5), (li, 0), (li, 6)):
        with pytest.raises(Gone):
            await act(making, who, ratings.rate, attendance, stars)
    with pytest.raises(Gone):
        await act(making, li, ratings.add_words, attendance, "还没有打星")
    making.clock.forward(days=30)
    with pytest.raises(Refusal) as late:
        await act(making, li, ratings.rate, attendance, 5)
    assert late.value.code == "rating_late"


async def test_sums_are_told_per_source_and_of_many_only_what_each_may_tell(making: Making) -> None:
    wang = await making.coordinator("王强")
    activities = [await making.activity(wang, f"活动{number}") for number in range(2)]
    for activity, stars in zip(activities, ((5, 4, 3), (1,)), strict=True):
        shift = await making.shift(activity, "2026-11-21 09:00")
        for number, one in enumerate(stars):
            await rated(making, shift, f"志愿者{number}", one)
    keys = [activity.id for activity in activities]
    async with making.database.read() as session:
        found = await ratings.figures(making.work(session), keys)
    assert found[keys[0]].volunteers == Sum(3, 4.0, (0, 0, 1, 1, 1))
    assert found[keys[1]].volunteers == Sum(1, None)
    assert found[keys[0]].recipients == Sum(0, None)
    assert ratings.together(list(found.values())).volunteers.count == 3, "the single one is hidden"
    other = await making.coordinator("何小榄", organisation="zs-xiaolan")
    with pytest.raises(NotAllowed):
        await act(making, other, ratings.said, keys[0])


async def test_ratings_have_rows_in_the_statistics_and_no_single_one_shows(making: Making) -> None:
    wang = await making.coordinator("王强")
    for title, stars in (("多人活动", (5, 4, 4)), ("一人活动", (1,))):
        shift = await making.shift(await making.activity(wang, title), "2026-11-21 09:00")
        for number, one in enumerate(stars):
            await rated(making, shift, f"志愿者{number}", one)
    async with making.database.read() as session:
        found = await measures.count(making.work(session), None)
    by_name = {name: number for (_, _, name), number in found.numbers.items()}
    assert by_name["ratings_volunteers"] == 4
    assert (by_name[ratings.POINTS], by_name[ratings.COUNTED]) == (13, 3)
    listed = {one.name for one in measures.MEASURES if one.listed and one.topic == "feedback"}
    assert listed == {
        "ratings_volunteers", "ratings_recipients", "complaints", "complaints_in_time",
        "complaints_late", "excuses", "excuses_granted",
    }  # fmt: skip


# Recipients


async def said(answer: Any) -> str:
    text = await answer.text()
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text)))


async def test_a_recipient_rates_once_by_the_link_without_logging_in(
    city: City, web: aiohttp.ClientSession
) -> None:
    phone, _, activity, _ = await begun(city)
    await phone.say("/feedback")
    await phone.press("河岸植树")
    await phone.press("服务对象评价码")
    shown = await phone.sees("/rate/")
    path = re.search(r"/rate/[\w-]+", shown.words)
    assert path and shown.photo is not None
    where = path.group()
    async with web.post(where, data={"stars": "5"}) as answer:
        assert answer.status == 400 and "Cookie" in await said(answer), "nobody knows the browser"
    async with web.get(where) as answer:
        words = await said(answer)
        assert answer.status == 200 and "河岸植树" in words and "您对这次服务满意吗" in words
        assert "王强" not in words
    async with web.post(where, data={"stars": "9", "words": "大家都很热心"}) as answer:
        text = await answer.text()
        assert answer.status == 400 and "请选一到五颗星" in text and "大家都很热心" in text
    async with web.post(where, data={"stars": "5", "words": "大家都很热心"}) as answer:
        words = await said(answer)
        assert answer.status == 200 and "谢谢您" in words and "大家都很热心" in words
    async with web.post(where, data={"stars": "1"}) as answer:
        assert "非常满意" in await said(answer), "the first one counts"
    async with city.database.read() as session:
        (row,) = (await session.scalars(select(Rating))).all()
        assert (row.stars, row.rated_by, row.activity_id) == (5, RatedBy.RECIPIENT, activity.id)
        cookie = next(iter(web.cookie_jar)).value
        assert cookie not in (row.visitor or "")


async def test_the_address_cant_be_guessed_and_closes(
    city: City, web: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, wang, activity, _ = await begun(city)
    for wrong in (f"{activity.id}-{'A' * 20}", f"{activity.id + 1}-{ratings.code(activity.id)[2:]}",
                  "abc", f"{activity.id}", "9" * 40):  # fmt: skip
        async with web.get(f"/rate/{wrong}") as answer:
            assert answer.status == 404 and "河岸植树" not in await answer.text()
    coming = await city.making.activity(wang, "下周的活动")
    await city.making.shift(coming, "2026-12-20 09:00")
    where = f"/rate/{ratings.code(coming.id)}"
    async with web.get(where) as answer:
        assert answer.status == 404 and "现在不能评价" in await said(answer)
    city.clock.go_to("2026-12-20 10:00")
    async with web.get(where) as answer:
        assert answer.status == 200
    city.clock.forward(days=90)
    async with web.post(where, data={"stars": "5"}) as answer:
        assert answer.status == 404
    monkeypatch.setattr(pages, "LOOKS", Rate("rate_looks_few", most=1))
    async with web.get(where):
        pass
    async with web.get(where) as answer:
        assert answer.status == 429


@ON_SQLITE
async def test_the_page_is_for_any_phone_and_any_eyes(city: City) -> None:
    _, _, activity, _ = await begun(city)
    address = f"http://127.0.0.1:{city.program.web_port}/rate/{ratings.code(activity.id)}"
    async with browser() as running, blank(running) as page:
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await page.emulate_media(color_scheme="dark")
        await page.goto(address)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert await barriers(page, but=["minor"]) == []
        await page.locator("label.choice").first.click()
        await page.get_by_role("button").click()
        await page.get_by_role("status").wait_for()
        assert await page.locator("h1").count() == 1


# In the service record


async def test_the_record_says_how_recipients_rated_the_service(making: Making) -> None:
    wang, li = await making.coordinator("王强"), await making.volunteer("李敏")
    activity = await making.activity(wang)
    attendance = await served(making, wang, li, 170, activity=activity)
    await act(making, li, ratings.rate, attendance, 1)
    async with making.database.read() as session:
        enrolment = await session.scalar(select(Rating.enrolment_id))
    await act(making, wang, appraisals.appraise, enrolment, Mark.TALK, "迟到两次")
    async with making.database.write() as session:
        work = making.work(session)
        for number, stars in enumerate((5, 5)):
            code = ratings.code(activity.id)
            await ratings.rate_as_recipient(work, code, f"v{number}", stars, "")
    before = await issued(making, li, RECORD)
    assert before.content and before.content["evaluation"] == [], "two are too few"
    async with making.database.write() as session:
        await ratings.rate_as_recipient(
            making.work(session), ratings.code(activity.id), "v3", 4, "很好"
        )
    paper = await issued(making, li, RECORD)
    assert paper.content is not None
    assert paper.content["evaluation"] == [{"mean": 4.7, "ratings": 3, "activities": 1}]
    assert paper.content["service"][0]["evaluation"] == {"mean": 4.7, "ratings": 3}
    assert "迟到" not in str(paper.content), "what leaders say is on no paper"


# Leaders' private words


async def test_a_leader_appraises_in_private_and_the_volunteer_reads_it_on_request(
    city: City,
) -> None:
    phone, wang, _, shift = await begun(city)
    leader = await city.coordinator("周队", role=RoleKind.TEAM_LEADER)
    li = await city.volunteer("李敏")
    person = await city.person(li)
    await propose(city.making, shift, person)
    await leader.say("/feedback")
    await leader.press("河岸植树")
    await leader.press("评价志愿者")
    await leader.press("李敏")
    await leader.press("需要先聊聊")
    await leader.press("私下补充")
    await leader.say("来晚了半小时，请先问问原因")
    await leader.sees("请先问问原因")
    # Coordinators read it, each look is noted; team leaders and the volunteer's peers do not.
    async with desk_of(city, phone) as desk:
        page = await desk.open(f"/volunteers/{person.id}")
        assert "请先问问原因" not in page.words
        read = await desk.send(f"/feedback/people/{person.id}")
        assert "请先问问原因" in read.words and "周队" in read.words
    chief = await city.person(leader)
    for who in (chief, await city.making.volunteer("赵六")):
        with pytest.raises(NotAllowed):
            await act(city.making, who, appraisals.of_person, person.id)
    async with city.database.read() as session:
        looks = select(AuditEntry.actor_id).where(AuditEntry.action == "appraisal.seen")
        assert list(await session.scalars(looks)) == [wang.id]
    await li.say("/reliability")
    await li.press("负责人对我的评价")
    held = await li.sees("请先问问原因")
    assert "周队" not in held.words
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, person.id))
        copy = await personal_data.everything_about(work)
        (row,) = copy["appraisals"]
        assert row["words"] == "来晚了半小时，请先问问原因" and "appraiser_id" not in row
        await personal_data.forget(work)
        assert (await session.scalars(select(Appraisal))).all() == []


async def test_nobody_appraises_themselves_or_who_was_not_there(city: City) -> None:
    phone, wang, _, shift = await begun(city)
    attendance = await propose(city.making, shift, wang)
    li = await city.making.volunteer("李敏")
    await propose(city.making, shift, li)
    sheet = await act(city.making, wang, appraisals.sheet, shift.id)
    (line,) = sheet.lines
    assert line.name == "李敏"
    with pytest.raises(Gone):
        await act(city.making, wang, appraisals.appraise, attendance + 1000, Mark.AGAIN)
    with pytest.raises(NotAllowed):
        await act(city.making, li, appraisals.sheet, shift.id)
    async with desk_of(city, phone) as desk:
        await desk.open(f"/feedback/shifts/{shift.id}")
        done = await desk.send(
            f"/feedback/enrolments/{line.enrolment_id}/appraise", {"mark": "again", "words": ""}
        )
        assert "已记下" in done.words
        gone = await desk.send(
            f"/feedback/enrolments/{line.enrolment_id}/appraise", {"mark": "nonsense"}
        )
        assert gone.status == 404
    found = await act(city.making, wang, appraisals.to_appraise, line.enrolment_id)
    assert (found[1].mark, found[1].words) == (Mark.AGAIN, None)
