"""The sender on Telegram's bad days, end to end: what must arrive does, once, the urgent first."""

import asyncio
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from bot.schema import upgrade
from bot.sender import SHARES
from models import Account, Attempt, Database, Delivery, DeliveryState, Group, Lane, Message
from models.sealed import keyring
from playground import Phone, Playground
from playground.faults import Fault
from playground.model import Chat
from playground.server import Call
from services import delivery, outbox
from services.delivery import Post
from services.policy import Policy
from services.work import Work
from tests.city import TOKEN, USERNAME, City
from tests.commands import Muster
from tests.databases import ON_BOTH
from tests.making import Making
from tests.times import ManualClock

pytestmark = ON_BOTH

BACKLOG = 400


def notice(text: str, lane: Lane = Lane.TRANSACTIONAL) -> Post:
    """A message in which `text` is read."""
    return Post("approvals/refused", {"reason": text}, "notice", lane)


async def tell(database: Database, clock: ManualClock, post: Post, chats: Iterable[int]) -> None:
    """One message each, in one transaction."""
    async with database.write() as session:
        work = Work(session, clock(), Policy())
        for chat_id in chats:
            await delivery.tell_chat(work, post, chat_id, "zh_Hans")


async def post(city: City, text: str, *phones: Phone, lane: Lane = Lane.TRANSACTIONAL) -> None:
    await tell(city.database, city.clock, notice(text, lane), [phone.id for phone in phones])


async def deliveries(database: Database) -> list[Delivery]:
    async with database.read() as session:
        return list(await session.scalars(select(Delivery).order_by(Delivery.id)))


def people(city: City, count: int) -> list[Phone]:
    """Strangers who have pressed Start once."""
    phones = [city.stranger(f"Person {number}") for number in range(count)]
    for phone in phones:
        phone.chat.started = True
    return phones


def sent(city: City) -> list[Call]:
    return city.telegram.calls("sendMessage")


def count(phone: Phone, text: str) -> int:
    return sum(text in message.words for message in phone.messages)


async def test_a_429_of_one_chat_delays_that_chat_only(city: City) -> None:
    hit, *others = people(city, 30)
    city.telegram.faults.fail(chat_id=hit.id, status=429, retry_after=1)
    await post(city, "第一条", hit, *others)
    await hit.sees("第一条")
    refused, again = (call for call in sent(city) if call.chat_id == hit.id)
    assert refused.status == 429
    assert again.at - refused.at >= 1
    between = {call.chat_id for call in sent(city) if call.at < again.at} - {hit.id}
    assert between == {phone.id for phone in others}
    await city.sent()
    first, *rest = await deliveries(city.database)
    assert first.attempts == 2
    assert {one.attempts for one in rest} == {1}


@pytest.mark.parametrize(
    ("status", "description", "why"),
    [
        (403, "Forbidden: bot was blocked by the user", "blocked"),
        (403, "Forbidden: user is deactivated", "deactivated"),
        (403, "Forbidden: bot can't initiate conversation with a user", "not_started"),
        (400, "Bad Request: chat not found", "chat_not_found"),
    ],
)
async def test_somebody_who_cant_be_written_to_is_recorded_as_unreachable(
    city: City, status: int, description: str, why: str
) -> None:
    chen = await city.volunteer("陈晓丽")
    city.telegram.faults.fail(chat_id=chen.id, status=status, description=description)
    await post(city, "你好", chen)
    await city.sent()
    (failed,) = await deliveries(city.database)
    assert failed.state is DeliveryState.FAILED
    assert failed.reason == why
    async with city.database.read() as session:
        account = (await session.scalars(select(Account))).one()
    assert account.unreachable_since == city.clock()
    assert account.unreachable_reason == why
    await city.forward(hours=12)
    assert len(sent(city)) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_that_fails_is_asked_again_and_the_message_comes_once(
    city: City, status: int
) -> None:
    chen, li = people(city, 2)
    city.telegram.faults.fail(chat_id=chen.id, status=status, times=2)
    await post(city, "你好", chen, li)
    await city.sent()
    assert (count(chen, "你好"), count(li, "你好")) == (0, 1)
    await city.forward(seconds=10)
    assert count(chen, "你好") == 0
    await city.forward(seconds=10)
    assert (count(chen, "你好"), count(li, "你好")) == (1, 1)
    first, second = await deliveries(city.database)
    assert (first.state, first.attempts) == (DeliveryState.SENT, 3)
    assert (second.state, second.attempts) == (DeliveryState.SENT, 1)


@pytest.mark.parametrize("status", [200, 403])
async def test_what_a_proxy_says_in_telegrams_place_says_nothing_of_the_chat(
    city: City, status: int
) -> None:
    (chen,) = people(city, 1)
    city.telegram.faults.garble(method="sendMessage", status=status)
    await post(city, "你好", chen)
    await city.sent()
    assert count(chen, "你好") == 0
    await city.forward(seconds=10)
    assert count(chen, "你好") == 1
    (kept,) = await deliveries(city.database)
    assert (kept.state, kept.attempts) == (DeliveryState.SENT, 2)


async def test_a_dropped_connection_is_tried_again_and_the_message_comes_once(city: City) -> None:
    (chen,) = people(city, 1)
    city.telegram.faults.drop(method="sendMessage", when="before")
    await post(city, "你好", chen)
    await city.sent()
    await city.forward(seconds=10)
    assert count(chen, "你好") == 1


async def test_a_lost_answer_is_marked_since_the_message_may_come_twice(city: City) -> None:
    (chen,) = people(city, 1)
    city.telegram.faults.drop(method="sendMessage", when="after")
    await post(city, "你好", chen)
    await city.sent()
    await city.forward(seconds=10)
    assert count(chen, "你好") == 2
    (one,) = await deliveries(city.database)
    assert (one.state, one.possible_duplicate) == (DeliveryState.SENT, True)


async def test_a_message_that_never_gets_through_is_given_up_and_says_why(city: City) -> None:
    (chen,) = people(city, 1)
    city.telegram.faults.fail(chat_id=chen.id, status=502, times=None)
    await post(city, "你好", chen)
    await city.sent()
    for _ in range(3):
        await city.forward(hours=9)
    (one,) = await deliveries(city.database)
    assert (one.state, one.reason) == (DeliveryState.FAILED, "server")
    async with city.database.read() as session:
        tried = list(await session.scalars(select(Attempt.reason)))
    assert len(sent(city)) == one.attempts == len(tried)
    assert set(tried) == {"server: Bad Gateway"}


# Refusals, each as its own case


async def test_what_is_too_long_comes_in_parts_as_plain_text(city: City) -> None:
    (chen,) = people(city, 1)
    lines = [f"{number}. " + "字" * 90 for number in range(60)]
    await post(city, "\n".join(lines), chen)
    await city.sent()
    received = "\n".join(message.words for message in chen.messages)
    assert all(line in received for line in lines)
    assert len(chen.messages) == 2
    (one,) = await deliveries(city.database)
    assert (one.state, one.reason) == (DeliveryState.SENT, "too_long")


async def test_what_telegram_cant_parse_comes_as_plain_text(city: City) -> None:
    (chen,) = people(city, 1)
    description = "Bad Request: can't parse entities: unsupported start tag"
    city.telegram.faults.fail(chat_id=chen.id, status=400, description=description)
    await post(city, "你好 & 再见", chen)
    await city.sent()
    assert count(chen, "你好 & 再见") == 1
    (one,) = await deliveries(city.database)
    assert (one.state, one.reason) == (DeliveryState.SENT, "bad_entities")


async def test_another_refusal_is_final_and_says_why(city: City) -> None:
    (chen,) = people(city, 1)
    city.telegram.faults.fail(chat_id=chen.id, status=400, description="Bad Request: no")
    await post(city, "你好", chen)
    await city.sent()
    (one,) = await deliveries(city.database)
    assert (one.state, one.reason) == (DeliveryState.FAILED, "refused")
    assert await attempts(city.database) == ["refused: No"]


async def test_an_answer_that_does_not_come_in_time_is_asked_for_again(city: City) -> None:
    await city.start_again(answer_seconds=0.2)
    (chen,) = people(city, 1)
    city.telegram.faults.active.append(Hold("delay", "sendMessage", seconds=3600))
    await post(city, "你好", chen)
    await city.sent()
    await city.forward(seconds=10)
    assert count(chen, "你好") == 1
    (one,) = await deliveries(city.database)
    assert (one.state, one.possible_duplicate) == (DeliveryState.SENT, True)
    assert [reason.partition(":")[0] for reason in await attempts(city.database)] == ["timed_out"]


async def test_what_is_on_its_way_while_it_becomes_untrue_is_corrected_once_it_lands(
    city: City,
) -> None:
    (chen,) = people(city, 1)
    flying = Hold("delay", "sendMessage", seconds=0.2)
    city.telegram.faults.active.append(flying)
    await tell(city.database, city.clock, replace(notice("集合"), subject="call:1"), [chen.id])
    await flying.came.wait()
    city.telegram.faults.active.clear()
    async with city.database.write() as session:
        work = city.making.work(session)
        await delivery.correct(work, "call:1", notice("不用来了"))
    await chen.sees("不用来了")
    assert count(chen, "集合") == 0 and len(chen.messages) == 1


async def test_a_correction_that_is_tried_again_does_not_bring_old_words_back(city: City) -> None:
    (chen,) = people(city, 1)
    await tell(city.database, city.clock, replace(notice("集合"), subject="call:1"), [chen.id])
    await chen.sees("集合")
    city.telegram.faults.fail(method="editMessageText", status=502)
    for words in ("改到东门", "改到西门"):
        async with city.database.write() as session:
            await delivery.correct(city.making.work(session), "call:1", notice(words))
        await city.sent()
    await city.forward(minutes=10)
    await city.sent()
    assert [count(chen, words) for words in ("改到东门", "改到西门")] == [0, 1]


async def test_what_may_have_arrived_before_it_became_untrue_is_followed_by_what_is_true(
    city: City,
) -> None:
    chen, li = people(city, 2)
    city.telegram.faults.drop(method="sendMessage", when="after")
    await tell(city.database, city.clock, replace(notice("集合"), subject="call:1"), [chen.id])
    await city.sent()
    assert count(chen, "集合") == 1
    async with city.database.write() as session:
        work = city.making.work(session)
        post = replace(notice("集合"), subject="call:1", due_at=city.clock() + timedelta(hours=1))
        await delivery.tell_chat(work, post, li.id, "zh_Hans")
        await delivery.correct(work, "call:1", notice("不用来了"))
    await city.forward(hours=2)
    assert [count(chen, words) for words in ("集合", "不用来了")] == [1, 1]
    assert not li.messages, "what was never tried is not sent"


async def test_a_group_that_became_a_supergroup_is_followed(city: City) -> None:
    wang = await city.coordinator("王强")
    group = await registered_group(city, wang)
    moved = city.telegram.world.migrate(group)
    await tell(city.database, city.clock, notice("通知"), [group.id])
    await wang.in_chat(moved).sees("通知")
    await city.sent()
    async with city.database.read() as session:
        assert (await session.scalars(select(Group.chat_id))).all() == [moved.id]


async def test_a_group_that_threw_the_bot_out_is_written_to_no_more(city: City) -> None:
    wang = await city.coordinator("王强")
    group = await registered_group(city, wang)
    description = "Forbidden: bot was kicked from the supergroup chat"
    city.telegram.faults.fail(chat_id=group.id, status=403, description=description)
    await tell(city.database, city.clock, notice("通知"), [group.id])
    await city.sent()
    async with city.database.read() as session:
        assert (await session.scalars(select(Group.left_at))).one() == city.clock()
    assert (await deliveries(city.database))[-1].reason == "kicked"


async def test_a_global_429_holds_everyone_for_its_time(city: City) -> None:
    await city.start_again(messages_per_second=20)
    phones = people(city, 10)
    city.telegram.faults.fail(method="sendMessage", status=429, retry_after=1, times=2)
    await post(city, "你好", *phones)
    await city.sent()
    calls = sent(city)
    refused = [call.at for call in calls if call.status == 429]
    assert min(call.at for call in calls if call.at > refused[-1]) >= refused[-1] + 0.9
    assert all(count(phone, "你好") == 1 for phone in phones)


async def test_what_comes_later_does_not_overtake_in_a_chat(city: City) -> None:
    (chen,) = people(city, 1)
    city.telegram.faults.fail(chat_id=chen.id, status=502)
    await post(city, "第一条", chen)
    await city.sent()
    await post(city, "第二条", chen)
    await city.sent()
    assert chen.messages == []
    await city.forward(seconds=10)
    first, second = chen.messages
    assert "第一条" in first.words
    assert "第二条" in second.words


async def registered_group(city: City, coordinator: Phone) -> Chat:
    group = city.telegram.add_group("石岐志愿者", [coordinator])
    city.telegram.world.join(group, city.bot, "member", coordinator.person)
    person = await city.person(coordinator)
    async with city.database.write() as session:
        found = await session.scalar(select(Group).where(Group.chat_id == group.id))
        if found is None:
            found = Group(chat_id=group.id, title=group.title, language="zh_Hans")
            session.add(found)
        found.organisation_id = person.organisation_id
    await city.answered()
    return group


async def attempts(database: Database) -> list[str]:
    """What went wrong, in its order."""
    async with database.read() as session:
        return list(await session.scalars(select(Attempt.reason).order_by(Attempt.id)))


# Afterwards


async def test_a_press_shows_that_a_message_was_seen(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await post(city, "你好", chen)
    await city.sent()
    person = await city.person(chen)
    async with city.database.write() as session:
        await session.execute(update(Delivery).values(person_id=person.id))
    await chen.press_data("menu")
    await city.answered()
    await city.program.line.intake.note_answered()
    (one,) = await deliveries(city.database)
    assert one.seen_at == city.clock()


async def test_a_message_is_taken_off_the_phones_or_edited_where_that_is_refused(
    city: City,
) -> None:
    chen, li = people(city, 2)
    await post(city, "写错了", chen, li)
    await city.sent()
    description = "Bad Request: message can't be deleted for everyone"
    fault = Fault("fail", "deleteMessage", li.id, 1, 400, description)
    city.telegram.faults.active.append(fault)
    async with city.database.write() as session:
        await session.execute(update(Message).values(subject="letter:1"))
        work = Work(session, city.clock(), Policy())
        gone = Post("approvals/refused", {"reason": "已收回"}, "notice", deletes=True)
        await delivery.correct(work, "letter:1", gone)
    await city.sent()
    assert chen.messages == []
    assert (count(li, "写错了"), count(li, "已收回")) == (0, 1)


# Who goes first


async def test_a_call_out_overtakes_the_backlog_of_a_newsletter(city: City) -> None:
    chen, *readers = people(city, BACKLOG + 1)
    await post(city, "通讯", *readers, lane=Lane.BROADCAST)
    await readers[0].sees("通讯")
    await post(city, "紧急", chen, lane=Lane.EMERGENCY)
    await chen.sees("紧急")
    assert sum(count(phone, "通讯") for phone in readers) < BACKLOG / 2
    await city.sent()
    assert all(count(phone, "通讯") == 1 for phone in readers)


async def test_what_waits_goes_out_by_its_lane_and_then_by_its_age(
    city: City,
) -> None:
    await city.program.stop()
    first, second, third, fourth = people(city, 4)
    database = Database(city.database_url)
    for text, phone, lane in (
        ("一", first, Lane.BROADCAST),
        ("二", second, Lane.TRANSACTIONAL),
        ("三", third, Lane.TRANSACTIONAL),
        ("四", fourth, Lane.EMERGENCY),
    ):
        await tell(database, city.clock, notice(text, lane), [phone.id])
        city.clock.forward(seconds=1)
    await database.close()
    await city.start_bot()
    await first.sees("一")
    assert [call.chat_id for call in sent(city)] == [fourth.id, second.id, third.id, first.id]


async def test_paid_messages_carry_their_permission_until_the_stars_of_the_day_are_spent(
    city: City,
) -> None:
    paying = {"messages_per_second": 20, "paid_messages_per_second": 1000, "paid_stars_per_day": 1}
    await city.start_again(**paying)
    readers = people(city, 36)

    async def paid_for(count: int) -> list[bool]:
        """Of each copy of a newsletter, whether stars were spent for it."""
        before = len(sent(city))
        await post(city, "通讯", *readers[:count], lane=Lane.BROADCAST)
        await city.sent()
        return ["allow_paid_broadcast" in call.parameters for call in sent(city)[before:]]

    assert await paid_for(36) == 20 * [False] + 10 * [True] + 6 * [False]
    await city.start_again(**paying)
    assert not any(await paid_for(24))
    await city.forward(days=1)
    assert sum(await paid_for(36)) == 10


async def test_however_many_lanes_wait_no_more_is_claimed_than_is_sent_at_once(
    database: Database, making: Making
) -> None:
    """Which is what a crash can double."""
    people = [await making.volunteer(f"志愿者{number}") for number in range(4)]
    rooms = {lane: int(4 * share) for lane, share in SHARES.items()}
    async with database.write() as session:
        work = making.work(session)
        for lane in Lane:
            post = Post("approvals/refused", {"reason": ""}, "notice", lane)
            await delivery.tell(work, post, [one.id for one in people])
        urgent = await outbox.claim_due(session, work.now, {**rooms, Lane.EMERGENCY: 3})
        assert [one.lane for one in urgent] == [Lane.EMERGENCY] * 3 + [Lane.INTERACTIVE]
        assert await outbox.claim_due(session, work.now, dict.fromkeys(Lane, 0)) == []
        assert len(await outbox.claim_due(session, work.now, rooms)) == 4


async def test_a_backlog_stays_in_the_database_but_for_what_is_on_its_way(city: City) -> None:
    await city.start_again(concurrency=8)
    await post(city, "通讯", *people(city, BACKLOG), lane=Lane.BROADCAST)
    sending = select(func.count()).where(Delivery.state == DeliveryState.SENDING)
    draining = asyncio.create_task(city.sent())
    under_way = [0]
    while not draining.done():
        async with city.database.read() as session:
            under_way.append(await session.scalar(sending) or 0)
    assert 0 < max(under_way) <= 8
    assert len(sent(city)) == BACKLOG


@dataclass
class Hold(Fault):
    """Telegram takes a call, never answers, and does nothing; `came` is set once it is there."""

    came: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, method: str, chat_id: object) -> bool:
        fitting = Fault.fits(self, method, chat_id)
        if fitting:
            self.came.set()
        return fitting


async def test_what_was_claimed_when_the_sender_was_killed_is_delivered_after_the_restart(
    empty_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    database = Database(empty_url)
    await upgrade(database)
    async with Playground() as telegram:
        bot = telegram.add_bot(TOKEN, USERNAME)
        chen = telegram.add_person("晓丽", "陈").use(bot)
        chen.chat.started = True
        hold = Hold("delay", "sendMessage", seconds=3600)
        telegram.faults.active.append(hold)
        await tell(database, clock, notice("你好"), [chen.id])
        muster = Muster(
            empty_url, tmp_path, TELEGRAM__TOKEN=TOKEN, TELEGRAM__API_BASE_URL=telegram.url
        )
        keyring().write(muster.key_file)

        killed = muster.begin("run")
        async with asyncio.timeout(60):
            await hold.came.wait()
        killed.stop(signal.SIGKILL)
        await killed.ended()
        (claimed,) = await deliveries(database)
        assert claimed.state is DeliveryState.SENDING
        assert chen.messages == []

        restarted = muster.begin("run")
        await chen.sees("你好", limit=60)
        restarted.stop()
        assert (await restarted.ended()).code == 0
        assert count(chen, "你好") == 1
        (delivered,) = await deliveries(database)
        assert (delivered.state, delivered.possible_duplicate) == (DeliveryState.SENT, True)
    await database.close()
