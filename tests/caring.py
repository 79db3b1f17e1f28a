"""Care as tests begin with it: a coordinator, a file, volunteers near by."""

from typing import Any

from sqlalchemy import select

from models import CareCategory, Circle, ConsentBy, Delivery, Message, Person, Recipient
from playground.phone import Phone
from services import care, pairings, visiting
from services.care import Described
from services.delivery import unsealed
from services.visiting import Rhythmic
from tests.city import City

NAME, ADDRESS, PHONE = "梁婆婆", "孙文西路三巷八号", "+8613912340001"
CONTACT_NAME, CONTACT_PHONE = "梁小明", "+8613912340002"
SECRETS = (NAME, ADDRESS, PHONE, CONTACT_NAME, CONTACT_PHONE)
HOME = (22.527, 113.377)


def described(**more: Any) -> Described:
    values: dict[str, Any] = {
        "category": CareCategory.ALONE,
        "name": NAME,
        "address": ADDRESS,
        "needs": "陪聊、买菜",
        "heed": "耳背，敲门要大声",
        "consent_by": ConsentBy.THEMSELVES,
        "phone": PHONE,
        "contact_name": CONTACT_NAME,
        "contact_phone": CONTACT_PHONE,
        "latitude": HOME[0],
        "longitude": HOME[1],
    }
    return Described(**{**values, **more})


class Care:
    """Wang of Shiqi keeps the file; who is in its circle is said by name."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.wang: Phone
        self.key = 0

    async def prepare(self, **more: Any) -> "Care":
        self.wang = await self.city.coordinator("王强")
        wang = await self.city.person(self.wang)
        async with self.city.database.write() as session:
            work = self.city.making.work(session, await session.get_one(Person, wang.id))
            home = wang.organisation_id
            self.key = (await care.open_file(work, home, described(**more))).id
        return self

    async def work_of(self, phone: Phone, session: Any) -> Any:
        person = await self.city.person(phone)
        return self.city.making.work(session, await session.get_one(Person, person.id))

    async def member(self, name: str) -> Phone:
        """A volunteer who was invited and has said yes."""
        phone = await self.city.volunteer(name)
        person = await self.city.person(phone)
        async with self.city.database.write() as session:
            work = await self.work_of(self.wang, session)
            await pairings.invite(work, self.key, Circle.NEIGHBOUR, [person.id])
        async with self.city.database.write() as session:
            work = await self.work_of(phone, session)
            (pairing, *_) = [one for one, _, _ in await pairings.mine(work)]
            await pairings.accept(work, pairing.id)
        await self.city.settle()
        return phone

    async def settle_weekly(self, **more: Any) -> None:
        """Every week from 14 to 16 o'clock, by turns."""
        values: dict[str, Any] = {"every_days": 7, "weekdays": None, "from_minute": 840,
                                  "until_minute": 960}  # fmt: skip
        async with self.city.database.write() as session:
            work = await self.work_of(self.wang, session)
            await visiting.settle(work, self.key, Rhythmic(**{**values, **more}))
        await self.city.settle()

    async def recipient(self) -> Recipient:
        async with self.city.database.read() as session:
            return await session.get_one(Recipient, self.key)

    async def rows(self, table: Any) -> list[Any]:
        async with self.city.database.read() as session:
            return list(await session.scalars(select(table).order_by(table.id)))

    async def stored(self) -> str:
        """Everything that messages and deliveries keep in the clear, and what is sealed in them."""
        async with self.city.database.read() as session:
            parameters = [
                *(await session.scalars(select(Message.parameters))),
                *(await session.scalars(select(Delivery.parameters))),
            ]
        clear = [str(one) for one in parameters]
        opened = [str(unsealed(one)) for one in parameters if one]
        return "\n".join(["CLEAR", *clear, "OPENED", *opened])


def seen(phone: Phone) -> str:
    """All that is on a phone."""
    return "\n".join(message.words for message in phone.messages)


def knows(phone: Phone) -> list[str]:
    """Which of the secrets are on a phone."""
    return [one for one in SECRETS if one in seen(phone)]
