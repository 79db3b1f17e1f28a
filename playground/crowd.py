"""A simulated crowd: people whose behaviour is rules out of a file. They only see and press.

Each person looks at the newest screen now and then; the first rule that fits says what they do.
"""

import asyncio
import random
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playground.model import Message
from playground.phone import Phone
from playground.world import World

IN_SIGHT = 3
"""So many of the bot's messages are looked at."""
SPREAD = 0.01
"""Degrees around a home within which people live."""
RULES = Path(__file__).parent / "crowd.toml"


@dataclass(frozen=True, slots=True)
class Rule:
    """`when` is sought in the words of the newest screen, `button` among its labels.

    `do` is press, say, contact or location; `label` the pattern of the button that is pressed,
    `text` what is said: {name}, {birth_date} and {phone} are the person's own.
    """

    do: str
    when: str = ""
    button: str = ""
    label: str = ""
    text: str = ""
    place: tuple[float, float] | None = None
    """The location that is sent; somebody's home without it."""
    chance: float = 1.0

    def fits(self, message: Message) -> bool:
        labels = [button.text for row in message.inline_rows for button in row]
        return bool(re.search(self.when, message.words)) and (
            not self.button or any(re.search(self.button, label) for label in labels)
        )


@dataclass(frozen=True, slots=True)
class Script:
    """Who there is, how patient they are (seconds), and what they do."""

    family_names: list[str]
    given_names: list[str]
    patience: tuple[float, float]
    arrival: tuple[float, float]
    """Seconds between one person's arrival and the next."""
    homes: list[tuple[float, float]]
    rules: list[Rule] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Script":
        """Raises KeyError, TypeError or tomllib.TOMLDecodeError for a file that is none."""
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(
            family_names=found["family_names"],
            given_names=found["given_names"],
            patience=tuple(found["patience"]),
            arrival=tuple(found["arrival"]),
            homes=[tuple(home) for home in found["homes"]],
            rules=[Rule(**_paired(rule)) for rule in found["rule"]],
        )


def _paired(rule: dict[str, Any]) -> dict[str, Any]:
    place = rule.get("place")
    return {**rule, "place": (place[0], place[1])} if place else rule


class Crowd:
    """`size` people who come one after the other and stay until `stop`."""

    def __init__(self, world: World, script: Script, size: int, seed: int = 1) -> None:
        self.world = world
        self.script = script
        self.size = size
        self._dice = random.Random(seed)  # noqa: S311 - a play, nothing secret
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._arrive()))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _arrive(self) -> None:
        for _ in range(self.size):
            await asyncio.sleep(self._dice.uniform(*self.script.arrival))
            family = self._dice.choice(self.script.family_names)
            given = self._dice.choice(self.script.given_names)
            person = self.world.add_person(given, family, role="crowd")
            phone = Phone(self.world, person)
            await phone.start()
            self._tasks.append(asyncio.create_task(self._live(phone)))

    async def _live(self, phone: Phone) -> None:
        done: list[tuple[int, int]] = []
        while True:
            await asyncio.sleep(self._dice.uniform(*self.script.patience))
            screens = self._screens(phone)
            seen = [(screen.id, screen.revision) for screen in screens]
            if seen != done:
                done = seen
                await self._react(phone, screens)

    def _screens(self, phone: Phone) -> list[Message]:
        """The newest first; a question may stand above the message that brings its keyboard."""
        return [message for message in reversed(phone.messages) if message.from_bot][:IN_SIGHT]

    async def _react(self, phone: Phone, screens: list[Message]) -> None:
        for screen in screens:
            for rule in self.script.rules:
                if rule.fits(screen) and await self._follow(rule, phone, screen):
                    return

    async def _follow(self, rule: Rule, phone: Phone, screen: Message) -> bool:
        if self._dice.random() > rule.chance:
            return True
        if rule.do == "press":
            return self._press(rule, phone, screen)
        if rule.do == "contact":
            await phone.share_contact()
        elif rule.do == "location":
            await phone.share_location(*self._place(rule))
        else:
            await phone.say(self._filled(rule.text, phone))
        return True

    def _press(self, rule: Rule, phone: Phone, screen: Message) -> bool:
        fitting = [
            (at, column)
            for at, row in enumerate(screen.inline_rows)
            for column, button in enumerate(row)
            if button.kind == "callback" and re.search(rule.label, button.text)
        ]
        if not fitting:
            return False
        phone.tap(screen, *self._dice.choice(fitting))
        return True

    def _place(self, rule: Rule) -> tuple[float, float]:
        if rule.place is not None:
            return rule.place
        latitude, longitude = self._dice.choice(self.script.homes)
        return (
            round(latitude + self._dice.uniform(-SPREAD, SPREAD), 5),
            round(longitude + self._dice.uniform(-SPREAD, SPREAD), 5),
        )

    def _filled(self, text: str, phone: Phone) -> str:
        year, month = self._dice.randint(1955, 2005), self._dice.randint(1, 12)
        return text.format(
            name=phone.person.name,
            birth_date=f"{year}-{month:02d}-{self._dice.randint(1, 28):02d}",
            phone=phone.person.phone_number,
        )
