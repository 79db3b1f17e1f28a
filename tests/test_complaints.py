"""Complaints: who handles one, and who never does; answers, the way up, time, what stays sealed."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select, type_coerce

from models import (
    About,
    AuditEntry,
    Complaint,
    ComplaintState,
    Delivery,
    Message,
    Naming,
    Organisation,
    Person,
    Role,
    RoleKind,
)
from playground.phone import Phone
from services import complaints, measures, personal_data
from services.complaints import Said
from services.errors import Gone, NotAllowed, Refusal
from tests.attending import place
from tests.certified import act
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making
from tests.pictures import photo

ADMINISTRATOR = RoleKind.ADMINISTRATOR
WORDS = "出发前没有讲清楚要带什么"


class Town:
    """A station's and a town's coordinators, the city's administrator, and a volunteer, Li."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.zhou: Person
        self.wang: Person
        self.boss: Person
        self.li: Person

    async def prepare(self) -> "Town":
        making = self.making
        self.zhou = await making.coordinator("周站长", organisation="zs-shiqi-taiping")
        self.wang = await making.coordinator("王强", organisation="zs-shiqi")
        self.boss = await making.coordinator("何会长", organisation="zs", role=ADMINISTRATOR)
        self.li = await making.volunteer("李敏", organisation="zs-shiqi-taiping")
        return self

    async def act(self, who: Person, verb: Any, *given: Any) -> Any:
        return await act(self.making, who, verb, *given)

    async def refused(self, who: Person, verb: Any, *given: Any) -> str:
        with pytest.raises(Refusal) as refusal:
            await self.act(who, verb, *given)
        return refusal.value.code

    async def give(self, person: Person, organisation: str, kind: RoleKind) -> None:
        home = await self.making.organisation(organisation)
        async with self.making.database.write() as session:
            now = self.making.clock()
            session.add(
                Role(person_id=person.id, organisation_id=home.id, kind=kind, granted_at=now)
            )

    async def complain(self, about: About = About.OTHER, **more: Any) -> Complaint:
        said = {"words": WORDS, "naming": Naming.HANDLER, **more}
        case = await self.act(self.li, complaints.complain, Said(about, **said))
        found: Complaint = case.complaint
        return found

    async def handled_by(self, complaint: Complaint) -> str:
        async with self.making.database.read() as session:
            row = await session.get_one(Complaint, complaint.id)
            return (await session.get_one(Organisation, row.organisation_id)).code

    async def who_may(self, complaint: Complaint) -> list[str]:
        """Names of those who can open it."""
        found = []
        for one in (self.zhou, self.wang, self.boss, self.li):
            try:
                await self.act(one, complaints.look, complaint.id)
                found.append(one.name)
            except NotAllowed:
                continue
        return found

    async def told(self, template: str) -> set[int | None]:
        async with self.making.database.read() as session:
            rows = await session.scalars(
                select(Delivery.person_id)
                .join(Message, Message.id == Delivery.message_id)
                .where(Message.template == template)
            )
            return set(rows)


@pytest.fixture
async def town(making: Making) -> Town:
    return await Town(making).prepare()


# Who handles it


async def test_it_goes_to_where_it_happened_and_by_passes_the_one_complained_about(
    town: Town,
) -> None:
    anything = await town.complain()
    assert await town.handled_by(anything) == "zs-shiqi-taiping"
    assert await town.who_may(anything) == ["周站长", "王强", "何会长"]
    assert await town.told("complaints/raised") == {town.zhou.id}
    about_zhou = await town.complain(About.PERSON, person_id=town.zhou.id)
    assert await town.handled_by(about_zhou) == "zs-shiqi"
    assert await town.who_may(about_zhou) == ["王强", "何会长"]
    about_wang = await town.complain(About.PERSON, person_id=town.wang.id)
    assert await town.handled_by(about_wang) == "zs", "nor does anybody whom Wang could decide over"
    assert await town.who_may(about_wang) == ["何会长"]
    station = await town.making.organisation("zs-shiqi-taiping")
    itself = await town.complain(About.ORGANISATION, organisation_id=station.id)
    assert await town.who_may(itself) == ["王强", "何会长"]
    unknown = await town.complain(About.PERSON, person_id=0)
    assert await town.handled_by(unknown) == "zs-shiqi"


async def test_of_the_top_another_administrator_handles_it_if_there_is_one(town: Town) -> None:
    nobody = await town.complain(About.PERSON, person_id=town.boss.id)
    assert await town.handled_by(nobody) == "zs"
    assert await town.who_may(nobody) == []
    second = await town.making.coordinator("钱副会长", organisation="zs", role=ADMINISTRATOR)
    assert (await town.act(second, complaints.look, nobody.id)).person == "何会长"


async def test_of_an_activity_its_maker_never_handles_it(town: Town) -> None:
    activity = await town.making.activity(town.zhou)
    shift = await town.making.shift(activity, "2026-11-21 09:00")
    assert (
        await town.refused(
            town.li, complaints.complain,
            Said(About.ACTIVITY, WORDS, Naming.HANDLER, activity_id=activity.id),
        )
        == "gone"
    )  # fmt: skip
    await place(town.making, shift, town.li)
    found = await town.complain(About.ACTIVITY, activity_id=activity.id)
    assert await town.handled_by(found) == "zs-shiqi", "nobody else is at the station"
    colleague = await town.making.coordinator("吴芳", organisation="zs-shiqi-taiping")
    beside = await town.complain(About.ACTIVITY, activity_id=activity.id)
    assert await town.handled_by(beside) == "zs-shiqi-taiping"
    assert "周站长" not in await town.who_may(beside)
    await town.act(colleague, complaints.look, beside.id)
    await town.give(town.zhou, "zs-shiqi-taiping", ADMINISTRATOR)
    above = await town.complain(About.ACTIVITY, activity_id=activity.id)
    assert await town.handled_by(above) == "zs-shiqi", "Zhou could decide over the colleague"


async def test_a_handler_neither_judges_their_own_word_nor_sees_it_as_one(town: Town) -> None:
    case = await town.act(town.wang, complaints.complain, Said(About.OTHER, WORDS, Naming.NOBODY))
    assert await town.handled_by(case.complaint) == "zs"
    assert await town.who_may(case.complaint) == ["何会长"]
    assert await town.act(town.wang, complaints.waiting) == 0
    assert await town.refused(town.wang, complaints.answer, case.complaint.id, "驳回") == (
        "not_allowed"
    )


# Names and words


async def test_the_author_stays_unnamed_where_they_wish(town: Town) -> None:
    shown = {}
    for naming in Naming:
        found = await town.complain(About.PERSON, person_id=town.zhou.id, naming=naming)
        case = await town.act(town.wang, complaints.look, found.id)
        await town.act(town.wang, complaints.ask_for_side, found.id, "活动前是怎么通知的？")
        asked = await town.act(town.zhou, complaints.asked, found.id)
        shown[naming] = (case.author, asked.author)
        assert WORDS not in str([remark.words for remark in asked.remarks])
    assert shown == {
        Naming.OPEN: ("李敏", "李敏"),
        Naming.HANDLER: ("李敏", ""),
        Naming.NOBODY: ("", ""),
    }
    async with town.making.database.read() as session:
        made = await session.scalars(
            select(AuditEntry.actor_id).where(AuditEntry.action == "complaint.made")
        )
        assert set(made) == {None}, "the log does not say who complained"
        posts = await session.scalars(select(Message.parameters))
        assert "李敏" not in str(list(posts)) and WORDS not in str(list(posts))


async def test_words_are_sealed_each_look_is_noted_and_they_go_with_the_author(
    town: Town,
) -> None:
    found = await town.complain()
    await town.act(town.wang, complaints.look, found.id)
    async with town.making.database.write() as session:
        raw = await session.scalar(select(type_coerce(Complaint.words, LargeBinary)))
        assert raw and WORDS.encode() not in raw
        looks = select(AuditEntry.actor_id).where(AuditEntry.action == "complaint.seen")
        assert list(await session.scalars(looks)) == [town.wang.id]
        work = town.making.work(session, await session.get_one(Person, town.li.id))
        assert (await personal_data.everything_about(work))["complaints"][0]["words"] == WORDS
        await personal_data.forget(work)
    async with town.making.database.read() as session:
        row = await session.get_one(Complaint, found.id)
        assert (row.author_id, row.words, row.state) == (None, "", ComplaintState.CLOSED)


async def test_nobody_floods_those_who_answer(town: Town) -> None:
    for _ in range(5):
        await town.complain()
    with pytest.raises(Refusal) as often:
        await town.complain()
    assert often.value.code == "complaint_often"
    town.making.clock.forward(hours=25)
    await town.complain()


# Time


async def test_a_late_one_is_warned_of_and_goes_a_level_up(town: Town) -> None:
    found = await town.complain()

    async def sweep() -> tuple[int, int]:
        async with town.making.database.write() as session:
            work = town.making.work(session)
            return await complaints.remind(work), await complaints.escalate(work)

    assert await sweep() == (0, 0)
    town.making.clock.forward(days=13)
    assert await sweep() == (1, 0)
    assert await sweep() == (0, 0), "once"
    assert await town.told("complaints/due") == {town.zhou.id}
    town.making.clock.forward(days=2)
    assert await sweep() == (0, 1)
    assert await town.handled_by(found) == "zs-shiqi"
    assert await town.told("complaints/gone_up") == {town.zhou.id}
    assert await town.told("complaints/late") == {town.li.id}
    assert "周站长" not in await town.who_may(found)
    town.making.clock.forward(days=16)
    await sweep()
    town.making.clock.forward(days=16)
    await sweep()
    assert await town.handled_by(found) == "zs", "at the top it stays"
    await town.act(town.boss, complaints.answer, found.id, "已经整改")
    again = await town.complain()
    await town.act(town.zhou, complaints.answer, again.id, "下次会先通知")
    async with town.making.database.read() as session:
        counted = await measures.count(town.making.work(session), None)
    sums: dict[str, int] = {}
    for (key, _, name), number in counted.numbers.items():
        assert key == town.zhou.organisation_id, "it counts for whoever had to answer first"
        sums[name] = sums.get(name, 0) + number
    assert sums == {"complaints": 2, "complaints_late": 1, "complaints_in_time": 1}


async def test_whoever_is_not_content_goes_up_once(town: Town) -> None:
    found = await town.complain()
    assert await town.refused(town.li, complaints.appeal, found.id, WORDS) == (
        "complaint_not_answered"
    )
    await town.act(town.zhou, complaints.answer, found.id, "没有问题")
    assert await town.refused(town.zhou, complaints.answer, found.id, "再答一次") == (
        "complaint_over"
    )
    with pytest.raises(Gone):
        await town.act(town.wang, complaints.own_case, found.id)
    await town.act(town.li, complaints.appeal, found.id, "答复没有回应问题")
    assert await town.handled_by(found) == "zs-shiqi"
    await town.act(town.wang, complaints.answer, found.id, "确实应该提前通知，已经要求整改")
    assert await town.refused(town.li, complaints.appeal, found.id, WORDS) == "complaint_appealed"
    case = await town.act(town.li, complaints.accept, found.id)
    assert case.complaint.state is ComplaintState.CLOSED
    assert [remark.kind.value for remark, _ in case.remarks] == ["answer", "appeal", "answer"]


async def test_what_one_cant_judge_is_passed_on_while_time_runs(town: Town) -> None:
    found = await town.complain()
    town.making.clock.forward(days=3)
    passed = await town.act(town.zhou, complaints.pass_on, found.id)
    assert await town.handled_by(found) == "zs-shiqi"
    assert passed.due_at == found.raised_at + timedelta(days=15)
    assert await town.refused(town.zhou, complaints.answer, found.id, "答复") == "not_allowed"
    await town.act(town.wang, complaints.pass_on, found.id)
    assert await town.refused(town.boss, complaints.pass_on, found.id) == "complaint_no_higher"


async def test_only_who_was_asked_tells_their_side(town: Town) -> None:
    found = await town.complain(About.PERSON, person_id=town.zhou.id)
    with pytest.raises(Gone):
        await town.act(town.zhou, complaints.asked, found.id)
    assert await town.refused(town.wang, complaints.ask_for_side, found.id, "?") == "words_length"
    await town.act(town.wang, complaints.ask_for_side, found.id, "当天发生了什么？")
    assert await town.told("complaints/asked") == {town.zhou.id}
    with pytest.raises(Gone):
        await town.act(town.li, complaints.asked, found.id)
    await town.act(town.zhou, complaints.tell_side, found.id, "当天大雨，改了集合点")
    case = await town.act(town.wang, complaints.look, found.id)
    assert [remark.words for remark, _ in case.remarks] == [
        "当天发生了什么？",
        "当天大雨，改了集合点",
    ]
    own = await town.act(town.li, complaints.own_case, found.id)
    assert own.remarks == [], "its author reads answers, not what others were asked"


# As people do it


async def test_a_complaint_is_made_answered_and_settled_in_chat_and_at_the_desk(
    city: City,
) -> None:
    zhou = await city.coordinator("周站长", organisation="zs-shiqi-taiping")
    wang = await city.coordinator("王强", organisation="zs-shiqi")
    li = await city.volunteer("李敏", organisation="zs-shiqi-taiping")
    await complained(city, li)
    await city.sent()
    assert not any("收到一条投诉" in message.words for message in zhou.messages)
    told = await wang.sees("收到一条投诉或建议")
    assert "集合" not in told.words
    await wang.press("打开")
    case = await wang.sees("集合的时候骂人")
    assert "李敏" not in case.words and "周站长" in case.words
    await wang.press("📷 1")
    await wang.wait(lambda message: message.photo is not None)
    await wang.press("打开")
    await wang.press("听听对方怎么说")
    await wang.say("上周六集合时说了什么？")
    await city.sent()
    asked = await zhou.sees("想听听你的说法")
    await zhou.press("看看问题")
    assert "骂人" not in (await zhou.sees("上周六集合时说了什么")).words
    await zhou.press("说说我的情况")
    await zhou.say("当时着急，话说重了")
    await zhou.sees("话说重了")
    assert asked
    await city.program.fetching.turn()
    async with desk_of(city, wang) as desk:
        assert "投诉与建议" in (await desk.open("")).words
        (row,) = await rows(city)
        where = f"/feedback/complaints/{row.id}"
        closed = await desk.open(where)
        assert "骂人" not in closed.words and "打开" not in closed.words
        read = await desk.send(f"{where}/read")
        assert "集合的时候骂人" in read.words and "话说重了" in read.words
        short = await desk.send(f"{where}/answer", {"words": " "})
        assert short.status == 400 and "集合的时候骂人" in short.words
        done = await desk.send(f"{where}/answer", {"words": "已当面提醒，他会向你道歉"})
        assert "已答复" in done.words
        assert "已答复" in (await desk.open("/feedback/complaints?over=1")).words
    await city.sent()
    await li.sees("有答复了")
    await li.press("📮 看一看")
    await li.sees("他会向你道歉")
    await li.press("满意")
    await li.sees("已办结")


async def complained(city: City, li: Phone) -> None:
    """Through the whole form, with a photo and no name."""
    await li.say("/complain")
    await li.press("某个人")
    await li.press("周站长")
    await li.say("周六集合的时候骂人")
    await li.send_photo(photo())
    await li.press("接着填")
    await li.press("谁都不要知道")
    summary = await li.sees("15 天内答复你")
    assert "周站长" in summary.words and "1 张照片" in summary.words
    await li.press("提交")
    await li.sees("谢谢你说出来")


async def rows(city: City) -> list[Complaint]:
    async with city.database.read() as session:
        return list(await session.scalars(select(Complaint)))
