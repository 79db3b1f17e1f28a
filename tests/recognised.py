"""Volunteers whose hours reach a star, for tests that begin where hours end."""

from typing import Any

import pytest
from sqlalchemy import select

from models import Delivery, Message, Person, RoleKind
from services.errors import Refusal
from tests.certified import act, served
from tests.making import Making

ONE_STAR = 6_060
"""Minutes: 101 hours."""


class Staff:
    """Wang coordinates a town, Zhao coordinates beside him, He is the city's administrator."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.wang: Person
        self.zhao: Person
        self.he: Person

    async def prepare(self) -> "Staff":
        self.wang = await self.making.coordinator("王强")
        self.zhao = await self.making.coordinator("赵云")
        self.he = await self.making.coordinator(
            "何会长", organisation="zs", role=RoleKind.ADMINISTRATOR
        )
        return self

    async def act(self, who: Person, verb: Any, *given: Any, **more: Any) -> Any:
        return await act(self.making, who, verb, *given, **more)

    async def sweep(self, run: Any, look: Any) -> int:
        """What the clock does once."""
        async with self.making.database.write() as session:
            work = self.making.work(session)
            done: int = await run(work, await look(work))
            return done

    async def refused(self, who: Person, verb: Any, *given: Any, **more: Any) -> str:
        with pytest.raises(Refusal) as refusal:
            await self.act(who, verb, *given, **more)
        return refusal.value.code

    async def served(self, name: str, minutes: int = ONE_STAR, **more: Any) -> Person:
        """A volunteer with confirmed hours."""
        person = await self.making.volunteer(name, **more)
        await served(self.making, self.wang, person, minutes)
        return person

    async def told(self, template: str) -> set[int | None]:
        """Who is told something by a template."""
        async with self.making.database.read() as session:
            rows = await session.scalars(
                select(Delivery.person_id)
                .join(Message, Message.id == Delivery.message_id)
                .where(Message.template == f"recognition/{template}")
            )
            return set(rows)
