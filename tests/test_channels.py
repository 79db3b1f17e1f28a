"""Who can't be reached by Telegram is reached otherwise; an emergency does not wait for that."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, select

from bot.settings import ChannelSettings
from models import Account, Attempt, Delivery, DeliveryState, Lane, Person
from playground import Phone
from services import delivery
from services.delivery import Post
from tests.city import City
from tests.endpoint import Endpoint


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
    person = await reached.making.volunteer("陈晓丽")
    async with reached.database.write() as session:
        await session.execute(delete(Account).where(Account.person_id == person.id))
    await tell_person(reached, person)
    await turns(reached)
    ((path, _),) = endpoint.came
    assert path == f"/sms/{person.phone}"
    async with reached.database.read() as session:
        first = await session.scalar(select(Delivery).where(Delivery.channel == "telegram"))
    assert first is not None
    assert (first.state, first.reason) == (DeliveryState.FAILED, "no_telegram")


async def test_without_a_phone_the_next_channel_serves(reached: City, endpoint: Endpoint) -> None:
    chen = await reached.volunteer("陈晓丽", email="chen@example.org", phone=None, phone_hash=None)
    await chen.block()
    await reached.answered()
    await tell(reached, chen)
    await reached.sent()
    await turns(reached, 2)
    ((path, _),) = endpoint.came
    assert path == "/email/chen@example.org"


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
    assert [path.split("/")[1] for path, _ in endpoint.came] == ["sms"]
    reached.clock.forward(minutes=3)
    await turns(reached, 3)
    assert [path.split("/")[1] for path, _ in endpoint.came] == ["sms", "voice"]


async def test_who_has_answered_is_left_alone(reached: City, endpoint: Endpoint) -> None:
    chen = await reached.volunteer("陈晓丽")
    reached.clock.forward(hours=2)
    await tell(reached, chen, Lane.EMERGENCY)
    await reached.sent()
    await chen.press("全部消息设置")
    await reached.answered()
    await reached.program.intake.note_answered()
    reached.clock.forward(minutes=10)
    await turns(reached, 2)
    assert endpoint.came == []


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
    assert [path.split("/")[1] for path, _ in endpoint.came] == ["sms"] * 4
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
    person = await city.making.volunteer("陈晓丽")
    async with city.database.write() as session:
        await session.execute(delete(Account).where(Account.person_id == person.id))
    await tell_person(city, person)
    ((path, _),) = await endpoint.has(1)
    assert path == f"/sms/{person.phone}"
