"""Five thousand volunteers in two languages, and what they do once they are called out."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from sqlalchemy import insert, select

from models import Account, Database, Organisation, Person, PersonSkill, Skill, Standing
from playground import Phone, Playground
from playground.model import Bot, Button, Chat, Location
from playground.model import Message as Shown
from playground.world import Change, Query
from services import traits
from services.policy import Policy
from services.work import Work
from tests.city import City
from tests.emergencies import RALLY
from tests.making import ALL_WEEK

MANY = 5_000
FIRST = 800_000_001
"""Telegram's number of the first; the others' follow."""
HOME, BESIDE = "zs-shiqi", "zs-dongqu"
RESCUERS, LENT = 80, 20
"""Who is trained in water rescue: at home, and in the organisation beside."""
LANGUAGES = ("zh_Hans", "en")
AROUND = 0.04
"""Standard deviation of where they live about the rally point, in degrees."""

Act = Callable[[], object]


def language_of(number: int) -> str:
    return LANGUAGES[number % 2]


def _rescues(number: int) -> bool:
    """Two of a hundred, one in each language."""
    return number % 100 < 2


def _lives_beside(number: int) -> bool:
    return number // 100 % 5 == 4


async def move_in(database: Database) -> None:
    """Puts them into a city; all at once, since that is done for a template of databases."""
    chance = random.Random(4)
    now = datetime(2026, 11, 1, tzinfo=UTC)
    async with database.write() as session:
        codes = select(Organisation.code, Organisation.id)
        home = dict((await session.execute(codes)).all())
        rescue = await session.scalar(select(Skill.id).where(Skill.code == "water_rescue"))
        people = [
            {
                "standing": Standing.ACTIVE,
                "number": f"ZM{number:09d}",
                "organisation_id": home[BESIDE if _lives_beside(number) else HOME],
                "language": language_of(number),
                "name": f"志愿者{number}",
                "birth_date": date(1990, 5, 1),
                "availability": ALL_WEEK,
                "emergency_opt_in": True,
                "latitude": round(RALLY[0] + chance.gauss(0, AROUND), 3),
                "longitude": round(RALLY[1] + chance.gauss(0, AROUND), 3),
                "applied_at": now,
            }
            for number in range(MANY)
        ]
        made = insert(Person).returning(Person.id, sort_by_parameter_order=True)
        keys = (await session.scalars(made, people)).all()
        accounts = [
            {
                "telegram_id": FIRST + number, "person_id": key, "language": language_of(number),
                "language_chosen": True, "first_seen_at": now, "last_seen_at": now,
            }
            for number, key in enumerate(keys)
        ]  # fmt: skip
        await session.execute(insert(Account), accounts)
        skilled = [
            {"person_id": key, "skill_id": rescue}
            for number, key in enumerate(keys)
            if _rescues(number)
        ]
        await session.execute(insert(PersonSkill), skilled)
        await traits.renew_all(Work(session, now, Policy()))


def button(phone: Phone, action: str) -> tuple[Shown, Button] | None:
    """The newest inline button on a phone that does this, with the message that it is under."""
    for message in reversed(phone.messages):
        for row in message.inline_rows:
            for one in row:
                if (one.data or "").startswith(action):
                    return message, one
    return None


def press(phone: Phone, action: str) -> Query | None:
    """Presses a button, if it is still there, without waiting for the answer."""
    found = button(phone, action)
    if found is None:
        return None
    message, one = found
    return phone.world.press(phone.chat, phone.person, message, one.data or "")


class Crowd:
    """Their phones. `yes` of those called say that they are coming, most of them soon, and `come`
    of these do; everybody has dice of their own, so that it matters little who is called when.
    """

    def __init__(
        self, telegram: Playground, bot: Bot, *, yes: float = 0.3, come: float = 0.9
    ) -> None:
        self.yes, self.come = yes, come
        self.phones = {FIRST + number: self._phone(telegram, bot, number) for number in range(MANY)}
        self.reached: dict[int, Phone] = {}
        """Who has heard anything, in that order."""
        self.read: list[tuple[Phone, str]] = []
        """What has stood on a phone, also if it has been edited since."""
        self._called: list[Phone] = []
        self._plans: list[tuple[datetime, int, Act]] = []
        self._numbers = count()
        telegram.world.subscribe(self._hear)

    def _phone(self, telegram: Playground, bot: Bot, number: int) -> Phone:
        tag = "en" if language_of(number) == "en" else "zh-hans"
        phone = telegram.add_person(
            f"号{number}", "志", person_id=FIRST + number, language_code=tag
        ).use(bot)
        phone.chat.started = True
        return phone

    def _hear(self, _change: Change, chat: Chat | None, about: object) -> None:
        phone = self.phones.get(chat.id) if chat is not None else None
        if phone is None or not isinstance(about, Shown) or not about.from_bot:
            return
        if phone.id not in self.reached:
            self.reached[phone.id] = phone
            self._called.append(phone)
        self.read.append((phone, about.words))

    @property
    def everyone(self) -> list[Phone]:
        """Who has heard anything."""
        return list(self.reached.values())

    # What they do

    async def live(self, city: City, minutes: float = 1) -> None:
        """So many minutes, with all that people do in them."""
        await city.forward(minutes=minutes)
        now = city.clock()
        called, self._called = self._called, []
        for phone in called:
            self._plan(phone, now)
        while self._plans and self._plans[0][0] <= now:
            heappop(self._plans)[2]()
        await city.answered()

    def _plan(self, phone: Phone, now: datetime) -> None:
        dice = random.Random(phone.id)
        if dice.random() >= self.yes:
            return
        answers_at = now + timedelta(minutes=dice.lognormvariate(0.3, 0.7))
        self._at(answers_at, lambda: press(phone, "callout.coming"))
        if dice.random() < self.come:
            self._at(answers_at + timedelta(minutes=12), lambda: self._arrive(phone))

    def _at(self, moment: datetime, act: Act) -> None:
        heappush(self._plans, (moment, next(self._numbers), act))

    def _arrive(self, phone: Phone) -> None:
        if press(phone, "callout.here"):
            phone.world.speak(phone.chat, phone.person, location=Location(*RALLY))
