"""A commander and volunteers around a rally point, for tests of call-outs."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from models import Callout, Delivery, Message, Response, RoleKind
from playground import Phone
from tests.city import City

RALLY = (22.525, 113.375)
FAR = (22.60, 113.45)


class Emergency:
    """Commander Zhou and the volunteers who live around the rally point."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.zhou: Phone
        self.volunteers: list[Phone] = []

    async def prepare(self) -> "Emergency":
        self.zhou = await self.city.coordinator("周明", role=RoleKind.COMMANDER)
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
        mode: str = "实战",
        kind: str = "台风",
        more: Sequence[str] = (),
    ) -> str:
        """Up to the question for the word, which is answered with.

        `more` are buttons to press at the summary; what begins with ">" is typed.
        """
        await self.zhou.say("/callout")
        await self.zhou.press(mode)
        await self.zhou.sees("发生了什么")
        await self.zhou.press(kind)
        await self.zhou.share_location(*RALLY)
        await self.zhou.sees("现场需要多少人")
        await self.zhou.say(quota)
        await self.zhou.sees("所有愿意响应的志愿者")
        for step in more:
            if step.startswith(">"):
                await self.zhou.say(step[1:])
                await self.city.answered()
            else:
                await self.zhou.press(step)
        await self.zhou.press("看看谁能来")
        await self.city.answered()
        asked = [one.words for one in self.zhou.messages if "输入这个数字" in one.words]
        found = re.search(r"\d{4}", asked[-1])
        assert found
        return found.group()

    async def declare(self, **more: Any) -> None:
        await self.zhou.say(await self.prepare_callout(**more))
        await self.city.settle()

    async def responses(self) -> dict[int, Response]:
        async with self.city.database.read() as session:
            found = await session.scalars(select(Response))
            return {one.person_id: one for one in found}

    async def states(self) -> Counter[str]:
        return Counter(one.state.value for one in (await self.responses()).values())

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

    async def end(self) -> None:
        await self.zhou.press("解除")
        await self.zhou.press("是的，解除")
        await self.city.settle()
