"""Care at the console: what one may see, that looks are written down, and help asked for."""

from sqlalchemy import select

from models import (
    AuditEntry,
    CareAlert,
    HelpFor,
    HelpKind,
    HelpRequest,
    HelpState,
    Pairing,
    PairingState,
    RoleKind,
    Visit,
    VisitState,
    Wellbeing,
)
from services import care_alerts, help_requests, visiting
from services.enclosures import Voice
from services.visiting import Report
from tests.caring import ADDRESS, CONTACT_PHONE, NAME, SECRETS, Care, knows
from tests.city import City
from tests.consoles import desk_of


async def looks_in_log(city: City) -> list[str]:
    async with city.database.read() as session:
        found = await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))
        return [one for one in found if one in ("care.looked", "care.listened", "help.looked")]


async def test_a_file_opens_by_a_press_that_is_written_down(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    zhao = await city.volunteer("赵远")
    sent = await chen.send_voice(b"OggS hello")
    assert sent.voice is not None
    async with city.database.write() as session:
        work = await shown.work_of(chen, session)
        (pairing,) = await session.scalars(select(Pairing))
        report = Report(Wellbeing.NEEDS, 45, "要换灯泡", Voice(sent.voice.id, 3))
        visit = await visiting.note_unplanned(work, pairing.id, report, "结对")
    await city.settle()
    await city.program.fetching.turn()
    before = await looks_in_log(city)
    async with desk_of(city, shown.wang) as desk:
        listed = await desk.open("/care")
        assert NAME in listed.words and "独居老人 1" in listed.words
        page = await desk.open(f"/care/{shown.key}")
        assert "陈晓丽" in page.words and not [one for one in SECRETS if one in page.text]
        assert "要换灯泡" not in page.text
        opened = await desk.send(f"/care/{shown.key}/open")
        for secret in (*SECRETS, "要换灯泡", "有需要"):
            assert secret in opened.words
        assert ADDRESS not in (await desk.open(f"/care/{shown.key}")).text
        path = f"/console/care/visits/{visit.id}/voice"
        async with desk.session.post(path, data={"token": desk.token}) as answer:
            assert answer.content_type == "audio/ogg" and await answer.read() == b"OggS hello"
        after = await looks_in_log(city)
        assert after[len(before) :] == ["care.looked", "care.listened"]
        assert "查看了档案" in (await desk.open(f"/care/{shown.key}")).words
        found = await desk.open(f"/care/{shown.key}?q=赵远")
        assert "赵远" in found.words
        zhao_key = (await city.person(zhao)).id
        await desk.send(f"/care/{shown.key}/invite", {"people": zhao_key, "circle": "young"})
        await city.catch_up()
        assert knows(zhao) == [] and await zhao.sees("青年志愿者")
        (_, invited) = await shown.rows(Pairing)
        await desk.send(f"/care/pairings/{invited.id}/end")
        assert (await shown.rows(Pairing))[1].state is PairingState.ENDED
        await city.settle()
        await zhao.sees("这份邀请已失效")
        await desk.send(f"/care/{shown.key}/close")
        await desk.send(f"/care/{shown.key}/erase")
        erased = await desk.open(f"/care/{shown.key}")
        assert "已删除" in erased.words
        assert NAME not in (await desk.open("/care")).text
    assert (await shown.rows(Visit))[0].state is VisitState.DONE


async def test_whoever_has_no_access_sees_nothing_inside(city: City) -> None:
    shown = await Care(city).prepare()
    he = await city.coordinator("何敏")
    above = await city.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    other = await city.coordinator("何小榄", organisation="zs-xiaolan", role=RoleKind.ADMINISTRATOR)
    leader = await city.coordinator("周队", role=RoleKind.TEAM_LEADER)
    for phone in (he, above):
        async with desk_of(city, phone) as desk:
            for path in ("/care", f"/care/{shown.key}"):
                page = await desk.open(path)
                assert page.status == 200 and "独居老人" in page.words
                assert not [one for one in SECRETS if one in page.text]
            refused = await desk.send(f"/care/{shown.key}/open")
            assert refused.status == 403 and NAME not in refused.text
    for phone in (other, leader):
        async with desk_of(city, phone) as desk:
            for path in (f"/care/{shown.key}", f"/care/{shown.key}/open"):
                assert (await desk.open(path)).status in (403, 404, 405)
            assert NAME not in (await desk.open("/care")).text
    async with desk_of(city, above) as desk:
        await desk.open(f"/care/{shown.key}")
        short = await desk.send(f"/care/{shown.key}/take", {"reason": "急"})
        assert short.status == 400
        await desk.send(f"/care/{shown.key}/take", {"reason": "家属来信，需要核实"})
        opened = await desk.send(f"/care/{shown.key}/open")
        assert CONTACT_PHONE in opened.words and "家属来信" in opened.words
    await city.settle()
    await shown.wang.sees("李敏 说明理由后")


async def test_alerts_and_requests_are_seen_to_at_the_desk(city: City) -> None:
    shown = await Care(city).prepare()
    chen = await shown.member("陈晓丽")
    async with city.database.write() as session:
        work = await shown.work_of(chen, session)
        (pairing,) = await session.scalars(select(Pairing))
        await care_alerts.raise_for_pairing(work, pairing.id)
        wang = await shown.work_of(shown.wang, session)
        home = wang.person.organisation_id
        said = help_requests.Asked(
            home, HelpKind.REPAIR, HelpFor.MYSELF, "黄伯", "修灯", "今天", "民生路十二号",
            "+8613912349999",
        )  # fmt: skip
        request = await help_requests.take_call(wang, said)
        helper = work.person.id
    async with desk_of(city, shown.wang) as desk:
        today = await desk.open("")
        assert "敲门没人应" in today.words and "小修小补" in today.words
        assert NAME not in today.text and "黄伯" not in today.text
        page = await desk.open(f"/care/{shown.key}")
        (alert,) = await shown.rows(CareAlert)
        assert "我来处理" in page.words
        await desk.send(f"/care/alerts/{alert.id}/take")
        await desk.send(f"/care/alerts/{alert.id}/end", {"how": "well"})
        assert (await shown.rows(CareAlert))[0].ended_at is not None
        listed = await desk.open("/care/requests")
        assert "小修小补" in listed.words and "黄伯" not in listed.text
        one = await desk.open(f"/care/requests/{request.id}")
        assert "黄伯" not in one.text and "陈晓丽" in one.words
        opened = await desk.send(f"/care/requests/{request.id}/open")
        assert "民生路十二号" in opened.words
        await desk.send(f"/care/requests/{request.id}/ask", {"people": helper})
        async with city.database.write() as session:
            await help_requests.answer(await shown.work_of(chen, session), request.id, yes=True)
        await desk.send(f"/care/requests/{request.id}/choose", {"person": helper})
        await desk.send(f"/care/requests/{request.id}/done")
        assert "黄伯" not in (await desk.open("/care/requests?state=over")).text
    async with city.database.read() as session:
        (found,) = await session.scalars(select(HelpRequest))
    assert found.state is HelpState.DONE and found.helper_id == helper
