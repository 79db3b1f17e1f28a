"""Schemes, and the files of activities that assemble themselves."""

import io

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from models import Activity, Enclosure, Person
from playground.phone import Phone, labels
from services import activities, activity_files, hours, measures
from services.errors import NotAllowed, Refusal
from services.work import Work
from tests.attending import propose
from tests.city import USERNAME, City
from tests.consoles import desk_of
from tests.pictures import photo


async def held(city: City, wang: Phone) -> Activity:
    """An activity of the coordinator, about which the clock has gone by."""
    activity = await city.making.activity(await city.person(wang))
    await city.making.shift(activity, "2026-11-28 09:00")
    return activity


async def test_a_file_assembles_itself_and_is_printed(city: City) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽", id_number="44200019900501121X")
    activity = await held(city, wang)
    await wang.say("/activities")
    await wang.press("河岸植树")
    await wang.press("方案")
    await wang.press("填写方案")
    for asked, said in (
        ("达到什么目的", "让岐江边多一片绿"),
        ("怎么安排", "8:30 集合，9:00 种树"),
        ("各岗位分工", "王强总负责"),
        ("可能出什么状况", "备急救包，雨天改期"),
    ):
        await wang.sees(asked)
        await wang.say(said)
    await wang.sees("要花多少钱")
    await wang.press("跳过")
    await wang.sees("让岐江边多一片绿")
    await city.go_to("2026-11-28 13:00")
    async with city.database.read() as session:
        shift = (await activities.shifts_of(session, activity.id))[0]
    attendance = await propose(city.making, shift, await city.person(chen))
    await chen.open(f"https://t.me/{USERNAME}?start=a-{activity.id}")
    await chen.press("上传照片")
    await chen.sees("照片里的人要同意")
    await chen.send_photo(photo())
    await chen.send_photo(photo())
    await chen.press("✅")
    await chen.sees("2 张照片已存入“河岸植树”的档案")
    assert "📁 活动档案" not in labels(chen.screen)
    async with city.database.write() as session:
        work = city.making.work(
            session, await session.get_one(Person, (await city.person(wang)).id)
        )
        await hours.confirm(work, attendance)
    await city.program.fetching.turn()
    await wang.press_data(f"file:{activity.id}")
    shown = await wang.sees("档案齐全")
    assert "到场 1 人" in shown.words and "2 张照片" in shown.words
    await wang.press("打印")
    sent = await wang.sees("可以存档或打印")
    assert sent.document is not None
    printed = PdfReader(io.BytesIO(sent.document.content))
    words = "".join(page.extract_text() for page in printed.pages)
    for expected in ("河岸植树", "让岐江边多一片绿", "陈晓丽", "3"):
        assert expected in words
    person = await city.person(chen)
    assert person.phone and person.phone[3:] not in words and "44200019900501121X" not in words
    assert any(page.images for page in printed.pages)
    await city.settle()
    async with city.database.read() as session:
        counted = await measures.count(city.making.work(session), None)
    assert {name for *_, name in counted.numbers} >= {"files_complete"}


async def test_only_those_who_were_there_add_photos_and_a_coordinator_takes_one_off(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    chen, li = await city.volunteer("陈晓丽"), await city.volunteer("李雷")
    activity = await held(city, wang)
    async with city.database.read() as session:
        shift = (await activities.shifts_of(session, activity.id))[0]
    await propose(city.making, shift, await city.person(chen))
    people = {phone: (await city.person(phone)).id for phone in (wang, chen, li)}
    async with city.database.write() as session:

        async def work_of(phone: Phone) -> Work:
            return city.making.work(session, await session.get_one(Person, people[phone]))

        with pytest.raises(Refusal, match="photos_too_early"):
            await activity_files.add_photos(await work_of(chen), activity.id, ["a"])
        city.clock.go_to("2026-11-28 13:00")
        with pytest.raises(NotAllowed):
            await activity_files.add_photos(await work_of(li), activity.id, ["a"])
        with pytest.raises(NotAllowed):
            await activity_files.assemble(await work_of(chen), activity.id)
        nine = [f"photo-{at}" for at in range(activity_files.MOST_EACH)]
        assert await activity_files.add_photos(await work_of(chen), activity.id, nine) == 9
        with pytest.raises(Refusal, match="photos_yours_full"):
            await activity_files.add_photos(await work_of(chen), activity.id, ["x"])
        city.clock.go_to("2027-03-28 13:00")
        with pytest.raises(Refusal, match="photos_too_late"):
            await activity_files.add_photos(await work_of(chen), activity.id, ["x"])
    city.clock.go_to("2026-11-28 13:00")
    async with desk_of(city, wang) as desk:
        page = await desk.open(f"/activities/{activity.id}/file")
        assert "还缺：方案" in page.words and page.text.count("<figure") == 9
        async with city.database.read() as session:
            key = (await session.scalars(select(Enclosure.id).order_by(Enclosure.id))).first()
        path = f"/activities/{activity.id}/photos/{key}"
        assert (await desk.open(path)).status == 404
        removed = await desk.send(f"{path}/remove")
        assert "已移除" in removed.words or removed.text.count("<figure") == 8
        assert (await desk.open(f"/activities/{activity.id}/file.pdf")).status == 200
        scheme = await desk.send(f"/activities/{activity.id}/scheme", {"aim": "绿化", "safety": ""})
        assert "已保存" in scheme.words and "绿化" in scheme.text
        empty = await desk.send(f"/activities/{activity.id}/scheme", {"aim": ""})
        assert empty.status == 400
    async with desk_of(city, await city.coordinator("周涛", organisation="zs-xiaolan")) as other:
        assert (await other.open(f"/activities/{activity.id}/file")).status == 403
