"""Call-outs of a city of five thousand, in two languages: whatever happens, nobody is called twice,
and nobody is forgotten.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from models import (
    Attendance,
    Callout,
    CalloutState,
    Delivery,
    DeliveryState,
    HoursState,
    Message,
    Response,
    ResponseState,
    Role,
    RoleKind,
    Wave,
)
from playground import Phone
from playground.phone import labels
from services.words import Words
from tests.city import City
from tests.databases import ON_BOTH, Databases
from tests.emergencies import RALLY, Emergency, Tongue, word_in
from tests.killable import Killable, killed_outright
from tests.making import Making
from tests.thousands import BESIDE, LANGUAGES, LENT, RESCUERS, Crowd, button, move_in, press
from tests.times import ManualClock

AT_ONCE = 20
"""Deliveries that the sender has in flight, as it is set by default."""
LONGEST = 60
"""Minutes after which a call-out should have been filled."""
URGENT = ("Urgency", "Lives are at stake")
OVER = "This call-out is over. Nobody needs to come any more. Thank you!"
TOO_LATE = "This call-out is over. Thank you; nobody needs to come any more."
FALSE_ALARM = "It was a false alarm. Nobody needs to come. We are sorry, and thank you."
COMMANDS_IN = {"sqlite": "zh_Hans", "postgresql": "en"}
OTHER = {"zh_Hans": "en", "en": "zh_Hans"}
TONGUES = {language: Tongue(language) for language in LANGUAGES}


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A database of its own with the sample city and thousands of volunteers in it."""
    url = databases.fresh(move_in)
    yield url
    databases.drop(url)


@pytest.fixture
def language(request: pytest.FixtureRequest) -> str:
    """What the commander reads; other commanders read the other one, and the volunteers both."""
    return COMMANDS_IN[request.node.callspec.params["databases"]]


@pytest.fixture
async def emergency(city: City, language: str) -> Emergency:
    return await Emergency(city, language).prepare()


@pytest.fixture
def crowd(city: City) -> Crowd:
    return Crowd(city.telegram, city.bot)


async def another(emergency: Emergency, **more: str) -> Emergency:
    """A second commander, who reads the other language."""
    found = Emergency(emergency.city, OTHER[emergency.says.language])
    found.zhou = await emergency.city.coordinator(
        "吴芳", language=found.says.language, role=RoleKind.COMMANDER, **more
    )
    return found


async def until_there(emergency: Emergency, crowd: Crowd, quota: int) -> None:
    """Lives on until so many are on scene; in longer steps once nobody is asked any more."""
    for _ in range(LONGEST):
        states = await emergency.states()
        if states["on_scene"] >= quota:
            return
        await crowd.live(emergency.city, minutes=1 if states["asked"] else 4)
    raise AssertionError(f"not filled: {await emergency.states()}")


async def assert_each_was_asked_once(emergency: Emergency, crowd: Crowd) -> None:
    """Nobody was called twice, nobody stands in the list without having heard of it."""
    asked, responses = await emergency.alarms(), await emergency.responses()
    assert set(asked.values()) == {1} and set(asked) == set(responses)
    assert len(asked) == len(crowd.reached)
    assert len({phone.person.language_code for phone in crowd.everyone}) == len(LANGUAGES)


def speech_of(phone: Phone) -> Tongue:
    return TONGUES["en" if phone.person.language_code == "en" else "zh_Hans"]


def have_read(phones: Iterable[Phone], english: str) -> bool:
    """Whether each has this on the phone, in their own language."""
    return all(
        any(speech_of(phone)(english) in message.words for message in phone.messages)
        for phone in phones
    )


def assert_all_was_taken_back(crowd: Crowd, english: str) -> None:
    """Everyone who was reached reads it, and nobody is left with a button that says yes."""
    assert crowd.everyone and have_read(crowd.everyone, english)
    assert not [phone for phone in crowd.everyone if button(phone, "callout.coming")]
    assert not [phone for phone in crowd.everyone if button(phone, "callout.standby")]


@ON_BOTH
async def test_a_typhoon_callout_fills_through_restarts_in_each_phase(
    emergency: Emergency, crowd: Crowd
) -> None:
    city, quota = emergency.city, 15
    word = await emergency.prepare_callout(quota=str(quota))
    await city.start_again()
    await emergency.zhou.say(word)
    await city.settle()
    await city.start_again()
    await crowd.live(city)
    await city.start_again()
    await until_there(emergency, crowd, quota)
    await city.start_again()
    await assert_each_was_asked_once(emergency, crowd)
    states = await emergency.states()
    assert states["released"] and not states["asked"]
    enough = "Enough people are on their way. Thank you for being there; you need not come."
    told = [phone for phone in crowd.everyone if have_read([phone], enough)]
    assert len(told) == states["released"] and states.total() < 1_000, "most were left in peace"
    await emergency.end()
    await city.start_again()
    await city.settle()
    assert_all_was_taken_back(crowd, OVER)
    async with city.database.read() as session:
        hours = Counter(await session.scalars(select(Attendance.state)))
    assert hours == {HoursState.PROPOSED: states["on_scene"]}


async def test_one_that_cannot_be_filled_asks_all_who_fit_once_then_the_neighbours(
    emergency: Emergency, crowd: Crowd
) -> None:
    city, says, quota = emergency.city, emergency.says, 40
    lender = await another(emergency, organisation=BESIDE)
    rescue = "水上救援" if says.language == "zh_Hans" else "Water rescue"
    await emergency.declare(quota=str(quota), more=["Skills", f">{rescue}", rescue, "Done"])
    assert len(crowd.reached) == RESCUERS
    for minutes in (2, 3, 5):
        await crowd.live(city, minutes)
    assert len(crowd.reached) == RESCUERS, "others can't do it, or are not theirs to call"
    asked = says("Commanders near by and above have been asked to lend their volunteers.")
    await emergency.zhou.sees(asked)
    await lender.zhou.press("🤝")
    for minutes in (2, 3, 5, 10):
        await crowd.live(city, minutes)
    await assert_each_was_asked_once(emergency, crowd)
    assert len(crowd.reached) == RESCUERS + LENT
    states = await emergency.states()
    missing = quota - states["on_scene"] - states["coming"]
    assert states["on_scene"] > 0 and 0 < missing < quota
    board = await emergency.zhou.sees(asked)
    still = says("%(count)s people are still missing.", count=missing)
    assert (still if says.language == "en" else f"还差 {missing} 人") in board.words
    await emergency.end()
    assert_all_was_taken_back(crowd, OVER)


async def test_a_false_alarm_half_way_is_sent_to_nobody_else_and_corrected_for_all(
    emergency: Emergency, crowd: Crowd
) -> None:
    city, zhou, says, sent = emergency.city, emergency.zhou, emergency.says, 60
    word = await emergency.prepare_callout(quota="30")
    let_through = city.telegram.faults.hold(
        method="sendMessage", chats=crowd.phones, after=sent
    )  # fmt: skip
    await zhou.say(word)
    await zhou.wait_until(lambda: len(crowd.reached) == sent)
    for phone in crowd.everyone[:5]:
        press(phone, "callout.coming")
    await city.answered()
    for label in ("Board", "Stand down", "It was a false alarm"):
        await zhou.press(says(label))
    states = await emergency.states()
    assert states["coming"] == 5 and states.total() > 2 * sent, "it was well under way"
    let_through.set()
    await city.catch_up()
    assert sent < len(crowd.reached) <= sent + AT_ONCE, "beside what was in flight"
    assert_all_was_taken_back(crowd, FALSE_ALARM)
    await crowd.live(city, minutes=15)
    assert len(crowd.reached) <= sent + AT_ONCE
    async with city.database.read() as session:
        found = select(Delivery.state).where(Delivery.edits_id.is_(None))
        left = Counter(await session.scalars(found.where(Delivery.chat_id.in_(crowd.phones))))
    assert set(left) == {DeliveryState.SENT, DeliveryState.REVOKED}
    assert left[DeliveryState.REVOKED] == states.total() - len(crowd.reached)


async def test_a_deputy_takes_over_from_a_silent_commander_while_it_fills(
    emergency: Emergency, crowd: Crowd
) -> None:
    city, quota = emergency.city, 8
    deputy = await another(emergency)
    await emergency.declare(quota=str(quota), more=URGENT)
    await deputy.zhou.sees(deputy.says("Life-critical call-out"))
    while not (await emergency.callout()).deputies_asked_at:
        await crowd.live(city, minutes=1 if (await emergency.states())["asked"] else 3)
    states = await emergency.states()
    assert states["coming"] >= quota > states["on_scene"]
    async with city.database.read() as session:
        waves = await session.scalar(select(func.count()).select_from(Wave))
    assert waves > 1, "nobody had to press anything for more to be asked"
    await deputy.zhou.press(deputy.says("I take command"))
    await emergency.zhou.sees(emergency.says("%(name)s commands from now on.", name="吴芳"))
    await until_there(emergency, crowd, quota)
    await assert_each_was_asked_once(emergency, crowd)
    await deputy.end()
    assert_all_was_taken_back(crowd, OVER)


async def test_a_drill_says_so_first_in_every_message_on_every_phone(
    emergency: Emergency, crowd: Crowd, words: Words
) -> None:
    city, zhou, says, quota = emergency.city, emergency.zhou, emergency.says, 5
    deputy = await another(emergency)
    await emergency.declare(quota=str(quota), mode="Drill: an exercise", more=URGENT)
    await until_there(emergency, crowd, quota)
    for phone in crowd.everyone[-20:]:
        press(phone, "callout.standby")
    await city.answered()
    await zhou.press(says("Is everyone safe?"))
    await zhou.press(says("Write to all"))
    await zhou.say("请注意安全。Take care.")
    await city.settle()
    await zhou.press(says("Move the rally point"))
    await zhou.say("22.5300, 113.3800")
    await zhou.press(says("Skip"))
    await crowd.live(city, minutes=3)
    await emergency.end()
    for phone in crowd.everyone:
        press(phone, "callout.home")
    await city.settle()
    states = await emergency.states()
    assert states["home"] >= quota and states["standby"] >= 20
    keyboards = {
        words.plain(name, language)
        for name in ("forms/share_location", "forms/received")
        for language in LANGUAGES
    }
    read = crowd.read + [(deputy.zhou, message.words) for message in deputy.zhou.messages]
    assert deputy.zhou.messages
    for phone, text in read:
        assert text in keyboards or text.startswith(speech_of(phone)("DRILL")), text


# Killed outright


@pytest.fixture
async def killable(database_url: str, tmp_path: Path) -> AsyncIterator[Killable]:
    async with killed_outright(database_url, tmp_path) as made:
        made.muster.variables |= {
            "TELEGRAM__MESSAGES_PER_SECOND": "100",
            "TELEGRAM__CHAT_MESSAGES_PER_SECOND": "1000",
        }
        yield made


STARTING = 60
"""Seconds in which it has started, on a busy machine."""


async def commander(killable: Killable, language: str) -> Phone:
    phone = killable.person("周明", started=True)
    making = Making(killable.database, ManualClock())
    person = await making.volunteer("周明", telegram_id=phone.id, language=language)
    async with killable.database.write() as session:
        role = Role(
            person_id=person.id, organisation_id=person.organisation_id, kind=RoleKind.COMMANDER,
            granted_at=datetime.now(UTC),
        )  # fmt: skip
        session.add(role)
    return phone


async def test_killed_in_each_phase_it_forgets_nobody_and_calls_nobody_twice(
    killable: Killable, language: str
) -> None:
    says, crowd = TONGUES[language], Crowd(killable.telegram, killable.bot)
    zhou = await commander(killable, language)
    killable.start()
    await zhou.say("/callout")
    for label in ("Real", "Typhoon"):
        await zhou.press(says(label), STARTING)
    await zhou.wait(lambda message: says("Stop") in labels(message), STARTING)
    await killable.again()  # declaring
    await zhou.share_location(*RALLY)
    await zhou.press("30", STARTING)
    await zhou.press(says("Who can come? (nothing is sent yet)"), STARTING)
    question = says("Nothing has been sent yet. Type the number to call people out:")
    asked = await zhou.sees(question, STARTING)
    await killable.again()  # about to launch
    await zhou.say(word_in(asked.words))
    await zhou.wait_until(lambda: crowd.reached, STARTING)
    await killable.again()  # calling people
    await zhou.wait_until(lambda: len(crowd.reached) > 4 * AT_ONCE, STARTING)
    first, *others = crowd.everyone[:4]
    for phone in others:
        press(phone, "callout.coming")
    await zhou.wait_until(lambda: all(button(p, "callout.here") for p in others), STARTING)
    press(first, "callout.coming")
    await killable.again()  # being answered
    await first.wait_until(lambda: button(first, "callout.here"), STARTING)
    press(first, "callout.here")
    await first.share_location(*RALLY)
    await killable.again()  # arriving
    await first.wait_until(lambda: button(first, "callout.home"), STARTING)
    for label in ("Board", "Stand down", "Yes, it is over"):
        await zhou.press(says(label), STARTING)
    await killable.again()  # standing down
    await zhou.wait_until(lambda: have_read(crowd.everyone, OVER), STARTING)
    said_yes = {first, *others}
    silent = [phone for phone in crowd.everyone if phone not in said_yes]
    spare = sum(len(phone.messages) - 1 for phone in silent)
    assert spare <= 4 * AT_ONCE, "only what was in flight at a kill came twice"
    stale = [phone for phone in silent if button(phone, "callout.coming")]
    asked_late = [(phone, press(phone, "callout.coming")) for phone in stale]
    for phone, query in asked_late:
        assert query
        answer = await phone.answered(query, STARTING)
        assert answer.text == speech_of(phone)(TOO_LATE)
    async with killable.database.read() as session:
        callout = (await session.scalars(select(Callout))).one()
        assert callout.state is CalloutState.ENDED
        states = Counter(await session.scalars(select(Response.state)))
        found = await session.execute(
            select(Delivery.chat_id, Delivery.state)
            .join(Message, Message.id == Delivery.message_id)
            .where(Message.template == "callouts/alarm", Delivery.edits_id.is_(None))
        )
        alarms = [(chat, state) for chat, state in found]
    assert states[ResponseState.COMING] == len(others) and states[ResponseState.ON_SCENE] == 1
    assert len({chat for chat, _ in alarms}) == len(alarms) == states.total()
    assert {state for _, state in alarms} <= {DeliveryState.SENT, DeliveryState.REVOKED}
    assert {chat for chat, state in alarms if state is DeliveryState.SENT} <= set(crowd.reached)
