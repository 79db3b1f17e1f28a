"""Knowledge cards: subscribed to in chat, sent at one's hour, with quizzes; written at the desk."""

from typing import Any

import pytest
from sqlalchemy import select

from models import CardAnswer, Delivery, Message, Person, Series, SeriesCard, Subscription
from services import personal_data, series
from services.errors import Gone, NotAllowed, Refusal
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making

TYPHOON = "台风来之前：三件事"


async def test_cards_come_one_at_a_time_at_the_hour_one_likes_with_quizzes_between(
    city: City,
) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/learn")
    await chen.press("🌀 防灾避险")
    await chen.press("订阅")
    await chen.press("每天")
    await chen.press("08:00")
    await chen.sees("每天 08:00 发你一张")
    await city.catch_up()
    assert not any(TYPHOON in message.words for message in chen.messages)
    await city.go_to("2026-11-24 08:00")
    await chen.sees(TYPHOON)
    await city.go_to("2026-11-24 20:00")
    assert not any("预警四种颜色" in message.words for message in chen.messages)
    await city.go_to("2026-11-25 08:01")
    await chen.sees("预警四种颜色")
    await chen.press("现在看下一张")
    await chen.sees("台风眼经过时")
    await chen.press("继续待在室内")
    result = await chen.sees("答对了")
    assert "100%" in result.words
    await chen.press("这个系列")
    await chen.press("不再接收")
    await chen.sees("已停止“防灾避险”")
    await city.forward(days=3)
    assert not any("暴雨积水" in message.words for message in chen.messages)
    async with city.database.read() as session:
        assert len((await session.scalars(select(CardAnswer))).all()) == 1


async def test_after_a_stop_of_days_one_card_comes_and_not_all_that_were_missed(
    city: City,
) -> None:
    chen = await city.volunteer("陈晓丽", language="en")
    await chen.say("/learn")
    await chen.press("First aid, bit by bit")
    await chen.press("Subscribe")
    await chen.press("every day")
    await chen.press("20:00")
    await city.go_to("2026-11-30 21:00")
    await city.catch_up()
    cards = [m for m in chen.messages if "First aid, bit by bit ·" in m.words]
    assert len(cards) == 1 and "1 / 7" in cards[0].words


class Writing:
    def __init__(self, making: Making) -> None:
        self.making = making

    async def act(self, who: Person, verb: Any, *given: Any, **named: Any) -> Any:
        async with self.making.database.write() as session:
            work = self.making.work(session, await session.get_one(Person, who.id))
            return await verb(work, *given, **named)

    async def made(self, wang: Person, cards: int) -> Series:
        said = series.Described("💡", {"zh_Hans": "养老院探访须知"}, {"zh_Hans": "去之前看一看"})
        found = await self.act(wang, series.create, wang.organisation_id, said)
        for number in range(cards):
            await self.act(wang, series.add_card, found.id, card(f"第{number}条"))
        return found


def card(title: str) -> series.Written:
    return series.Written({"zh_Hans": {"title": title, "text": "慢慢说，听他说。"}, "en": {}})


def quiz(options: list[str], correct: int) -> series.Written:
    return series.Written(
        {"zh_Hans": {"question": "进门先做什么？", "options": options, "why": "礼貌"}}, correct
    )


async def test_who_has_read_all_goes_on_when_a_card_is_added(making: Making) -> None:
    writing = Writing(making)
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    made = await writing.made(wang, 1)
    with pytest.raises(Gone):
        await writing.act(chen, series.subscribe, made.id, 8, 1)
    await writing.act(wang, series.publish, made.id, published=True)
    await writing.act(chen, series.subscribe, made.id, 8, 1)
    making.clock.forward(days=1)
    assert await writing.act(chen, series.send) == 1
    making.clock.forward(days=1)
    assert await writing.act(chen, series.send) == 1
    with pytest.raises(Refusal, match="series_at_end"):
        await writing.act(chen, series.read_on, made.id)
    making.clock.forward(days=1)
    assert await writing.act(chen, series.send) == 0
    await writing.act(wang, series.add_card, made.id, quiz(["敲门", "推门"], 0))
    making.clock.forward(days=1)
    assert await writing.act(chen, series.send) == 1
    async with making.database.read() as session:
        assert (await session.scalars(select(Subscription.reached))).one() == 2


async def test_who_subscribes_again_is_sent_the_cards_again(making: Making) -> None:
    writing = Writing(making)
    wang, chen = await making.coordinator("王强"), await making.volunteer("陈晓丽")
    made = await writing.made(wang, 1)
    await writing.act(wang, series.publish, made.id, published=True)
    for _ in range(2):
        await writing.act(chen, series.subscribe, made.id, 8, 1)
        making.clock.forward(days=1)
        assert await writing.act(chen, series.send) == 1
        await writing.act(chen, series.unsubscribe, made.id)
    async with making.database.read() as session:
        sent = (
            select(Delivery.id)
            .join(Message, Message.id == Delivery.message_id)
            .where(Message.template == "series/card")
        )
        assert len((await session.scalars(sent)).all()) == 2


async def test_a_town_writes_for_its_own_and_faults_are_named(making: Making) -> None:
    writing = Writing(making)
    wang = await making.coordinator("王强")
    far = await making.coordinator("何小榄", organisation="zs-xiaolan")
    made = await writing.made(wang, 0)
    with pytest.raises(Refusal, match="series_empty"):
        await writing.act(wang, series.publish, made.id, published=True)
    for wrong, code in (
        (card(""), "card_text"),
        (quiz(["敲门"], 0), "card_options"),
        (quiz(["敲门", "推门"], 2), "card_options"),
        (card("长" * 61), "form_too_long"),
    ):
        with pytest.raises(Refusal, match=code):
            await writing.act(wang, series.add_card, made.id, wrong)
    with pytest.raises(NotAllowed):
        await writing.act(far, series.add_card, made.id, card("第一条"))
    await writing.act(wang, series.add_card, made.id, card("第一条"))
    await writing.act(wang, series.publish, made.id, published=True)
    stranger = await making.volunteer("周小榄", organisation="zs-xiaolan")
    assert made.id not in [o.series.id for o in await writing.act(stranger, series.offers)]


async def test_what_one_read_and_answered_is_handed_out_and_erased(making: Making) -> None:
    writing = Writing(making)
    chen = await making.volunteer("陈晓丽")
    async with making.database.read() as session:
        asked = (await session.scalars(select(SeriesCard).where(SeriesCard.correct == 2))).first()
        assert asked is not None
    await writing.act(chen, series.subscribe, asked.series_id, 8, 1)
    first = await writing.act(chen, series.answer, asked.id, 0)
    again = await writing.act(chen, series.answer, asked.id, 2)
    assert not first.is_right and again.chosen == 0
    held = await writing.act(chen, personal_data.everything_about)
    assert len(held["subscriptions"]) == len(held["quiz_answers"]) == 1
    await writing.act(chen, personal_data.forget)
    async with making.database.read() as session:
        assert (await session.scalar(select(Subscription))) is None
        assert (await session.scalar(select(CardAnswer))) is None


async def test_a_coordinator_writes_a_series_at_the_desk(city: City) -> None:
    wang = await city.coordinator("王强")
    home = (await city.person(wang)).organisation_id
    async with desk_of(city, wang) as desk:
        await desk.open("/series/new")
        shown = await desk.send(
            "/series/new", {"organisation": home, "emoji": "🏡", "name_zh_Hans": "探访须知"}
        )
        await desk.open(shown.path.removeprefix("/console") + "/card?kind=quiz")
        fields = {"kind": "quiz", "question_zh_Hans": "进门先做什么？", "correct": "1"}
        path = shown.path.removeprefix("/console")
        wrong = await desk.send(f"{path}/card?kind=quiz", {**fields, "options_zh_Hans": "敲门"})
        assert wrong.status == 400 and "进门先做什么？" in wrong.text
        right = await desk.send(
            f"{path}/card?kind=quiz", {**fields, "options_zh_Hans": "敲门\n推门"}
        )
        assert "进门先做什么？" in right.words
        offered = await desk.send(f"{path}/publish", {"published": "1"})
        assert "下线" in offered.words
    chen = await city.volunteer("陈晓丽")
    await chen.say("/learn")
    await chen.sees("探访须知")
