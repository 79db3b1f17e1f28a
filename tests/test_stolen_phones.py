"""A coordinator's phone in other hands: a word for messages to many, one press that ends all."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from models import (
    Activity,
    ActivityState,
    AuditEntry,
    Broadcast,
    BroadcastState,
    ConsoleSession,
    Delivery,
    Feed,
    Lane,
    Person,
    Role,
    RoleKind,
    SuspendedRole,
    Token,
    Watchword,
    Webhook,
)
from playground import Phone
from services import broadcasts, feeds, lockouts, tokens, watchwords, webhooks
from services.errors import Counted, NotAllowed, Refusal
from services.policy import Policy
from services.tokens import Scope
from services.work import Work
from tests.city import City
from tests.consoles import desk_of
from tests.databases import ON_SQLITE

WORD, OTHER = "河堤上的三棵榕树", "another-tree"
FEW = Policy(watchword_size=1, announcement_watchword_size=1)
pytestmark = ON_SQLITE


@asynccontextmanager
async def acting(city: City, phone: Phone) -> AsyncIterator[Work]:
    async with city.database.write() as session:
        person = await session.get_one(Person, (await city.person(phone)).id)
        yield Work(session, city.clock(), city.policy, person)


async def few(city: City) -> tuple[Phone, Phone]:
    """Coordinator Wang with two volunteers, in a city where more than one are many; and above him
    an administrator.
    """
    city.policy = FEW
    await city.start_again()
    wang = await city.coordinator("王强")
    await city.volunteer("陈晓丽")
    return wang, await city.coordinator(
        "张局", role=RoleKind.ADMINISTRATOR, organisation="zs-shiqi"
    )


async def drafted(city: City, author: Phone) -> int:
    async with acting(city, author) as work:
        home = work.person.organisation_id or 0
        return (await broadcasts.draft(work, home, "newsletter", "周末大扫除")).id


async def chosen(city: City, phone: Phone) -> None:
    """They have had a word for long."""
    async with acting(city, phone) as work:
        await watchwords.choose(work, WORD)
    city.clock.forward(hours=25)


async def state_of(city: City, broadcast_id: int) -> BroadcastState:
    async with city.database.read() as session:
        return (await session.get_one(Broadcast, broadcast_id)).state


async def press(phone: Phone, data: str) -> Any:
    await phone.say("/menu")
    return await phone.press_data(data, (await phone.sees("今天想做点什么")).id)


# The word


async def test_a_message_to_many_takes_a_word_that_leaves_the_chat(city: City) -> None:
    wang, _ = await few(city)
    await chosen(city, wang)
    key = await drafted(city, wang)
    await press(wang, f"broadcast.submit:{key}")
    await wang.sees("收到的人很多")
    assert await state_of(city, key) is BroadcastState.DRAFT
    await wang.say("不是这个")
    await wang.sees("还可以试 4 次")
    await wang.say(WORD)
    await wang.sees("周末大扫除")
    await city.answered()
    assert await state_of(city, key) is not BroadcastState.DRAFT
    shown = " ".join(message.text or "" for message in wang.messages)
    assert WORD not in shown
    assert "不是这个" not in shown


async def planned(city: City, author: Phone) -> int:
    """A draft that two volunteers would be told of."""
    activity = await city.making.activity(
        await city.person(author), state=ActivityState.DRAFT, published_at=None
    )
    await city.making.shift(activity)
    return activity.id


async def is_published(city: City, activity_id: int) -> bool:
    async with city.database.read() as session:
        found = await session.get_one(Activity, activity_id)
        return found.state is ActivityState.PUBLISHED


async def test_an_activity_that_many_are_told_of_takes_the_word(city: City) -> None:
    wang, _ = await few(city)
    chen = await city.volunteer("陈晓明")
    await chosen(city, wang)
    key = await planned(city, wang)
    await press(wang, f"activity.publish:{key}")
    await wang.sees("收到的人很多")
    await wang.say("不是这个")
    await wang.sees("还可以试 4 次")
    assert not await is_published(city, key)
    await wang.say(WORD)
    await wang.sees("已发布")
    assert await is_published(city, key)
    await city.settle()
    await chen.sees("河岸植树")


async def test_the_console_takes_the_word_for_an_activity_too(city: City) -> None:
    wang, _ = await few(city)
    await city.volunteer("陈晓明")
    await chosen(city, wang)
    key = await planned(city, wang)
    async with desk_of(city, wang) as desk:
        shown = await desk.open(f"/activities/{key}/preview")
        assert 'name="word"' in shown.text
        refused = await desk.send(f"/activities/{key}/publish", {"word": "不是这个"})
        assert "还可以试 4 次" in refused.words
        refused = await desk.send(f"/activities/{key}/publish")
        assert "发给超过 1 人的消息要输入你设的群发口令" in refused.words
        assert not await is_published(city, key)
        async with city.database.read() as session:
            told = select(Delivery.id).where(Delivery.lane == int(Lane.BROADCAST))
            assert (await session.scalars(told)).all() == []
        await desk.send(f"/activities/{key}/publish", {"word": WORD})
    assert await is_published(city, key)


async def test_nobody_who_finds_the_phone_chooses_a_word_that_counts(city: City) -> None:
    wang, zhang = await few(city)
    key = await drafted(city, wang)
    pressed = await press(wang, f"broadcast.submit:{key}")
    assert "你还没有设" in pressed.text
    await press(wang, "watchword.choose")
    await wang.sees("请输入新口令")
    await wang.say("123456")
    await wang.sees("一猜就中")
    await wang.say(OTHER)
    await wang.sees("新口令已记下")
    await city.settle()
    await zhang.sees("设置了群发口令")
    pressed = await press(wang, f"broadcast.submit:{key}")
    assert "起才生效" in pressed.text
    assert await state_of(city, key) is BroadcastState.DRAFT


async def test_guessing_is_stopped_and_those_above_are_told(city: City) -> None:
    wang, zhang = await few(city)
    await chosen(city, wang)
    key = await drafted(city, wang)
    await press(wang, f"broadcast.submit:{key}")
    await wang.sees("收到的人很多")
    for number in range(watchwords.TRIES):
        await wang.say(f"guess {number}")
    await wang.sees("之前不能再试")
    await wang.say(WORD)  # the right one is not looked at either
    await city.settle()
    assert await state_of(city, key) is BroadcastState.DRAFT
    await zhang.sees("群发口令已输错 5 次")
    await zhang.press("马上暂停其角色")
    await city.settle()
    await wang.sees("已暂停你的角色")
    async with city.database.read() as session:
        held = await session.scalars(
            select(Role).where(Role.person_id == (await city.person(wang)).id)
        )
        assert held.all() == []


async def test_few_people_and_emergencies_take_no_word(city: City) -> None:
    city.policy = Policy(watchword_size=2)
    await city.start_again()
    wang = await city.coordinator("王强")
    await city.volunteer("陈晓丽")
    key = await drafted(city, wang)
    await press(wang, f"broadcast.submit:{key}")
    await city.answered()
    assert await state_of(city, key) is not BroadcastState.DRAFT


async def test_the_console_takes_the_word_too_and_counts_wrong_ones(city: City) -> None:
    wang, _ = await few(city)
    await chosen(city, wang)
    key = await drafted(city, wang)
    async with desk_of(city, wang) as desk:
        page = await desk.open(f"/broadcasts/{key}/send")
        assert 'type="password"' in page.text
        wrong = await desk.send(f"/broadcasts/{key}/send", {"number": 3, "word": "no"})
        assert "还可以试 4 次" in wrong.words
        assert "no" not in wrong.text.partition('name="word"')[2][:80]
        none = await desk.send(f"/broadcasts/{key}/send", {"number": 3})
        assert "还可以试 3 次" in none.words
        assert await state_of(city, key) is BroadcastState.DRAFT
        await desk.send(f"/broadcasts/{key}/send", {"number": 3, "word": WORD})
    assert await state_of(city, key) is not BroadcastState.DRAFT


async def test_no_service_sends_or_corrects_without_the_word(city: City) -> None:
    wang, zhang = await few(city)
    await chosen(city, wang)
    key = await drafted(city, wang)
    async with acting(city, wang) as work:
        with pytest.raises(Refusal, match="watchword_wanted"):
            await broadcasts.submit(work, key, "")
        await broadcasts.submit(work, key, "", await watchwords.prove(work, WORD))
    await city.forward(minutes=1)
    async with acting(city, wang) as work:
        with pytest.raises(Refusal, match="watchword_wanted"):
            await broadcasts.rewrite(work, key, {"zh_Hans": "假消息"})
    async with acting(city, zhang) as work:  # somebody else's proof opens nothing
        foreign = watchwords.Confirmed((await city.person(wang)).id)
        with pytest.raises(Refusal, match="watchword_wanted"):
            await broadcasts.rewrite(work, key, {"zh_Hans": "假消息"}, foreign)


async def test_a_word_is_changed_with_the_one_before_and_taken_away_only_by_another(
    city: City,
) -> None:
    wang, zhang = await few(city)
    await chosen(city, wang)
    key = (await city.person(wang)).id
    async with acting(city, wang) as work:
        with pytest.raises(Counted, match="watchword_wrong"):
            await watchwords.choose(work, OTHER, before="wrong")
        await watchwords.choose(work, OTHER, before=WORD)
        assert await watchwords.prove(
            work, "ａｎｏｔｈｅｒ-tree"
        )  # full-width, as some keyboards type
        with pytest.raises(NotAllowed):
            await watchwords.forget(work, key)
    async with acting(city, zhang) as work:
        await watchwords.forget(work, key)
    async with city.database.read() as session:
        assert await session.get(Watchword, key) is None


async def test_the_word_is_written_down_nowhere(city: City) -> None:
    wang, _ = await few(city)
    await press(wang, "watchword.choose")
    await wang.sees("请输入新口令")
    await wang.say(WORD)
    await wang.sees("新口令已记下")
    await city.answered()
    await city.program.line.intake.note_answered()
    with closing(sqlite3.connect(str(city.database.url.database))) as connection:
        rows = "\n".join(connection.iterdump())
    assert "watchword.chosen" in rows
    for word in (WORD, WORD.encode().hex(), WORD.encode("unicode_escape").decode()):
        assert word not in rows


# One press


async def test_one_press_ends_all_that_the_phone_could_do_and_another_gives_it_back(
    city: City,
) -> None:
    _, zhang = await few(city)
    li = await city.coordinator("李总", role=RoleKind.ADMINISTRATOR)
    key = (await city.person(li)).id
    home = (await city.person(li)).organisation_id or 0
    async with acting(city, li) as work:
        _, secret = await tokens.make(work, home, "省平台", [Scope.HOURS_READ], 30)
        hook, _ = await webhooks.make(
            work, home, "省平台", "https://example.org/hook", ["hours.confirmed"], private=False
        )
        await feeds.renew_of_organisation(work, home)
        await feeds.renew_own(work)
        made = await broadcasts.draft(work, home, "newsletter", "大家好")
        await broadcasts.schedule(work, made.id, city.clock() + timedelta(hours=3), None)
        await watchwords.choose(work, WORD)
    city.clock.forward(hours=25)
    async with acting(city, li) as work:
        await broadcasts.schedule(work, made.id, city.clock() + timedelta(hours=3), None)
        await broadcasts.submit(work, made.id, "", await watchwords.prove(work, WORD))
    async with desk_of(city, li) as desk:
        assert (await desk.open("/settings")).status == 200
        await press(zhang, f"lost.lock:{key}")
        await city.settle()
        assert (await desk.open("/settings")).status != 200
    await li.sees("已暂停你的角色")
    assert await state_of(city, made.id) is BroadcastState.DRAFT
    async with city.database.read() as session:
        work = Work(session, city.clock(), city.policy)
        assert (await session.scalars(select(Role).where(Role.person_id == key))).all() == []
        with pytest.raises(Refusal, match="token_revoked"):
            await tokens.present(work, secret)
        assert not (await session.get_one(Webhook, hook.id)).enabled
        open_feeds = select(Feed).where(Feed.revoked_at.is_(None))
        assert (await session.scalars(open_feeds)).all() == []
        actions = await session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject == f"person:{key}")
        )
        assert "access.locked" in set(actions)
    assert (await press(li, f"lost.back:{key}")).alert  # not by whoever has the phone
    await zhang.sees("推送“省平台”已关闭")
    await press(zhang, f"lost.back:{key}")
    await city.settle()
    await li.sees("已恢复你的角色")
    async with city.database.read() as session:
        held = await session.scalars(select(Role.kind).where(Role.person_id == key))
        assert held.all() == [RoleKind.ADMINISTRATOR]
        with pytest.raises(Refusal, match="token_revoked"):
            await tokens.present(Work(session, city.clock(), city.policy), secret)


async def test_the_console_suspends_and_gives_back_too(city: City) -> None:
    wang, zhang = await few(city)
    key, home = (await city.person(wang)).id, (await city.person(wang)).organisation_id
    async with desk_of(city, zhang) as desk:
        await desk.open(f"/organisations/{home}/roles")
        page = await desk.send(f"/organisations/{home}/roles/lock", {"person": key})
        assert "角色已暂停" in page.words
        page = await desk.send(f"/organisations/{home}/roles/give-back", {"person": key})
        assert "其角色已恢复" in page.words
    async with city.database.read() as session:
        assert (await session.scalars(select(SuspendedRole))).all() == []


async def test_who_may_suspend_whom(city: City) -> None:
    root = await city.coordinator("市联合会", organisation="zs", role=RoleKind.COORDINATOR)
    admin = await city.coordinator("镇管理员", role=RoleKind.ADMINISTRATOR)
    same = await city.coordinator("同级协调员")
    other = await city.coordinator("外镇", organisation="zs-dongfeng", role=RoleKind.ADMINISTRATOR)
    keys = {phone.id: (await city.person(phone)).id for phone in (root, admin, same, other)}

    async def may(actor: Phone, whom: Phone) -> bool:
        async with city.database.write() as session:
            person = await session.get_one(Person, keys[actor.id])
            work = Work(session, city.clock(), city.policy, person)
            try:
                await lockouts.lock_out(work, keys[whom.id])
            except Refusal:
                return False
            finally:
                await session.rollback()
        return True

    assert await may(root, admin)  # a coordinator above
    assert await may(admin, same)
    assert not await may(same, admin)
    assert not await may(other, same)
    assert not await may(admin, root)
    assert not await may(admin, admin)
    last = await city.coordinator("最后一位", organisation="zs", role=RoleKind.ADMINISTRATOR)
    keys[last.id] = (await city.person(last)).id
    second = await city.coordinator("第二位", organisation="zs", role=RoleKind.ADMINISTRATOR)
    keys[second.id] = (await city.person(second)).id
    assert await may(second, last)


async def test_no_session_token_or_link_is_left_of_an_administrator_who_leaves(city: City) -> None:
    """Walks through all tables that know who made something, and through what opens."""
    leaving = await city.coordinator("李总", role=RoleKind.ADMINISTRATOR)
    staying = await city.coordinator("张局", role=RoleKind.ADMINISTRATOR)
    key = (await city.person(leaving)).id
    home = (await city.person(leaving)).organisation_id or 0
    async with acting(city, leaving) as work:
        _, secret = await tokens.make(work, home, "省平台", [Scope.HOURS_READ], 30)
        hook, _ = await webhooks.make(
            work, home, "省平台", "https://example.org/hook", ["hours.confirmed"], private=False
        )
        feed = await feeds.renew_of_organisation(work, home)
    async with desk_of(city, leaving) as desk:
        await desk.open("")
        await press(staying, f"roles.revoke:{await _role_of(city, key)}")
        await city.settle()
        for path in ("", "/settings", f"/organisations/{home}/roles", "/audit", "/exchange"):
            assert (await desk.open(path)).status in (401, 403, 404), path
        assert (await desk.send("/settings/look", {"look": "dark"})).status in (401, 403)
    pressed = await press(leaving, f"roles.of:{home}")
    assert pressed.alert
    async with city.database.read() as session:
        work = Work(session, city.clock(), city.policy)
        with pytest.raises(Refusal, match="token_orphaned"):
            await tokens.present(work, secret)
        with pytest.raises(Refusal):
            await feeds.find(work, feed.secret)
        assert not (await session.get_one(Webhook, hook.id)).enabled
        offered = select(ConsoleSession).where(ConsoleSession.person_id == key)
        for session_row in (await session.scalars(offered)).all():
            assert session_row.cookie_hash is None or session_row.opened_at is not None
        assert (await session.scalars(select(Token).where(Token.made_by_id == key))).all()
    await staying.sees("推送“省平台”已关闭")
    await staying.sees("日历地址已失效")


async def _role_of(city: City, person_id: int) -> int:
    async with city.database.read() as session:
        found = await session.scalars(select(Role.id).where(Role.person_id == person_id))
        return found.one()
