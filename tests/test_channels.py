"""Who can't be reached by Telegram is reached otherwise; an emergency does not wait for that."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from sqlalchemy import delete, select

from bot.addressing import filled_in
from bot.channels import Letter, hand_over
from bot.logs import set_up_logs
from bot.settings import ChannelSettings
from models import Account, Attempt, Delivery, DeliveryState, Lane, Person
from playground import Phone
from services import delivery, enrolment
from services.answer_links import first_name
from services.delivery import Post
from tests.city import City
from tests.endpoint import Endpoint, MailServer


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as open_one:
        yield open_one


@pytest.fixture
async def reached(city: City, endpoint: Endpoint) -> City:
    """A city with text messages, calls and e-mail, whose engine works when it is told to."""
    city.channels = ChannelSettings(
        urls={
            "sms": endpoint.url("sms", "{phone}"),
            "voice": endpoint.url("voice", "{phone}"),
            "email": endpoint.url("email", "{email}"),
        },
        escalate_minutes={"sms": 2, "voice": 5},
    )
    await city.start_again()
    return city


async def tell(city: City, phone: Phone, lane: Lane = Lane.TRANSACTIONAL, **more: object) -> None:
    """Something with a button, about an activity that was cancelled."""
    person = await city.person(phone)
    await tell_person(city, person, lane, **more)


async def tell_person(
    city: City, person: Person, lane: Lane = Lane.TRANSACTIONAL, **more: object
) -> None:
    async with city.database.write() as session:
        work = city.making.work(session)
        post = Post("messages/muted", {"kind": "notice"}, "test", lane, **more)  # type: ignore[arg-type]
        await delivery.tell(work, post, [person.id])


async def without_telegram(city: City, name: str = "陈晓丽", **more: Any) -> Person:
    person = await city.making.volunteer(name, **more)
    async with city.database.write() as session:
        await session.execute(delete(Account).where(Account.person_id == person.id))
    return person


async def correct(city: City, subject: str) -> None:
    async with city.database.write() as session:
        post = Post("messages/unmuted", {"kind": "notice"}, "test")
        await delivery.correct(city.making.work(session), subject, post)


def channels_of(endpoint: Endpoint) -> list[str]:
    return [path.split("/")[1] for path, _ in endpoint.came]


async def turns(city: City, count: int = 1) -> None:
    for _ in range(count):
        await city.program.other_channels.turn()


async def by_other_channels(city: City) -> list[Delivery]:
    async with city.database.read() as session:
        found = await session.scalars(
            select(Delivery).where(Delivery.channel != "telegram").order_by(Delivery.id)
        )
        return list(found)


async def test_who_has_blocked_the_bot_gets_a_text_message_once(
    reached: City, endpoint: Endpoint
) -> None:
    chen = await reached.volunteer("陈晓丽")
    await chen.block()
    await reached.answered()
    await tell(reached, chen)
    await reached.sent()
    await turns(reached, 3)
    ((path, text),) = endpoint.came
    person = await reached.person(chen)
    assert path == f"/sms/{person.phone}"
    assert "以后不再发送“通知”" in text
    assert f"{reached.settings().web.public_url}/a/" in text
    (one,) = await by_other_channels(reached)
    assert (one.state, one.channel) == (DeliveryState.SENT, "sms")


async def test_who_has_no_telegram_is_reached_all_the_same(
    reached: City, endpoint: Endpoint
) -> None:
    person = await without_telegram(reached)
    await tell_person(reached, person)
    await turns(reached)
    ((path, _),) = endpoint.came
    assert path == f"/sms/{person.phone}"
    async with reached.database.read() as session:
        first = await session.scalar(select(Delivery).where(Delivery.channel == "telegram"))
    assert first is not None
    assert (first.state, first.reason) == (DeliveryState.FAILED, "no_telegram")


async def test_who_has_no_telegram_hears_that_a_shift_has_moved(
    reached: City, endpoint: Endpoint
) -> None:
    making = reached.making
    activity = await making.activity(await making.coordinator("王强"))
    shift = await making.shift(activity)
    person = await without_telegram(reached)
    chen = await reached.volunteer("李明")
    async with reached.database.write() as session:
        for one in (person, await reached.person(chen)):
            await enrolment.enrol(making.work(session).acting_as(one), shift.id)
        asked = await enrolment.ask_to_reconfirm(
            making.work(session), activity.id, {"address": "岐江公园南门"}
        )
    assert asked == 2
    await reached.sent()
    await turns(reached)
    ((path, text),) = endpoint.came
    assert path == f"/sms/{person.phone}"
    assert "岐江公园南门" in text


async def test_without_a_phone_the_next_channel_serves(reached: City, endpoint: Endpoint) -> None:
    chen = await reached.volunteer("陈晓丽", email="chen@example.org", phone=None, phone_hash=None)
    await chen.block()
    await reached.answered()
    await tell(reached, chen)
    await reached.sent()
    await turns(reached, 2)
    ((path, _),) = endpoint.came
    assert path == "/email/chen@example.org"


async def test_what_names_others_is_not_texted(reached: City, endpoint: Endpoint) -> None:
    person = await without_telegram(reached)
    about = {"name": "李明", "number": "ZS1", "title": "河岸植树", "enrolment_id": 1}
    about |= {"starts_at": "2026-11-28T01:00:00+00:00", "ends_at": "2026-11-28T04:00:00+00:00"}
    async with reached.database.write() as session:
        post = Post("enrolment/application", about | {"activity_id": 1}, "test")
        await delivery.tell(reached.making.work(session), post, [person.id])
    await turns(reached)
    ((_, text),) = endpoint.came
    assert text == "“集结”里有件事等你处理，请打开 Telegram 查看。"


async def test_newsletters_cost_no_text_message(reached: City, endpoint: Endpoint) -> None:
    chen = await reached.volunteer("陈晓丽")
    await chen.block()
    await reached.answered()
    await tell(reached, chen, Lane.BROADCAST)
    await reached.sent()
    await turns(reached, 2)
    assert endpoint.came == []


async def test_an_emergency_without_an_answer_goes_by_one_channel_after_the_other(
    reached: City, endpoint: Endpoint
) -> None:
    chen = await reached.volunteer("陈晓丽")
    reached.clock.forward(hours=2)
    await tell(reached, chen, Lane.EMERGENCY)
    await reached.sent()
    await turns(reached)
    assert endpoint.came == []
    reached.clock.forward(minutes=2)
    await turns(reached, 3)
    assert channels_of(endpoint) == ["sms"]
    reached.clock.forward(minutes=3)
    await turns(reached, 3)
    assert channels_of(endpoint) == ["sms", "voice"]


async def test_who_has_answered_is_left_alone(reached: City, endpoint: Endpoint) -> None:
    chen = await reached.volunteer("陈晓丽")
    reached.clock.forward(hours=2)
    await tell(reached, chen, Lane.EMERGENCY)
    await reached.sent()
    await chen.press("全部消息设置")
    await reached.answered()
    await reached.program.line.intake.note_answered()
    reached.clock.forward(minutes=10)
    await turns(reached, 2)
    assert endpoint.came == []


async def test_any_word_is_a_sign_of_life_however_soon_after_another(
    reached: City, endpoint: Endpoint
) -> None:
    chen = await reached.volunteer("陈晓丽")
    await chen.say("/messages")
    await reached.answered()
    reached.clock.forward(minutes=1)
    await tell(reached, chen, Lane.EMERGENCY)
    await reached.sent()
    reached.clock.forward(minutes=1)
    await chen.say("/help")
    await reached.answered()
    reached.clock.forward(minutes=10)
    await turns(reached, 2)
    assert endpoint.came == []


async def test_in_an_emergency_who_has_no_telegram_is_called_if_they_do_not_answer_either(
    reached: City, endpoint: Endpoint
) -> None:
    person = await without_telegram(reached)
    await tell_person(reached, person, Lane.EMERGENCY)
    await turns(reached)
    assert channels_of(endpoint) == ["sms"]
    reached.clock.forward(minutes=5)
    await turns(reached, 3)
    assert channels_of(endpoint) == ["sms", "voice"]


async def test_who_has_answered_on_the_page_is_not_called(
    reached: City, endpoint: Endpoint
) -> None:
    person = await without_telegram(reached)
    await tell_person(reached, person, Lane.EMERGENCY)
    await turns(reached)
    ((_, text),) = endpoint.came
    link = text.rpartition("：")[2]
    async with (
        aiohttp.ClientSession() as web,
        web.post(link, data={"press": "unmute:notice"}) as answer,
    ):
        assert answer.status == 200
    reached.clock.forward(minutes=5)
    await turns(reached, 2)
    assert channels_of(endpoint) == ["sms"]


async def test_what_has_become_untrue_goes_out_by_no_other_channel(
    reached: City, endpoint: Endpoint
) -> None:
    chen = await reached.volunteer("陈晓丽")
    await tell(reached, chen, Lane.EMERGENCY, subject="callout:1")
    await reached.sent()
    await correct(reached, "callout:1")
    await reached.sent()
    li = await reached.volunteer("李明")
    await li.block()
    await reached.answered()
    await tell(reached, li, subject="callout:2")
    await reached.sent()
    endpoint.status = 503
    await turns(reached)
    await correct(reached, "callout:2")
    endpoint.came.clear()
    reached.clock.forward(minutes=10)
    await turns(reached, 3)
    assert endpoint.came == []


async def test_what_is_to_be_said_later_is_said_later(reached: City, endpoint: Endpoint) -> None:
    person = await without_telegram(reached)
    chen = await reached.volunteer("李明")
    later = reached.clock() + timedelta(hours=1)
    await tell_person(reached, person, Lane.EMERGENCY, due_at=later)
    await tell(reached, chen, Lane.EMERGENCY, due_at=later)
    reached.clock.forward(minutes=30)
    await turns(reached, 2)
    assert endpoint.came == []
    reached.clock.forward(minutes=30)
    await turns(reached)
    assert [path for path, _ in endpoint.came] == [f"/sms/{person.phone}"]


async def test_a_channel_that_hangs_holds_up_no_other(city: City, endpoint: Endpoint) -> None:
    city.channels = ChannelSettings(
        urls={
            "sms": endpoint.url("sms", "{phone}"),
            "email": endpoint.url("email", "{email}"),
        }
    )
    city.drives_channels = False
    await city.start_again()
    endpoint.hangs = "email"
    slow = await without_telegram(city, email="chen@example.org", phone=None, phone_hash=None)
    await tell_person(city, slow)
    await endpoint.has(1)
    quick = await without_telegram(city, "李明")
    await tell_person(city, quick)
    assert [path for path, _ in await endpoint.has(2)] == [
        "/email/chen@example.org",
        f"/sms/{quick.phone}",
    ]
    endpoint.let_go()


async def test_an_e_mail_has_a_subject_and_its_lines(city: City) -> None:
    async with MailServer() as server:
        city.channels = ChannelSettings.model_validate({"urls": {"email": server.url}})
        await city.start_again()
        person = await without_telegram(city, email="chen.x+a@example.org")
        await tell_person(city, person)
        await turns(city)
        ((recipient, subject, text),) = server.came
    assert recipient == "chen.x+a@example.org"
    assert "以后不再发送“通知”" in subject
    assert "\n\n点此回复" in text.replace("\r\n", "\n")


async def test_nothing_of_addresses_or_texts_is_logged(
    endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger().handlers, logging.getLogger().level
    set_up_logs("DEBUG")
    try:
        for status in (200, 503):
            endpoint.status = status
            url = filled_in(endpoint.url("sms", "{phone}"), "+8613800000001")
            await asyncio.to_thread(hand_over, url, Letter("来吗？", ""))
    finally:
        logging.getLogger().handlers, logging.getLogger().level = before
    assert len(endpoint.came) == 2
    said = capfd.readouterr().err
    assert "13800000001" not in said
    assert "来吗" not in said


async def test_a_channel_that_is_down_is_tried_again_and_then_the_next_one(
    reached: City, endpoint: Endpoint
) -> None:
    chen = await reached.volunteer("陈晓丽")
    await chen.block()
    await reached.answered()
    await tell(reached, chen)
    await reached.sent()
    endpoint.status = 503
    for _ in range(4):
        await turns(reached)
        reached.clock.forward(minutes=5)
    assert channels_of(endpoint) == ["sms"] * 4
    endpoint.status = 200
    await turns(reached, 2)
    sms, voice = await by_other_channels(reached)
    assert (sms.state, sms.reason, sms.attempts) == (DeliveryState.FAILED, "refused", 4)
    assert (voice.channel, voice.state) == ("voice", DeliveryState.SENT)
    async with reached.database.read() as session:
        reasons = await session.scalars(select(Attempt.reason).where(Attempt.delivery_id == sms.id))
        assert set(reasons) == {"refused: not taken"}


async def test_what_has_expired_is_not_sent_any_more(reached: City, endpoint: Endpoint) -> None:
    chen = await reached.volunteer("陈晓丽")
    await chen.block()
    await reached.answered()
    endpoint.status = 503
    end = reached.clock.at("2026-11-23 11:00")
    await tell(reached, chen, expires_at=end)
    await reached.sent()
    await turns(reached)
    endpoint.status = 200
    reached.clock.go_to("2026-11-23 11:00")
    await turns(reached, 2)
    assert len(endpoint.came) == 1
    (one,) = await by_other_channels(reached)
    assert one.state is DeliveryState.EXPIRED


async def test_what_was_in_flight_at_a_crash_is_sent_again_and_marked(
    reached: City, endpoint: Endpoint
) -> None:
    chen = await reached.volunteer("陈晓丽")
    await chen.block()
    await reached.answered()
    await tell(reached, chen)
    await reached.sent()
    endpoint.status = 503
    await turns(reached)
    async with reached.database.write() as session:
        row = (await session.scalars(select(Delivery).where(Delivery.channel == "sms"))).one()
        row.state = DeliveryState.SENDING
    endpoint.status = 200
    await reached.start_again()
    await turns(reached)
    (one,) = await by_other_channels(reached)
    assert (one.state, one.possible_duplicate) == (DeliveryState.SENT, True)


async def test_the_engine_wakes_by_itself(city: City, endpoint: Endpoint) -> None:
    city.channels = ChannelSettings(urls={"sms": endpoint.url("sms", "{phone}")})
    city.drives_channels = False
    await city.start_again()
    person = await without_telegram(city)
    await tell_person(city, person)
    ((path, _),) = await endpoint.has(1)
    assert path == f"/sms/{person.phone}"


def test_people_are_greeted_by_the_name_that_is_their_own() -> None:
    names = {
        "陈晓丽": "晓丽",
        "李明": "明",
        "欧阳娜": "娜",
        "欧阳娜娜": "娜娜",
        "阿依古丽·买买提": "阿依古丽",
        "José García": "José",
        "Mary Smith": "Mary",
        "丽": "丽",
    }
    assert {name: first_name(name) for name in names} == names
