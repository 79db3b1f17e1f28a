"""The city of the cases: people with phones, shifts with few places, hours that wait, an emergency.

Written by the services where that is their business, and before the program starts.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from bot.setting_up import set_up
from bot.settings import DatabaseSettings, SecuritySettings, Settings
from models import (
    Account,
    Activity,
    ActivityState,
    Attendance,
    Callout,
    Confirmation,
    Database,
    Emergency,
    Enrolment,
    EnrolmentState,
    HoursState,
    Means,
    Organisation,
    Person,
    Response,
    Role,
    RoleKind,
    ServiceField,
    Shift,
    Standing,
)
from models.sealed import keyring
from playground import Phone, Playground
from playground.model import Bot
from services import declaring, traits
from services.declaring import Declaration, Wanted
from services.policy import Policy
from services.scene import note_arrival
from services.work import Work

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "zhongshan"
TOWN = "zs-shiqi"
VOLUNTEERS = 30
COORDINATORS = 3
STRANGERS = 8
PLACES = 5
"""Of each shift that people press for; there are many more of them."""
SHIFTS_AHEAD = 6
ROLL = 30
"""People who may be ticked on one roll."""
ROLLS = 24
ON_SCENE = 6
RALLY = (22.525, 113.375)
POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Somebody:
    phone: Phone
    person_id: int


@dataclass
class Cast:
    """Who there is, and the keys of what they press on."""

    volunteers: list[Somebody] = field(default_factory=list)
    coordinators: list[Somebody] = field(default_factory=list)
    commander: Somebody | None = None
    at_desk: Somebody | None = None
    strangers: list[Phone] = field(default_factory=list)
    ahead: list[int] = field(default_factory=list)
    """Shifts in a week, two days apart, so that none clashes with another."""
    to_tick: list[int] = field(default_factory=list)
    """Enrolments in shifts that are on."""
    to_confirm: list[int] = field(default_factory=list)
    """Attendances with proposed hours."""
    callout_id: int = 0
    on_scene: list[Somebody] = field(default_factory=list)

    @property
    def clerk(self) -> Somebody:
        assert self.at_desk is not None
        return self.at_desk

    @property
    def chief(self) -> Somebody:
        assert self.commander is not None
        return self.commander


def settings_of(url: str, key_file: Path) -> Settings:
    return Settings.model_construct(
        database=DatabaseSettings(url=url), security=SecuritySettings(key_file=key_file)
    )


async def found(url: str, key_file: Path, telegram: Playground, bot: Bot) -> Cast:
    """Everything that a case begins with."""
    await set_up(settings_of(url, key_file), SAMPLE)
    database = Database(url)
    try:
        return await _Founding(database, telegram, bot).everything()
    finally:
        await database.close()


class _Founding:
    def __init__(self, database: Database, telegram: Playground, bot: Bot) -> None:
        self.database = database
        self.telegram = telegram
        self.bot = bot
        self.cast = Cast()
        self.now = datetime.now(UTC)
        self._numbers = 0

    async def everything(self) -> Cast:
        cast = self.cast
        async with self.database.write() as session:
            work = Work(session, self.now, POLICY)
            home = (
                await session.scalars(select(Organisation).where(Organisation.code == TOWN))
            ).one()
            for number in range(VOLUNTEERS):
                cast.volunteers.append(await self._somebody(work, home, f"林{number:02d}"))
            for number in range(COORDINATORS):
                one = await self._somebody(work, home, f"王{number}", RoleKind.COORDINATOR)
                cast.coordinators.append(one)
            cast.at_desk = await self._somebody(work, home, "吴敏", RoleKind.COORDINATOR)
            cast.commander = await self._somebody(work, home, "周明", RoleKind.COMMANDER)
            above = await session.get_one(Organisation, home.parent_id)
            await self._somebody(work, above, "何会长", RoleKind.ADMINISTRATOR)
            # Who is on rolls has no phone, so that they do not press for places as well.
            crowd = [
                (await self._somebody(work, home, f"陈{number:03d}", told=False)).person_id
                for number in range(ROLL)
            ]
            await self._activities(work, home, crowd)
            await traits.renew_all(work)
        for number in range(STRANGERS):
            cast.strangers.append(self._phone(f"新{number}"))
        await self._call_out(home)
        return cast

    def _phone(self, name: str) -> Phone:
        person = self.telegram.add_person(name[1:], name[0], language_code="zh-hans")
        phone = person.use(self.bot)
        phone.chat.started = True
        return phone

    async def _somebody(
        self,
        work: Work,
        home: Organisation,
        name: str,
        role: RoleKind | None = None,
        *,
        told: bool = True,
    ) -> Somebody:
        self._numbers += 1
        number = f"+8613{800000000 + self._numbers}"
        person = Person(
            standing=Standing.ACTIVE, number=f"ZS{self._numbers:09d}", organisation_id=home.id,
            language="zh_Hans", name=name, name_search=name, phone=number,
            phone_hash=keyring().fingerprint(number), phone_verified=True,
            birth_date=date(1990, 5, 1),
            latitude=RALLY[0], longitude=RALLY[1], availability=(1 << 21) - 1,
            emergency_opt_in=told and role is None, applied_at=self.now, registered_at=self.now,
        )  # fmt: skip
        work.session.add(person)
        await work.session.flush()
        phone = self._phone(name)
        if told:
            work.session.add(
                Account(
                    telegram_id=phone.id,
                    person_id=person.id,
                    language="zh_Hans",
                    language_chosen=True,
                    first_seen_at=self.now,
                    last_seen_at=self.now,
                )
            )
        if role is not None:
            work.session.add(
                Role(person_id=person.id, organisation_id=home.id, kind=role, granted_at=self.now)
            )
        await work.session.flush()
        return Somebody(phone, person.id)

    async def _activities(self, work: Work, home: Organisation, crowd: list[int]) -> None:
        for number in range(SHIFTS_AHEAD):
            starts = self.now + timedelta(days=7 + 2 * number)
            self.cast.ahead.append((await self._shift(work, home, starts, PLACES)).id)
        for number in range(ROLLS):
            starts = self.now - timedelta(minutes=30 + number)
            shift = await self._shift(work, home, starts, ROLL, taken=ROLL)
            for person_id in crowd:
                one = await self._place(work, shift, person_id, EnrolmentState.CONFIRMED)
                self.cast.to_tick.append(one.id)
        for number in range(ROLLS):
            starts = self.now - timedelta(days=3 + number)
            shift = await self._shift(work, home, starts, ROLL, taken=ROLL)
            for person_id in crowd:
                one = await self._place(work, shift, person_id, EnrolmentState.ATTENDED)
                there = Attendance(
                    enrolment_id=one.id, checked_in_at=starts, in_means=Means.ROLL,
                    checked_out_at=shift.ends_at, out_means=Means.ROLL,
                    state=HoursState.PROPOSED, minutes=120,
                )  # fmt: skip
                work.session.add(there)
                await work.session.flush()
                self.cast.to_confirm.append(there.id)

    async def _shift(
        self, work: Work, home: Organisation, starts: datetime, quota: int, taken: int = 0
    ) -> Shift:
        field_id = (await work.session.scalars(select(ServiceField.id).limit(1))).one()
        activity = Activity(
            organisation_id=home.id, field_id=field_id, state=ActivityState.PUBLISHED,
            title=f"河岸植树 {starts:%m%d%H%M}", description="一起种树。", address="岐江公园",
            latitude=RALLY[0], longitude=RALLY[1], confirmation=Confirmation.AUTOMATIC,
            created_by_id=self.cast.coordinators[0].person_id, created_at=self.now,
            published_at=self.now,
        )  # fmt: skip
        work.session.add(activity)
        await work.session.flush()
        shift = Shift(
            activity_id=activity.id, starts_at=starts, ends_at=starts + timedelta(hours=2),
            quota=quota, taken=taken,
        )  # fmt: skip
        work.session.add(shift)
        await work.session.flush()
        return shift

    async def _place(
        self, work: Work, shift: Shift, person_id: int, state: EnrolmentState
    ) -> Enrolment:
        one = Enrolment(shift_id=shift.id, person_id=person_id, state=state, queued_at=self.now)
        work.session.add(one)
        await work.session.flush()
        return one

    async def _call_out(self, home: Organisation) -> None:
        """It runs; some are on scene already, the others hold its alarm."""
        async with self.database.write() as session:
            chief = await session.get_one(Person, self.cast.chief.person_id)
            work = Work(session, self.now, POLICY, chief)
            said = Declaration(
                home.id, Emergency.TYPHOON, drill=False, latitude=RALLY[0], longitude=RALLY[1],
                address="岐江公园", needs=(Wanted(VOLUNTEERS - 1),), critical=True,
            )  # fmt: skip
            callout = await declaring.declare(work, said)
            await session.flush()
            await declaring.launch(work, callout.id, callout.word)
            self.cast.callout_id = callout.id
        async with self.database.write() as session:
            work = Work(session, self.now, POLICY)
            callout = await session.get_one(Callout, self.cast.callout_id)
            for one in self.cast.volunteers[:ON_SCENE]:
                response = await session.get_one(Response, (callout.id, one.person_id))
                await note_arrival(work, callout, response)
                self.cast.on_scene.append(one)
