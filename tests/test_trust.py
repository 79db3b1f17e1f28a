"""What must never happen: forged buttons, full shifts overbooked, forgotten or doubled answers."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.settings import Mode
from handlers.planning import PLAN
from handlers.routes import BUTTONS, LINKS
from handlers.signup import SIGNUP
from models import (
    Account,
    Base,
    Broadcast,
    BroadcastState,
    Callout,
    CalloutState,
    Confirmation,
    Conversation,
    Dispute,
    DisputeState,
    Duty,
    Emergency,
    Enrolment,
    EnrolmentState,
    Group,
    Need,
    Person,
    Qualification,
    QualificationState,
    QuizAttempt,
    RequiredCourse,
    Response,
    ResponseState,
    SavedAudience,
    Shift,
    Standing,
    Swap,
    SwapOffer,
)
from playground import Phone
from services import certificates, groups
from tests.attending import propose
from tests.certified import RECORD
from tests.city import City
from tests.databases import ON_BOTH, ON_SQLITE
from tests.killable import Killable, killed_outright
from tests.times import ManualClock
from web.app import SECRET_HEADER, webhook_path

CROWD, PLACES = 500, 20
FEWER = 150
"""Of the crowd on PostgreSQL: many times as many as there are connections at once."""
STARTING = 60
"""Seconds at most that a process of its own takes to start beside other tests."""
LARGEST = str(2**63 - 1)
"""What a key in the database can just hold."""
NONSENSE = ("", "x", "-1", "²", LARGEST, "9" * 30, f"1:{LARGEST}", "1:1:1:1:1")
SELVES = ("forget.yes", "withdraw.yes", "emergencies.stop", "ready.stop")
"""Everybody may press these; nothing is left to be seen of who does."""
TALK = ("inbox", "message", "process", "lease", "share")


# Forged and foreign buttons


@ON_BOTH
async def test_no_forged_button_or_link_does_anything_but_get_an_answer(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    """Every action that there is, with every kind of argument, from somebody without rights."""
    # How arguments are read has nothing to do with the database; how large a key may be has.
    nonsense = NONSENSE if city.database.is_sqlite else (LARGEST,)
    without = ("", "x") if city.database.is_sqlite else ("",)
    chen = await city.volunteer("陈晓丽")
    before = await _what_others_have(city, chen)
    await chen.say("/menu")
    screen = await chen.sees("今天想做点什么")
    pressed = [
        f"{action}:{rest}".rstrip(":")
        for place, (action, route) in enumerate(BUTTONS.items())
        for rest in ({nonsense[place % len(nonsense)], LARGEST} if route.converters else without)
    ]
    for data in [*pressed, "nothing", "", ":", "a" * 64]:
        if not data.startswith(SELVES):
            assert await chen.press_data(data, screen.id)
    for prefix in LINKS:
        for rest in ("", "x", "1-2-3-4", "9" * 30, "0-0-0", LARGEST, f"1-{LARGEST}-x"):
            await chen.say(f"/start {prefix}-{rest}")
    await city.answered()
    assert _faults(caplog) == []
    assert await _what_others_have(city, chen) == before


@pytest.mark.parametrize("who", ["volunteer", "coordinator"])
async def test_what_belongs_to_others_is_out_of_reach_by_its_number(
    city: City, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    """Every action with the key 1, which one thing of each kind bears."""
    await _one_of_each_kind(city)
    if who == "volunteer":
        mallory = await city.volunteer("马洛里")
    else:
        mallory = await city.coordinator("马洛里", organisation="zs-dongfeng")
    await mallory.say("/menu")
    screen = await mallory.sees("今天想做点什么")
    before = await _what_others_have(city, mallory)
    reached = []
    for action, route in BUTTONS.items():
        if int not in route.converters or action == "enrol":  # enrolling is everybody's right
            continue
        data = ":".join([action, *["1"] * max(route.required, 1)])
        answer = await mallory.press_data(data, screen.id)
        if not answer.alert and action not in ANYBODYS:
            reached.append(data)
    assert reached == [], " ".join(reached)
    assert _faults(caplog) == []
    assert await _what_others_have(city, mallory) == before


ANYBODYS = (
    "activity", "activity.venue", "activity.calendar", "browse.field", "browse.town",
    "broadcasts.list", "duty", "courses.page", "course", "course.materials", "course.material",
    "quiz", "series", "series.when", "series.rhythm", "team", "care",
    "honours", "notices", "projects.catalogue", "checklist.page", "feedback",
)  # fmt: skip
"""What is public may be looked at, and further pages of one's own."""


async def _one_of_each_kind(city: City) -> None:
    """The first row of each table that keys in buttons point to, all in one town."""
    applicant = await city.making.volunteer("申请人", standing=Standing.AWAITING_APPROVAL)
    wang = await city.coordinator("王强")
    coordinator = await city.person(wang)
    activity = await city.making.activity(coordinator, confirmation=Confirmation.BY_HAND)
    shift = await city.making.shift(activity)
    chen = await city.volunteer("陈晓丽")
    await _press(chen, f"enrol:{shift.id}")
    await chen.say("/pause")
    await chen.sees("想休息到哪天")
    attended = await city.making.shift(activity, "2026-11-22 09:00")
    attendance = await propose(city.making, attended, await city.person(chen))
    async with city.database.write() as session:
        session.add(
            Dispute(
                attendance_id=attendance,
                organisation_id=coordinator.organisation_id,
                text="我待到了中午",
                state=DisputeState.OPEN,
                raised_at=city.clock(),
            )
        )
        session.add(
            Qualification(
                person_id=applicant.id,
                kind_id=1,
                state=QualificationState.AWAITING,
                submitted_at=city.clock(),
            )
        )
        session.add(
            Broadcast(
                organisation_id=coordinator.organisation_id,
                author_id=coordinator.id,
                kind="notice",
                title="通知",
                versions={"zh_Hans": "通知"},
                buttons={},
                audience={"organisations": [coordinator.organisation_id]},
                state=BroadcastState.DRAFT,
                created_at=city.clock(),
            )
        )
        session.add(
            SavedAudience(
                organisation_id=coordinator.organisation_id,
                name="年轻人",
                audience={},
                created_by_id=coordinator.id,
                created_at=city.clock(),
            )
        )
        session.add(
            Group(
                chat_id=-1001,
                organisation_id=coordinator.organisation_id,
                title="石岐志愿者",
                language="zh_Hans",
            )
        )
        await _certify(session, city, chen)
        await _call_out(session, city, coordinator, applicant)
        await _on_duty(session, city, coordinator, applicant)
        session.add(
            QuizAttempt(
                course_id=1,
                person_id=applicant.id,
                questions=[1],
                answers={},
                started_at=city.clock(),
            )
        )
        session.add(
            RequiredCourse(
                organisation_id=coordinator.organisation_id,
                course_id=1,
                slot="",
                set_by_id=coordinator.id,
                set_at=city.clock(),
            )
        )
    await city.sent()


async def _certify(session: AsyncSession, city: City, volunteer: Phone) -> None:
    person = await city.person(volunteer)
    await certificates.issue(city.making.work(session, person), person.id, RECORD)


async def _call_out(session: AsyncSession, city: City, commander: Person, asked: Person) -> None:
    callout = Callout(
        organisation_id=commander.organisation_id,
        commander_id=commander.id,
        kind=Emergency.FLOOD,
        drill=False,
        address="体育馆",
        latitude=22.525,
        longitude=113.375,
        radius=10_000.0,
        state=CalloutState.ACTIVE,
        word="1234",
        holds=True,
        created_at=city.clock(),
        launched_at=city.clock(),
    )
    session.add(callout)
    await session.flush()
    need = Need(callout_id=callout.id, quota=3, skills=[], qualifications=[], languages=[])
    session.add(need)
    await session.flush()
    session.add(
        Response(
            callout_id=callout.id,
            person_id=asked.id,
            need_id=need.id,
            wave=1,
            state=ResponseState.ON_SCENE,
            metres=100.0,
            probability=0.2,
            asked_at=city.clock(),
        )
    )


async def _on_duty(session: AsyncSession, city: City, leader: Person, holder: Person) -> None:
    duty = Duty(
        organisation_id=leader.organisation_id,
        person_id=holder.id,
        starts_at=city.clock() + timedelta(hours=1),
        ends_at=city.clock() + timedelta(hours=9),
        given_at=city.clock(),
    )
    session.add(duty)
    await session.flush()
    swap = Swap(duty_id=duty.id, asker_id=holder.id, asked_at=city.clock())
    session.add(swap)
    await session.flush()
    session.add(SwapOffer(swap_id=swap.id, person_id=leader.id, offered_at=city.clock()))


async def _what_others_have(city: City, besides: Phone) -> dict[str, list[str]]:
    """Every row that is not of this person, by table; without what passes through the chats."""
    person = await city.person(besides)
    async with city.database.read() as session:
        found = await session.scalars(select(Account).where(Account.telegram_id == besides.id))
        account = found.one()
        own = {"person": person.id, "account": account.id}
        rows = {
            table.name: (await session.execute(select(table).order_by(*table.primary_key)))
            .mappings()
            .all()
            for table in Base.metadata.sorted_tables
            if table.name not in TALK
        }
    return {
        name: [
            repr(row)
            for row in table
            if row.get("person_id") != person.id
            and row.get("account_id") != account.id
            and row.get("id", 0) != own.get(name)
        ]
        for name, table in rows.items()
    }


def _faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@ON_SQLITE
async def test_nobody_binds_a_group_with_a_forged_code_or_without_the_right(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    group = city.telegram.add_group("石岐志愿者", [wang, chen])
    city.telegram.world.join(group, city.bot, "member", wang.person)
    await wang.in_chat(group).sees("大家好")
    home = (await city.person(wang)).organisation_id or 0
    for phone, code in (
        (wang, "1-forged"), (wang, "x"), (wang, ""), (wang, "9" * 30 + "-a"),
        (chen, groups.binding_code(home)),
    ):  # fmt: skip
        before = len(phone.in_chat(group).messages)
        await phone.in_chat(group).say(f"/bind {code}")
        await city.answered()
        assert len(phone.in_chat(group).messages) == before + 2  # said, and refused
    async with city.database.read() as session:
        bound = select(Group.id).where(Group.organisation_id.is_not(None))
        assert (await session.scalars(bound)).all() == []
    assert _faults(caplog) == []


async def test_no_forged_answer_upsets_a_form(city: City, caplog: pytest.LogCaptureFixture) -> None:
    """A question of each kind, answered by buttons that were never under it."""
    wang = await city.coordinator("王强")
    await wang.say("/menu")
    screen = await wang.sees("今天想做点什么")
    questions = {type(f.kind): (form.name, f.name) for form in (PLAN, SIGNUP) for f in form.fields}
    for form, field in questions.values():
        for what in ("pick", "page", "toggle", "set", "whole", "yes", "nothing"):
            for argument in ("²", "9" * 40):
                await _stands_at(city, wang, form, field)
                assert await wang.press_data(f"f:{field}:{what}:{argument}", screen.id)
        for data in ("f:summary:send", "f:summary:edit:name", "f:nothing:yes", "f:x"):
            assert await wang.press_data(data, screen.id)
    assert _faults(caplog) == []


async def _stands_at(city: City, phone: Phone, form: str, field: str) -> None:
    """The person has just been asked this question, having named the people they were asked for."""
    async with city.database.write() as session:
        account = await session.scalar(select(Account.id).where(Account.telegram_id == phone.id))
        await session.execute(delete(Conversation))
        session.add(
            Conversation(
                account_id=account,
                form=form,
                field=field,
                answers={"contact_name": "陈大明", "guardian_name": "陈大明"},
                scratch={},
                started_at=city.clock(),
                updated_at=city.clock(),
            )
        )


async def test_a_form_left_half_way_is_only_its_owners(city: City) -> None:
    chen, mallory = await city.volunteer("陈晓丽"), await city.volunteer("马洛里")
    await chen.say("/pause")
    await chen.sees("想休息到哪天")
    await chen.say("/menu")
    await chen.sees("今天想做点什么")
    async with city.database.read() as session:
        form = (await session.scalars(select(Conversation))).one()
    for action in ("draft.resume", "draft.discard"):
        assert "过期" in (await _press(mallory, f"{action}:{form.id}") or ""), action
    await _press(mallory, "f:until:yes")
    await chen.press_data(f"draft.resume:{form.id}")
    await chen.wait(lambda m: m is chen.screen and "想休息到哪天" in m.words)


async def test_buttons_of_somebody_elses_enrolment_are_refused(city: City) -> None:
    wang = await city.coordinator("王强")
    chen, mallory = await city.volunteer("陈晓丽"), await city.volunteer("马洛里")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity)
    await _press(chen, f"enrol:{shift.id}")
    (own,) = await _enrolments(city)
    for data in ("enrol.cancel", "enrol.drop", "coming.no", "offer.accept", "offer.decline"):
        answer = await _press(mallory, f"{data}:{own.id}")
        assert answer and "过期" in answer, data
    attendance = await propose(
        city.making, await city.making.shift(activity), await city.person(chen)
    )
    answer = await _press(mallory, f"object:{attendance}")
    assert answer and "过期" in answer
    (same, _) = await _enrolments(city)
    assert same.state is EnrolmentState.CONFIRMED


async def test_a_coordinator_of_another_town_is_refused(city: City) -> None:
    wang = await city.coordinator("王强")
    stranger = await city.coordinator("外镇人", organisation="zs-dongfeng")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity)
    for data in (
        f"activity.manage:{activity.id}",
        f"roster:{shift.id}",
        f"applications:{activity.id}",
        f"shift.edit:{shift.id}",
        f"shift.remove:{shift.id}",
        f"groups.of:{activity.organisation_id}",
    ):
        answer = await _press(stranger, data)
        assert answer and "权限" in answer, data
    await stranger.say("/activities")
    assert "河岸植树" not in (await stranger.wait(lambda m: m.from_bot)).words


async def _press(phone: Phone, data: str) -> str | None:
    """What the alert says, if there is one."""
    if not any(message.from_bot for message in phone.messages):
        await phone.say("/menu")
        await phone.sees("今天想做点什么")
    answer = await phone.press_data(data, phone.screen.id)
    return answer.text


async def _enrolments(city: City) -> list[Enrolment]:
    async with city.database.read() as session:
        return list(await session.scalars(select(Enrolment).order_by(Enrolment.id)))


# A rush


@ON_BOTH
async def test_500_presses_at_once_on_the_last_20_places_fill_them_in_order(
    city: City,
) -> None:
    wang = await city.coordinator("王强")
    activity = await city.making.activity(await city.person(wang))
    shift = await city.making.shift(activity, quota=PLACES)
    crowd = CROWD if city.database.is_sqlite else FEWER
    people = await city.making.crowd(crowd)
    phones = await _phones_of(city, people)
    world = city.telegram.world
    queries = []
    for phone in phones:
        screen = world.post(phone.chat, city.bot, text="河岸植树")
        queries.append(world.press(phone.chat, phone.person, screen, f"enrol:{shift.id}"))
    await city.answered()
    assert all(query.answer for query in queries)
    place_of = {own.person_id: own for own in await _enrolments(city)}
    states = [place_of[person.id].state for person in people]
    waiting = crowd - PLACES
    assert states == [EnrolmentState.CONFIRMED] * PLACES + [EnrolmentState.WAITLISTED] * waiting
    async with city.database.read() as session:
        assert (await session.get_one(Shift, shift.id)).taken == PLACES
    for position, phone in enumerate(phones[PLACES:], 1):
        assert f"候补第 {position} 位" in phone.screen.words


async def _phones_of(city: City, people: list[Person]) -> list[Phone]:
    phones = []
    async with city.database.write() as session:
        for person in people:
            phone = city.stranger(person.name)
            phone.chat.started = True
            session.add(
                Account(
                    telegram_id=phone.id,
                    person_id=person.id,
                    language="zh_Hans",
                    language_chosen=True,
                    first_seen_at=city.clock(),
                    last_seen_at=city.clock(),
                )
            )
            phones.append(phone)
    return phones


# Twice and never


@pytest.mark.parametrize("mode", list(Mode))
async def test_an_update_that_comes_twice_is_answered_once(
    database_url: str, clock: ManualClock, mode: Mode
) -> None:
    city = City(database_url, clock, mode)
    await city.start()
    try:
        planned = await city.making.activity(await city.person(await city.coordinator("王强")))
        shift = await city.making.shift(planned)
        chen = await city.volunteer("陈晓丽")
        heard: list[Any] = []
        city.telegram.world.subscribe(
            lambda change, _, about: heard.append(about) if change == "update" else None
        )
        await _press(chen, f"enrol:{shift.id}")
        await city.answered()
        (_, kind, content), newest = heard[-1], city.program.line.intake.newest
        seen = [message.words for message in chen.messages]
        for _ in range(3):
            city.telegram.updates.inject(city.bot, {"update_id": newest, kind: content})
        await chen.say("/help")  # comes after the repeated ones
        await chen.wait(lambda message: message.words not in seen)
        await city.answered()
        assert [message.words for message in chen.messages[:-2]] == seen
        assert len(await _enrolments(city)) == 1
    finally:
        await city.stop()


async def test_the_bot_killed_in_the_middle_of_a_form_goes_on_at_the_same_question(
    killable: Killable,
) -> None:
    chen = killable.person("陈晓丽")
    killable.start()
    await chen.start()
    await chen.sees("我是集结", limit=STARTING)
    await chen.press("注册志愿者")
    await chen.sees("哪种语言")
    await chen.press("简体中文")
    await chen.sees("你同意吗")
    await chen.press("我同意")
    await chen.sees("你叫什么名字")
    await chen.say("陈晓丽")
    await chen.sees("出生日期")
    await killable.kill()
    await chen.say("1990-05-01")
    killable.start()
    await chen.sees("吗？", limit=STARTING)
    await chen.press("对，没错")
    question = await chen.sees("哪个手机号")
    assert question.words.startswith("5 / ")
    async with killable.database.read() as session:
        form = (await session.scalars(select(Conversation))).one()
        assert form.answers["name"] == "陈晓丽" and form.answers["birth"]["day"] == "1990-05-01"


@pytest.fixture
async def killable(database_url: str, tmp_path: Path) -> AsyncIterator[Killable]:
    async with killed_outright(database_url, tmp_path) as made:
        assert (await made.muster("init")).code == 0
        yield made


# Webhooks


async def test_updates_arrive_by_webhook_and_only_with_the_secret(
    database_url: str, clock: ManualClock
) -> None:
    city = City(database_url, clock, Mode.WEBHOOK)
    await city.start()
    try:
        chen = await city.volunteer("陈晓丽")
        await chen.say("/menu")
        await chen.sees("陈晓丽，你好")
        await city.answered()
        seen, newest = len(chen.messages), city.program.line.intake.newest
        forged = {"update_id": newest + 1, "message": _typed_by(chen, "/profile")}
        address = f"http://127.0.0.1:{city.program.web_port}{webhook_path(1)}"
        async with aiohttp.ClientSession() as stranger:
            for headers in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: "guessed"}):
                async with stranger.post(address, json=forged, headers=headers) as answer:
                    assert answer.status == 403
        await city.answered()
        assert (len(chen.messages), city.program.line.intake.newest) == (seen, newest)
    finally:
        await city.stop()


def _typed_by(phone: Phone, text: str) -> dict[str, Any]:
    """A message as Telegram would deliver it."""
    return {
        "message_id": 1,
        "date": 1,
        "chat": {"id": phone.id, "type": "private"},
        "from": {"id": phone.id, "is_bot": False, "first_name": phone.person.first_name},
        "text": text,
    }
