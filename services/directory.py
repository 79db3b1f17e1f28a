"""The directory: finding people by what they are called and what they are, a page at a time.

It is asked of `Directory`, a narrow copy of everybody (`services.traits`). Whatever is looked for
is one scan of it in the order of keys, which stops once a page is full.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select, true

from models import (
    Directory,
    MarkKind,
    Organisation,
    Person,
    PersonSkill,
    Qualification,
    QualificationState,
    Skill,
    Standing,
    Telegram,
    Trait,
)
from models.people import TAIL, tail_hashes
from models.sealed import keyring
from services import access, audiences, finding, phones
from services.errors import Refusal
from services.listing import LAST_PAGE, PER_PAGE, Slice
from services.traits import STANDINGS, mark_bits
from services.work import Work

RIGHT = access.Right.SEE_VOLUNTEERS
LONGEST = 60
"""Characters that are looked for."""
COUNTED = 1000
"""So many more are counted beyond a page; nobody needs it exactly before acting on all of them."""
SHORT = 2
"""So few Latin letters only count at the beginning of a form, see `services.finding.score`."""
AT_ONCE = 500
"""Rows that are read at a time when all are wanted."""

Keys = tuple[Annotated[int, Field(ge=0, le=2**63 - 1)], ...]
Status = Literal["", "active", "paused", "approval", "guardian", "refused", "withdrawn"]
STATUSES: tuple[Status, ...] = (
    "active", "paused", "approval", "guardian", "refused", "withdrawn",
)  # fmt: skip
_STANDING = {
    "active": Standing.ACTIVE,
    "paused": Standing.ACTIVE,
    "approval": Standing.AWAITING_APPROVAL,
    "guardian": Standing.AWAITING_GUARDIAN,
    "refused": Standing.REFUSED,
    "withdrawn": Standing.WITHDRAWN,
}
_TELEGRAM = {"yes": Telegram.REACHABLE, "no": Telegram.NONE, "blocked": Telegram.BLOCKED}


class Wanted(BaseModel):
    """Whom every choice fits; one that is not made fits everybody."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    typed: Annotated[str, StringConstraints(max_length=LONGEST, strip_whitespace=True)] = ""
    """Parts of a name in characters or pinyin, a number, or a phone's last digits."""
    organisation: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    """With its subtree."""
    skills: Keys = ()
    """All are needed."""
    qualifications: Keys = ()
    """Kinds; all are needed, verified and valid today."""
    status: Status = ""
    telegram: Literal["", "yes", "no", "blocked"] = ""
    emergencies: Literal["", "yes", "no"] = ""
    marks: tuple[MarkKind, ...] = ()
    """All are needed."""

    def as_query(self) -> list[tuple[str, str]]:
        """As the address of the list has it."""
        pairs: list[tuple[str, str]] = []
        for name, value in self.model_dump(exclude_defaults=True).items():
            several = value if isinstance(value, tuple) else (value,)
            pairs += [(name, str(one)) for one in several]
        return pairs


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list."""

    id: int
    name: str
    number: str | None
    standing: Standing
    paused_until: date | None
    organisation: dict[str, str]
    telegram: int
    """A `models.Telegram`."""
    callable: bool
    minutes: int
    """Confirmed service."""
    applied_at: datetime
    registered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the list, and how many there are; `at_least` says that there are more."""

    slice: Slice[Row]
    total: int
    at_least: bool


# Looking


async def page(work: Work, wanted: Wanted, number: int = 1) -> Found:
    """Those whom the actor may see, who applied last first."""
    number = min(max(number, 1), LAST_PAGE)
    passed = (number - 1) * PER_PAGE
    keys = list(
        await work.session.scalars(
            (await matching(work, wanted))
            .order_by(Directory.person_id.desc())
            .offset(passed)
            .limit(PER_PAGE + COUNTED + 1)
        )
    )
    rows = await rows_of(work, keys[:PER_PAGE])
    at_least = len(keys) > PER_PAGE + COUNTED
    total = passed + len(keys) - (1 if at_least else 0)
    return Found(Slice(rows, number, len(keys) > PER_PAGE), total, at_least)


async def rows_of(work: Work, keys: Sequence[int]) -> list[Row]:
    """The lines of these people, in this order. Checks no rights."""
    found = await work.session.execute(
        select(
            Person.id,
            Person.name,
            Person.number,
            Person.standing,
            Person.paused_until,
            Organisation.names,
            Directory.telegram,
            Directory.callable,
            func.coalesce(Trait.minutes, 0),
            Person.applied_at,
            Person.registered_at,
        )
        .join(Organisation, Organisation.id == Person.organisation_id)
        .join(Directory, Directory.person_id == Person.id)
        .outerjoin(Trait, Trait.person_id == Person.id)
        .where(Person.id.in_(keys))
    )
    by_key = {row[0]: Row(*row) for row in found}
    return [by_key[key] for key in keys if key in by_key]


async def every(work: Work, wanted: Wanted, people: Sequence[int] = ()) -> AsyncIterator[list[Row]]:
    """All whom it fits, or those of them who are named, in portions; for what is written out."""
    condition = Directory.person_id.in_(people) if people else true()
    statement = (await matching(work, wanted)).where(condition).order_by(Directory.person_id)
    last = -1
    while True:
        portion = statement.where(Directory.person_id > last).limit(AT_ONCE)
        keys = list(await work.session.scalars(portion))
        if not keys:
            return
        yield await rows_of(work, keys)
        last = keys[-1]


async def matching(work: Work, wanted: Wanted, right: access.Right = RIGHT) -> Select[int]:
    """Keys of all whom it fits and over whom the actor holds the right; a query of `Directory`."""
    conditions = [
        await _within(work, wanted.organisation, right),
        *_described(wanted),
        *_holds(work, wanted),
        *(_called(work, wanted.typed)),
    ]
    return select(Directory.person_id).where(*conditions)


async def _within(
    work: Work, organisation_id: int | None, right: access.Right
) -> ColumnElement[bool]:
    """In the subtree that is asked for, as far as the actor reaches; true where that is all."""
    tops = await access.organisations_with(work, right)
    below = select(Organisation.id).where(
        or_(false(), *(Organisation.path.startswith(top.path, autoescape=True) for top in tops))
    )
    everywhere = any(top.parent_id is None for top in tops)
    if organisation_id is not None:
        path = await work.session.scalar(
            select(Organisation.path).where(Organisation.id == organisation_id)
        )
        below = below.where(Organisation.path.startswith(path or "-", autoescape=True))
        everywhere = everywhere and path is not None and path.count(".") == 1
    if everywhere:
        return true()
    return Directory.organisation_id.in_(below)


def _described(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.status:
        found.append(Directory.standing == STANDINGS.index(_STANDING[wanted.status]))
    if wanted.telegram:
        found.append(Directory.telegram == int(_TELEGRAM[wanted.telegram]))
    if wanted.emergencies:
        found.append(Directory.callable.is_(wanted.emergencies == "yes"))
    if wanted.marks:
        bits = mark_bits(wanted.marks)
        found.append(Directory.marks.bitwise_and(bits) == bits)
    return found


def _holds(work: Work, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.status == "paused":
        found.append(and_(Directory.paused_until.is_not(None), Directory.paused_until > work.today))
    if wanted.skills:
        found.append(audiences.has_all(Directory.skills, wanted.skills))
    if wanted.qualifications:
        found.append(audiences.has_all(Directory.qualifications, wanted.qualifications))
    for key in wanted.skills:
        skilled = exists().where(
            PersonSkill.person_id == Directory.person_id, PersonSkill.skill_id == key
        )
        found.append(audiences.surely_any(Skill, (key,), skilled))
    for key in wanted.qualifications:
        found.append(
            exists().where(
                Qualification.person_id == Directory.person_id,
                Qualification.kind_id == key,
                Qualification.state == QualificationState.VERIFIED,
                or_(Qualification.expires_on.is_(None), Qualification.expires_on >= work.today),
            )
        )
    return found


# By what was typed


def _called(work: Work, typed: str) -> list[ColumnElement[bool]]:
    """It is in the name or the number, or every word of it; or it is somebody's phone number."""
    words = [word for word in map(finding.folded, typed.split()) if word]
    if not words:
        return [Directory.person_id < 0] if typed else []
    whole = "".join(words)
    ways = [_mentions(whole)]
    if len(words) > 1:
        ways.append(and_(*map(_mentions, words)))
    if (phone := _phone(work, typed, whole)) is not None:
        ways.append(Directory.person_id.in_(select(Person.id).where(phone)))
    return [or_(*ways)]


def _mentions(word: str) -> ColumnElement[bool]:
    """Nothing in a folded word means anything to LIKE."""
    if word.isascii() and len(word) <= SHORT:
        return Directory.search.contains(" " + word)
    return Directory.search.contains(word)


def _phone(work: Work, typed: str, whole: str) -> ColumnElement[bool] | None:
    """The condition on a phone number: its last four digits, or all of it.

    Nothing between, or who has the last four would find out the others one by one.
    """
    if whole.isascii() and whole.isdigit() and len(whole) == TAIL:
        return Person.phone_tail_hash.in_(tail_hashes(whole))
    try:
        number = phones.e164(typed, work.policy.country)
    except Refusal:
        return None
    return Person.phone_hash.in_(keyring().fingerprints(number))


# For a form that lets people choose


async def organisations(work: Work) -> list[Organisation]:
    """Those whose volunteers the actor sees, each above those below it."""
    return await access.subtrees_with(work, RIGHT)


async def visible(work: Work, right: access.Right = RIGHT) -> Any:
    """The condition that a person is one over whom the actor holds the right."""
    reach = await access.within_reach(work, right, Person.organisation_id)
    return and_(Person.standing != Standing.ERASED, reach)
