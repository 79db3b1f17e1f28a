"""The people, roles and activities that a test begins with, written as the services would."""

import itertools
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import delete, select

from models import (
    Account,
    Activity,
    ActivityState,
    Confirmation,
    Database,
    Equipment,
    OptOut,
    Organisation,
    Person,
    PersonEquipment,
    PersonInterest,
    PersonSkill,
    Qualification,
    QualificationKind,
    QualificationState,
    RallyPoint,
    Role,
    RoleKind,
    ServiceField,
    Shift,
    ShiftSkill,
    Skill,
    Standing,
)
from models.sealed import keyring
from services import traits
from services.policy import Policy
from services.work import Work
from tests.times import ManualClock

_numbers = itertools.count(1)
POLICY = Policy()
ALL_WEEK = (1 << 21) - 1


class Making:
    """Each call is a transaction of its own; what it answers is detached and may be read."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock

    async def organisation(self, code: str) -> Organisation:
        async with self.database.read() as session:
            return (
                await session.scalars(select(Organisation).where(Organisation.code == code))
            ).one()

    async def volunteer(
        self,
        name: str = "陈晓丽",
        *,
        organisation: str = "zs-shiqi",
        telegram_id: int | None = None,
        language: str = "zh_Hans",
        skills: tuple[str, ...] = (),
        interests: tuple[str, ...] = (),
        opt_outs: tuple[str, ...] = (),
        latitude: float | None = 22.525,
        longitude: float | None = 113.375,
        birth_date: date = date(1990, 5, 1),
        availability: int = ALL_WEEK,
        **more: Any,
    ) -> Person:
        number = next(_numbers)
        phone = f"+8613{800000000 + number}"
        async with self.database.write() as session:
            home = await session.scalar(
                select(Organisation.id).where(Organisation.code == organisation)
            )
            values: dict[str, Any] = {
                "standing": Standing.ACTIVE,
                "number": f"ZS{number:09d}",
                "organisation_id": home,
                "language": language,
                "name": name,
                "name_search": name,
                "birth_date": birth_date,
                "phone": phone,
                "phone_hash": keyring().fingerprint(phone),
                "phone_verified": True,
                "latitude": latitude,
                "longitude": longitude,
                "availability": availability,
                "applied_at": self.clock(),
                "registered_at": self.clock(),
            }
            person = Person(**{**values, **more})
            session.add(person)
            await session.flush()
            session.add(
                Account(
                    telegram_id=telegram_id or 5_000_000 + number,
                    person_id=person.id,
                    language=language,
                    language_chosen=True,
                    first_seen_at=self.clock(),
                    last_seen_at=self.clock(),
                )
            )
            for code in skills:
                key = await session.scalar(select(Skill.id).where(Skill.code == code))
                session.add(PersonSkill(person_id=person.id, skill_id=key))
            for code in interests:
                key = await session.scalar(select(ServiceField.id).where(ServiceField.code == code))
                session.add(PersonInterest(person_id=person.id, field_id=key))
            for kind in opt_outs:
                session.add(OptOut(person_id=person.id, kind=kind, since=self.clock()))
            await traits.renew(self.work(session), [person.id])
        return person

    async def mute(self, person: Person, kind: str) -> None:
        """They want no messages of this kind any more."""
        async with self.database.write() as session:
            session.add(OptOut(person_id=person.id, kind=kind, since=self.clock()))
            await traits.renew(self.work(session), [person.id])

    async def without_roles(self, person: Person) -> None:
        async with self.database.write() as session:
            await session.execute(delete(Role).where(Role.person_id == person.id))

    async def qualification(self, person: Person, *, expires_in: int) -> QualificationKind:
        """A verified document of a kind that one coordinator checks; expires in so many days."""
        async with self.database.write() as session:
            kinds = select(QualificationKind).where(QualificationKind.medical.is_(False))
            kind = (
                await session.scalars(kinds.order_by(QualificationKind.position).limit(1))
            ).one()
            session.add(
                Qualification(
                    person_id=person.id,
                    kind_id=kind.id,
                    state=QualificationState.VERIFIED,
                    expires_on=self.clock().date() + timedelta(days=expires_in),
                    submitted_at=self.clock(),
                )
            )
            await session.flush()
            await traits.renew(self.work(session), [person.id])
        return kind

    async def crowd(self, size: int, organisation: str = "zs-shiqi") -> list[Person]:
        """Many volunteers at once, with nothing said about themselves but that they are free."""
        home = (await self.organisation(organisation)).id
        people = [
            Person(
                standing=Standing.ACTIVE,
                number=f"ZC{next(_numbers):09d}",
                organisation_id=home,
                language="zh_Hans",
                name=f"志愿者{number}",
                birth_date=date(1990, 5, 1),
                availability=ALL_WEEK,
                applied_at=self.clock(),
            )
            for number in range(size)
        ]
        async with self.database.write() as session:
            session.add_all(people)
            await session.flush()
            await traits.renew(self.work(session), [person.id for person in people])
        return people

    async def equip(self, person_id: int, kinds: Iterable[Equipment]) -> None:
        """What somebody can bring."""
        async with self.database.write() as session:
            session.add_all(PersonEquipment(person_id=person_id, kind=kind) for kind in kinds)
            await traits.renew(self.work(session), [person_id])

    async def coordinator(
        self,
        name: str = "王强",
        *,
        organisation: str = "zs-shiqi",
        role: RoleKind = RoleKind.COORDINATOR,
        **more: Any,
    ) -> Person:
        person = await self.volunteer(name, organisation=organisation, **more)
        async with self.database.write() as session:
            session.add(
                Role(
                    person_id=person.id,
                    organisation_id=person.organisation_id,
                    kind=role,
                    granted_at=self.clock(),
                )
            )
        return person

    async def rally_point(
        self, organisation: str, name: str, latitude: float, longitude: float, note: str = ""
    ) -> RallyPoint:
        home = (await self.organisation(organisation)).id
        async with self.database.write() as session:
            point = RallyPoint(
                organisation_id=home, name=name, note=note, latitude=latitude, longitude=longitude
            )
            session.add(point)
        return point

    async def activity(
        self,
        coordinator: Person,
        title: str = "河岸植树",
        *,
        state: ActivityState = ActivityState.PUBLISHED,
        confirmation: Confirmation = Confirmation.AUTOMATIC,
        latitude: float = 22.53,
        longitude: float = 113.38,
        **more: Any,
    ) -> Activity:
        async with self.database.write() as session:
            field = await session.scalar(select(ServiceField.id).order_by(ServiceField.id).limit(1))
            values: dict[str, Any] = {
                "organisation_id": coordinator.organisation_id,
                "field_id": field,
                "state": state,
                "title": title,
                "description": "一起在岐江边种树。",
                "address": "岐江公园北门",
                "latitude": latitude,
                "longitude": longitude,
                "confirmation": confirmation,
                "created_by_id": coordinator.id,
                "created_at": self.clock(),
                "published_at": self.clock(),
            }
            activity = Activity(**{**values, **more})
            session.add(activity)
        return activity

    async def shift(
        self,
        activity: Activity,
        starts_at: str = "2026-11-28 09:00",
        *,
        hours: float = 3,
        quota: int = 20,
        skills: tuple[str, ...] = (),
        **more: Any,
    ) -> Shift:
        """`starts_at` is local time."""
        start = self.clock.at(starts_at)
        async with self.database.write() as session:
            shift = Shift(
                activity_id=activity.id,
                starts_at=start,
                ends_at=start + timedelta(hours=hours),
                quota=quota,
                **more,
            )
            session.add(shift)
            await session.flush()
            for code in skills:
                key = await session.scalar(select(Skill.id).where(Skill.code == code))
                session.add(ShiftSkill(shift_id=shift.id, skill_id=key))
        return shift

    def work(self, session: Any, actor: Person | None = None) -> Work:
        """A unit of work at the clock's present time."""
        return Work(session, self.clock(), POLICY, actor)
