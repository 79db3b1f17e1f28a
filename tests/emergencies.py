"""A commander and volunteers around a rally point, for tests of call-outs."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from models import Callout, Delivery, Message, Response, RoleKind
from playground import Phone
from services.words import TEMPLATES, load_translations
from tests.city import City

RALLY = (22.525, 113.375)
FAR = (22.60, 113.45)


class Tongue:
    """Sentences and labels as somebody reads them who uses Muster in this language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._translations = load_translations(TEMPLATES, language)

    def __call__(self, english: str, **values: object) -> str:
        """The English key of a sentence, with what stands in it."""
        said = self._translations.gettext(english)
        return said % values if values else said


def word_in(text: str) -> str:
    """The number that is shown to be typed, after places, times and others."""
    return str(re.findall(r"(?<![.\d])\d{4}\b", text)[-1])


class Emergency:
    """Commander Zhou, who reads `language`, and the volunteers who live around the rally point."""

    def __init__(self, city: City, language: str = "zh_Hans") -> None:
        self.city = city
        self.says = Tongue(language)
        self.zhou: Phone
        self.volunteers: list[Phone] = []

    async def prepare(self) -> "Emergency":
        self.zhou = await self.city.coordinator(
            "周明", language=self.says.language, role=RoleKind.COMMANDER
        )
        return self

    async def volunteer(self, name: str, *, north: float = 0.0, **more: object) -> Phone:
        """Somebody who may be called and lives so many degrees north of the rally point."""
        phone = await self.city.volunteer(
            name, emergency_opt_in=True, latitude=RALLY[0] + north, longitude=RALLY[1], **more
        )
        self.volunteers.append(phone)
        return phone

    async def crowd(self, size: int) -> list[Phone]:
        """One every 450 metres, the nearest first."""
        return [
            await self.volunteer(f"林{number:02d}", north=0.004 * number)
            for number in range(1, size + 1)
        ]

    async def prepare_callout(
        self,
        *,
        quota: str = "5",
        mode: str = "Real",
        kind: str = "Typhoon",
        more: Sequence[str] = (),
    ) -> str:
        """Up to the question for the word, which is answered with.

        `more` are buttons to press at the summary; what begins with ">" is typed.
        """
        says = self.says
        await self.zhou.say("/callout")
        await self.zhou.press(says(mode))
        await self.zhou.sees(says("What happened?"))
        await self.zhou.press(says(kind))
        await self.zhou.share_location(*RALLY)
        await self.zhou.sees(says("How many people do you need there? Choose or type a number."))
        await self.zhou.say(quota)
        await self.zhou.sees(says("Anybody who may be called"))
        for step in more:
            if step.startswith(">"):
                await self.zhou.say(step[1:])
                await self.city.answered()
            else:
                await self.zhou.press(says(step))
        await self.zhou.press(says("Who can come? (nothing is sent yet)"))
        await self.city.answered()
        question = says("Nothing has been sent yet. Type the number to call people out:")
        asked = [one.words for one in self.zhou.messages if question in one.words]
        return word_in(asked[-1])

    async def declare(self, **more: Any) -> None:
        await self.zhou.say(await self.prepare_callout(**more))
        await self.city.settle()

    async def responses(self) -> dict[int, Response]:
        async with self.city.database.read() as session:
            found = await session.scalars(select(Response))
            return {one.person_id: one for one in found}

    async def states(self) -> Counter[str]:
        async with self.city.database.read() as session:
            found = await session.execute(
                select(Response.state, func.count()).group_by(Response.state)
            )
            return Counter({state.value: count for state, count in found})

    async def callout(self) -> Callout:
        async with self.city.database.read() as session:
            return (await session.scalars(select(Callout))).one()

    async def alarms(self) -> Counter[int | None]:
        """How many alarms each person was sent."""
        async with self.city.database.read() as session:
            found = await session.scalars(
                select(Delivery.person_id)
                .join(Message, Message.id == Delivery.message_id)
                .where(Message.template == "callouts/alarm")
            )
            return Counter(found)

    async def on_scene(self, phone: Phone) -> None:
        """Says yes and is there."""
        await phone.press("15 分钟")
        await phone.sees("等你")
        await phone.press("我到了")
        await phone.share_location(*RALLY)
        await phone.sees("你已到现场")

    async def relief(self) -> tuple[Phone, Phone]:
        """Somebody who has been there for eight hours, and who has come to take over from them."""
        li, wang = await self.crowd(2)
        await self.declare(quota="1")
        await self.on_scene(li)
        await wang.press("去不了")
        await self.city.forward(minutes=8 * 60 + 1)
        await li.sees("请交接后休息")
        await self.zhou.sees("需要换班")
        await self.zhou.press("叫人接班")
        await wang.press("我还是能来")
        await wang.sees("等你")
        await wang.press("我到了")
        await wang.share_location(*RALLY)
        await li.sees("林02来接班了")
        return li, wang

    async def end(self, phone: Phone | None = None, how: str = "Yes, it is over") -> None:
        """The commander, or whoever has taken over on that phone, stands everyone down."""
        commander = phone or self.zhou
        await commander.press(self.says("Stand down"))
        await commander.press(self.says(how))
        await self.city.settle()
