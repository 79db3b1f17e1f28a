"""How soon text messages and calls follow: by level, by what somebody has to do, never too late."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import delete

from bot.settings import ChannelSettings
from models import Account, RoleKind
from services import urgency
from services.urgency import Level, Part
from tests.city import City
from tests.emergencies import RALLY, Emergency
from tests.endpoint import Endpoint

SPECIALISTS = ["技能", ">水上救援", "水上救援", "选好了"]
LIVES = ["紧急程度", "有生命危险"]


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as open_one:
        yield open_one


async def texting(city: City, endpoint: Endpoint, **minutes: Any) -> Emergency:
    """A commander in a city with text messages and calls."""
    city.channels = channels(endpoint, **minutes)
    await city.start_again()
    return await Emergency(city).prepare()


def channels(endpoint: Endpoint, **minutes: Any) -> ChannelSettings:
    urls = {name: endpoint.url(name, "{phone}") for name in ("sms", "voice")}
    return ChannelSettings.model_validate({"urls": urls, "escalate_minutes": minutes})


@pytest.fixture
async def emergency(city: City, endpoint: Endpoint) -> Emergency:
    return await texting(city, endpoint, sms=4, voice=10)


async def after(city: City, endpoint: Endpoint, **duration: float) -> list[str]:
    """Time passes; by which channels something went out then."""
    endpoint.came.clear()
    await city.forward(**duration)
    await city.program.line.intake.note_answered()
    for _ in range(2):
        await city.program.other_channels.turn()
    return [path.split("/")[1] for path, _ in endpoint.came]


# The table


def test_one_number_says_it_all() -> None:
    rows = urgency.filled({Level.USUAL: {Part.EVERYONE: 4.0}})
    minutes = {row: wait / timedelta(minutes=1) for row, wait in rows.items()}
    assert minutes == {
        "safety.specialist": 1, "safety.commander": 1, "safety.everyone": 1,
        "critical.specialist": 1, "critical.commander": 1, "critical.everyone": 2,
        "usual.specialist": 2, "usual.commander": 2, "usual.everyone": 4,
    }  # fmt: skip
    assert not set(rows) & set(urgency.DRILLS)


def test_every_row_can_be_set() -> None:
    table = {
        "usual": {"everyone": 10, "specialist": 1},
        "critical": {"commander": 3},
        "drill": 30,
    }
    (sms, mail) = ChannelSettings.model_validate(
        {
            "urls": {"sms": "json://h/{phone}", "mail": "json://h/{email}"},
            "escalate_minutes": {"sms": table},
        }
    ).channels()
    minutes = {row: wait / timedelta(minutes=1) for row, wait in sms.waits.items()}
    assert minutes["usual.everyone"] == 10 and minutes["usual.specialist"] == 1
    assert minutes["usual.commander"] == 5 and minutes["critical.commander"] == 3
    assert minutes["drill.everyone"] == 30 and minutes["safety.everyone"] == 2.5
    assert mail.waits == {}


@pytest.mark.parametrize("wrong", [0, -1, {"usual": 0}, {"urgent": 2}, {"usual": {"boss": 1}}])
def test_a_slip_in_the_table_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        ChannelSettings.model_validate(
            {"urls": {"sms": "json://h/{phone}"}, "escalate_minutes": {"sms": wrong}}
        )


# By level and part


@pytest.mark.parametrize(
    ("more", "minutes"), [([], 4), (SPECIALISTS, 2), (LIVES, 2), ([*SPECIALISTS, *LIVES], 1)]
)
async def test_the_rarer_the_people_and_the_graver_it_is_the_sooner(
    emergency: Emergency, endpoint: Endpoint, more: list[str], minutes: int
) -> None:
    city = emergency.city
    await emergency.volunteer("李雷", skills=("water_rescue",))
    await emergency.declare(quota="1", more=more)
    assert await after(city, endpoint, minutes=minutes, seconds=-1) == []
    assert await after(city, endpoint, seconds=1) == ["sms"]
    assert await after(city, endpoint, seconds=30) == []


@pytest.mark.parametrize("drill", [None, 6])
async def test_a_drill_costs_no_text_message_unless_that_is_set(
    city: City, endpoint: Endpoint, drill: int | None
) -> None:
    emergency = await texting(city, endpoint, sms={"usual": 4} | ({"drill": 6} if drill else {}))
    offline = await city.person(await emergency.volunteer("陈静"))
    async with city.database.write() as session:
        await session.execute(delete(Account).where(Account.person_id == offline.id))
    await emergency.volunteer("李雷")
    await emergency.declare(quota="2", mode="演练")
    at_once = await after(city, endpoint, seconds=0)  # who has no Telegram
    later = await after(city, endpoint, minutes=6)
    assert (at_once, later) == ((["sms"], ["sms"]) if drill else ([], []))
    assert await after(city, endpoint, minutes=60) == []


async def test_a_second_commander_is_fetched_before_it_lapses(
    emergency: Emergency, endpoint: Endpoint
) -> None:
    city = emergency.city
    wu = await city.coordinator("吴芳", role=RoleKind.COMMANDER)
    await emergency.volunteer("李雷")
    await emergency.declare(quota="200")
    assert await after(city, endpoint, minutes=2) == ["sms"]
    ((path, text),) = endpoint.came
    assert path == f"/sms/{(await city.person(wu)).phone}"
    assert "打开 Telegram" in text and "周明" not in text


async def test_nobody_gets_a_text_message_about_a_board(
    emergency: Emergency, endpoint: Endpoint
) -> None:
    li = await emergency.volunteer("李雷")
    await emergency.declare(quota="1")
    await li.press("去不了")
    await li.sees("知道了")
    assert await after(emergency.city, endpoint, minutes=30) == []


# Never to those who answered


async def test_an_answer_while_a_channel_is_down_is_an_answer(
    emergency: Emergency, endpoint: Endpoint
) -> None:
    city = emergency.city
    li = await emergency.volunteer("李雷")
    await emergency.declare(quota="1")
    endpoint.status = 503
    assert await after(city, endpoint, minutes=4) == ["sms"]
    await li.press("15 分钟")
    await li.sees("等你")
    endpoint.status = 200
    assert await after(city, endpoint, minutes=3) == []
    assert await after(city, endpoint, minutes=10) == []


async def test_who_is_ticked_on_the_roll_is_not_called_any_more(
    emergency: Emergency, endpoint: Endpoint
) -> None:
    city = emergency.city
    li, _ = await emergency.crowd(2)
    await emergency.declare(quota="2")
    callout, person = await emergency.callout(), await city.person(li)
    board = await emergency.zhou.sees("第 1 批")
    await emergency.zhou.press_data(f"callout.arrived:{callout.id}:{person.id}", board.id)
    await li.sees("你已到现场")
    assert await after(city, endpoint, minutes=4) == ["sms"]
    assert endpoint.came[0][0] != f"/sms/{person.phone}"


async def test_a_roll_call_is_asked_again_and_then_texted_though_the_phone_moves(
    emergency: Emergency, endpoint: Endpoint
) -> None:
    city = emergency.city
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1")
    await emergency.on_scene(li)
    shared = await li.share_location(*RALLY, live_period=3600)
    await emergency.city.answered()
    await emergency.zhou.press("看板")
    await emergency.zhou.press("清点：都平安吗")
    await li.sees("你平安吗")
    assert await after(city, endpoint, minutes=2) == []  # asked again
    assert sum("你平安吗" in m.words for m in li.messages) == 2
    assert await after(city, endpoint, seconds=30) == []
    await li.move(shared, RALLY[0] + 0.0001, RALLY[1])
    await city.answered()
    assert await after(city, endpoint, seconds=30) == ["sms"]
    ((_, text),) = endpoint.came
    assert "你平安吗" in text and "/a/" in text
    await li.press("我平安")
    await li.sees("你已到现场")
    assert await after(city, endpoint, minutes=30) == []


async def test_an_sos_that_no_commander_sees_calls_them(
    emergency: Emergency, endpoint: Endpoint
) -> None:
    city = emergency.city
    (li,) = await emergency.crowd(1)
    await emergency.declare(quota="1", mode="演练")
    await emergency.on_scene(li)
    city.clock.forward(seconds=1)
    await li.press("SOS")
    await emergency.zhou.sees("需要帮助")
    assert await after(city, endpoint, minutes=1) == ["sms"]
    assert await after(city, endpoint, minutes=2) == ["voice"]
