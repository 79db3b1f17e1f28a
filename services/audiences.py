"""Audiences: whom a coordinator means, as a description that counts, lists and can be kept.

The same description serves recruitment, newsletters and statistics. It is asked of `Trait` alone, a
narrow copy of what describes the active volunteers (`services.traits`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from models import (
    Group,
    MarkKind,
    OptOut,
    Organisation,
    Person,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Qualification,
    QualificationKind,
    QualificationState,
    Role,
    SavedAudience,
    ServiceField,
    Skill,
    SpokenLanguage,
    Trait,
)
from services import access, geo, organisations, terms
from services.errors import Gone, Refusal
from services.traits import BITS, KINDS, mark_bits, mask
from services.work import Work

SAMPLE = 10
NAME_LENGTH = 64
USUAL_RADIUS, METRES = 20_000, 1000
"""Metres; those of a kilometre."""
OLDEST, LONGEST_AGO, FARTHEST = 120, 3650, 200
"""Years, days and kilometres that can be asked for at most."""
EXPERIENCES = ("enrolled", "attended", "never")
PACKED = 1 << 31
"""Counts of people are smaller, so two of them fit in one sum."""
SPREAD, PRIME = 48_271, 2_147_483_647
"""Scatter keys so that a sample is no run of neighbours, yet stays the same (MINSTD)."""

Keys = tuple[int, ...]


class Near(BaseModel):
    """A disk on the ground."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    metres: Annotated[float, Field(gt=0)]


class Audience(BaseModel):
    """Active volunteers whom every choice fits; a choice that is not made fits everybody.

    Kept as `model_dump(mode="json")`, read again with `model_validate`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    organisations: Keys = ()
    """With their subtrees; none: all in which the acting coordinator may announce."""
    near: Near | None = None
    skills: Keys = ()
    skills_all: bool = False
    """All of the skills are needed, not just any."""
    qualifications: Keys = ()
    """Kinds; all are needed, verified and valid today."""
    interests: Keys = ()
    """Fields of which any will do, or the one above or one below it."""
    age_from: Annotated[int | None, Field(ge=0, le=150)] = None
    age_to: Annotated[int | None, Field(ge=0, le=150)] = None
    languages: Keys = ()
    """Spoken; any will do."""
    written: str | None = None
    """The language in which they read the bot."""
    active_within_days: Annotated[int | None, Field(ge=0, le=36_500)] = None
    stars_from: Annotated[int | None, Field(ge=0)] = None
    marks: tuple[MarkKind, ...] = ()
    """Any will do."""
    experience: Literal["enrolled", "attended", "never"] | None = None
    """Has ever had a place, has ever been there, or has never asked for a place."""
    people: Keys = ()
    """Only these, picked one by one; none: all whom the other choices fit."""
    groups: Keys = ()
    """Registered Telegram groups that get it too."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many it holds. `total` is `reachable` and all who can't be reached, by reason."""

    total: int
    reachable: int
    no_telegram: int = 0
    blocked: int = 0
    """They have stopped the bot, or their account is gone."""
    paused: int = 0
    opted_out: int = 0
    """Of the kind of message that was asked about."""

    @property
    def unreachable(self) -> dict[str, int]:
        """The reasons that there are, the most frequent first."""
        reasons = {
            "no_telegram": self.no_telegram,
            "blocked": self.blocked,
            "paused": self.paused,
            "opted_out": self.opted_out,
        }
        return dict(sorted(((why, n) for why, n in reasons.items() if n), key=lambda p: -p[1]))


@dataclass(frozen=True, slots=True)
class Sampled:
    """Somebody in an audience; `why_not` is no_telegram, blocked, paused or opted_out."""

    person_id: int
    name: str
    organisation: dict[str, str]
    why_not: str | None


# Rights


async def settled(work: Work, audience: Audience) -> Audience:
    """The audience with its organisations named, so that it means the same without an actor.

    Raises NotAllowed for organisations or groups in which the actor may not announce,
    Refusal("audience_ages").
    """
    check_ages(audience.age_from, audience.age_to)
    tops = await access.organisations_with(work, access.Right.ANNOUNCE)
    for organisation_id in audience.organisations:
        await access.require(work, access.Right.ANNOUNCE, organisation_id)
    for group in await groups(work, audience):
        await access.require(work, access.Right.ANNOUNCE, group.organisation_id or 0)
    if audience.organisations or not tops:
        return audience
    return audience.model_copy(update={"organisations": tuple(top.id for top in tops)})


def check_ages(age_from: int | None, age_to: int | None) -> None:
    """Raises Refusal("audience_ages") where the older bound is under the younger one."""
    if age_from is not None and age_to is not None and age_from > age_to:
        raise Refusal("audience_ages")


def reachable(work: Work, kind: str) -> ColumnElement[bool]:
    """Whether a member can be told something of this kind now."""
    return and_(Trait.reachable, not_(paused(work)), not_(refuses(kind)))


async def own_groups(work: Work) -> list[Group]:
    """The groups of all organisations in which the actor may announce."""
    reach = await access.within_reach(work, access.Right.ANNOUNCE, Group.organisation_id)
    found = select(Group).where(Group.left_at.is_(None), reach).order_by(Group.title, Group.id)
    return list(await work.session.scalars(found))


async def groups(work: Work, audience: Audience) -> list[Group]:
    """Those of its groups that the bot is still in."""
    if not audience.groups:
        return []
    found = select(Group).where(
        Group.id.in_(audience.groups), Group.left_at.is_(None), Group.organisation_id.is_not(None)
    )
    return list(await work.session.scalars(found.order_by(Group.id)))


async def described(work: Work, audience: Audience) -> dict[str, Any]:
    """What `audience/_described` reads out: the choices with their names."""
    session = work.session
    return {
        "audience": audience,
        "organisations": await organisations.by_keys(session, audience.organisations),
        "skills": await terms.by_keys(session, Skill, list(audience.skills)),
        "qualifications": await terms.by_keys(
            session, QualificationKind, list(audience.qualifications)
        ),
        "interests": await terms.by_keys(session, ServiceField, list(audience.interests)),
        "languages": await terms.by_keys(session, SpokenLanguage, list(audience.languages)),
        "groups": [group.title for group in await groups(work, audience)],
    }


# Asking


def members(work: Work, audience: Audience) -> Select[int]:
    """Keys of all whom it fits, to be narrowed by the caller; a query over `Trait`.

    Checks no rights: give it a settled audience. One that names no organisation holds those of the
    actor, and without an actor nobody.
    """
    return select(Trait.person_id).where(_fits(work, audience))


async def count(work: Work, audience: Audience, kind: str | None = None) -> Count:
    """`kind` is the kind of message that people may have opted out of. Raises NotAllowed."""
    return await counted(work, await settled(work, audience), kind)


async def counted(work: Work, audience: Audience, kind: str | None = None) -> Count:
    """As `count`, of a settled audience: checks no rights."""
    fitting = members(work, audience)
    total, unreached, unwilling = (
        await work.session.execute(
            fitting.with_only_columns(
                func.count(),
                _how_many((~Trait.reachable & ~Trait.blocked, 1), (Trait.blocked, PACKED)),
                _how_many(
                    (~Trait.reachable, 0),
                    (paused(work), 1),
                    (refuses(kind), PACKED),
                ),
            )
        )
    ).one()
    blocked, no_telegram = divmod(int(unreached), PACKED)
    opted_out, resting = divmod(int(unwilling), PACKED)
    reachable = total - no_telegram - blocked - resting - opted_out
    return Count(total, reachable, no_telegram, blocked, resting, opted_out)


async def sample(
    work: Work, audience: Audience, size: int = SAMPLE, kind: str | None = None
) -> list[Sampled]:
    """Some of them, scattered, and the same ones when asked again. Raises NotAllowed."""
    some = (
        members(work, await settled(work, audience))
        .order_by(Trait.person_id * SPREAD % PRIME)
        .limit(size)
        .subquery()
    )
    why_not = case(
        (Trait.blocked, "blocked"),
        (~Trait.reachable, "no_telegram"),
        (paused(work), "paused"),
        (refuses(kind), "opted_out"),
        else_=None,
    )
    rows = await work.session.execute(
        select(Person.id, Person.name, Organisation.names, why_not)
        .join(some, some.c.person_id == Person.id)
        .join(Trait, Trait.person_id == Person.id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .order_by(Person.name, Person.id)
    )
    return [Sampled(*row) for row in rows]


def _how_many(*reasons: tuple[ColumnElement[bool] | InstrumentedAttribute[bool], int]) -> Any:
    """The sum of the first reasons that hold; two numbers are packed in one, and few have any."""
    fine = Trait.reachable & Trait.paused_until.is_(None) & (Trait.refuses == 0)
    return func.coalesce(func.sum(case((fine, literal(0, BigInteger)), *reasons, else_=0)), 0)


# The conditions, each on `Trait`


def _fits(work: Work, audience: Audience) -> ColumnElement[bool]:
    """Those that fit the fewest first: SQLite tests them in this order."""
    conditions = [
        _in_organisations(work, audience.organisations),
        *([Trait.person_id.in_(audience.people)] if audience.people else []),
        *([marked(audience.marks)] if audience.marks else []),
        *_holds_terms(work, audience),
        *_has_served(work, audience),
    ]
    if audience.near is not None:
        place = audience.near
        conditions.append(near(place.latitude, place.longitude, place.metres))
    return and_(true(), *conditions, *_in_time(work, audience))


def _has_served(work: Work, audience: Audience) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if audience.stars_from:
        found.append(_has_stars(work, audience.stars_from))
    if audience.written is not None:
        found.append(Trait.language == audience.written)
    if audience.experience == "enrolled":
        found.append(Trait.enrolled > 0)
    elif audience.experience == "attended":
        found.append(Trait.attended > 0)
    elif audience.experience == "never":
        found += [Trait.enrolled == 0, Trait.attended == 0]
    return found


def _in_time(work: Work, audience: Audience) -> list[ColumnElement[bool]]:
    """Days are text on SQLite, and the dearest to compare."""
    found: list[ColumnElement[bool]] = []
    if audience.active_within_days is not None:
        found.append(Trait.active_on >= work.today - timedelta(days=audience.active_within_days))
    if audience.age_to is not None:
        found.append(Trait.born > years_before(work.today, audience.age_to + 1))
    if audience.age_from is not None:
        found.append(Trait.born <= years_before(work.today, audience.age_from))
    return found


def _has_stars(work: Work, stars: int) -> ColumnElement[bool]:
    thresholds = sorted(work.policy.star_hours)
    if stars > len(thresholds):
        return false()
    return Trait.minutes >= thresholds[stars - 1] * 60


def _in_organisations(work: Work, keys: Keys) -> ColumnElement[bool]:
    """In one of the subtrees. Nobody need be looked up if one of them is the whole city."""
    if not keys and work.actor is None:
        return false()
    tops = select(Role.organisation_id).where(
        Role.person_id == (work.actor.id if work.actor else 0),
        Role.kind.in_(access.roles_with(access.Right.ANNOUNCE)),
    )
    top = aliased(Organisation)
    chosen = top.id.in_(keys or tops)
    whole_city = select(func.count()).where(chosen, top.parent_id.is_(None)).scalar_subquery()
    below = select(Organisation.id).join(top, Organisation.path.like(top.path + literal("%")))
    return or_(whole_city > 0, Trait.organisation_id.in_(below.where(chosen)))


def _holds_terms(work: Work, audience: Audience) -> list[ColumnElement[bool]]:
    found = []
    if audience.skills and audience.skills_all:
        found.append(has_all(Trait.skills, audience.skills))
        found += [_surely(Skill, key, _skilled((key,))) for key in audience.skills]
    elif audience.skills:
        found.append(has_any(Trait.skills, audience.skills))
        found.append(surely_any(Skill, audience.skills, _skilled(audience.skills)))
    if audience.qualifications:
        found.append(has_all(Trait.qualifications, audience.qualifications))
        found += [_qualified(work, key) for key in audience.qualifications]
    if audience.languages:
        spoken = exists().where(
            PersonLanguage.person_id == Trait.person_id,
            PersonLanguage.spoken_language_id.in_(audience.languages),
        )
        found.append(has_any(Trait.spoken, audience.languages))
        found.append(surely_any(SpokenLanguage, audience.languages, spoken))
    if audience.interests:
        found.append(interested(audience.interests))
    return found


def _skilled(keys: Keys) -> ColumnElement[bool]:
    return exists().where(PersonSkill.person_id == Trait.person_id, PersonSkill.skill_id.in_(keys))


def _qualified(work: Work, kind_id: int) -> ColumnElement[bool]:
    """Verified, and valid today."""
    return exists().where(
        Qualification.person_id == Trait.person_id,
        Qualification.kind_id == kind_id,
        Qualification.state == QualificationState.VERIFIED,
        or_(Qualification.expires_on.is_(None), Qualification.expires_on >= work.today),
    )


def interested(keys: Keys) -> ColumnElement[bool]:
    """Named one of these fields, or one right above or below."""
    named = exists().where(
        PersonInterest.person_id == Trait.person_id,
        PersonInterest.field_id.in_(_related_fields(keys)),
    )
    exactly = surely_any(ServiceField, keys, named)
    return and_(has_any(Trait.interests, keys), exactly)


def _related_fields(keys: Keys) -> Select[int]:
    """Fields that are meant along with these: those below them and the ones above."""
    above = select(ServiceField.parent_id).where(
        ServiceField.id.in_(keys), ServiceField.parent_id.is_not(None)
    )
    return select(ServiceField.id).where(
        or_(ServiceField.id.in_(keys), ServiceField.parent_id.in_(keys), ServiceField.id.in_(above))
    )


def _surely(term: Any, key: int, exact: ColumnElement[bool]) -> ColumnElement[bool]:
    return surely_any(term, (key,), exact)


def surely_any(term: Any, keys: Keys, exact: ColumnElement[bool]) -> ColumnElement[bool]:
    """`exact`, which costs a look-up, only where another term shares a bit with one of these."""
    bits = {key % BITS for key in keys}
    others = select(func.count()).where((term.id % BITS).in_(bits), term.id.not_in(keys))
    return or_(others.scalar_subquery() == 0, exact)


def has_all(column: Any, keys: Keys) -> ColumnElement[bool]:
    wanted = mask(keys)
    return column.bitwise_and(wanted) == wanted  # type: ignore[no-any-return]


def has_any(column: Any, keys: Keys) -> ColumnElement[bool]:
    return column.bitwise_and(mask(keys)) != 0  # type: ignore[no-any-return]


def marked(kinds: Iterable[MarkKind]) -> ColumnElement[bool]:
    """Bears one of these marks."""
    return Trait.marks.bitwise_and(mark_bits(kinds)) != 0


def refuses(kind: str | None) -> ColumnElement[bool]:
    """Opted out of this kind of message."""
    if kind not in KINDS:
        return exists().where(OptOut.person_id == Trait.person_id, OptOut.kind == (kind or ""))
    return Trait.refuses.bitwise_and(1 << KINDS.index(kind)) != 0


def paused(work: Work) -> ColumnElement[bool]:
    return and_(Trait.paused_until.is_not(None), Trait.paused_until > work.today)


def near(latitude: float, longitude: float, metres: float) -> ColumnElement[bool]:
    """Within the distance; who gave no place counts as at home in their organisation's town."""
    box = geo.box_around(latitude, longitude, metres)
    inside = and_(
        Trait.latitude.between(box.south, box.north),
        Trait.longitude.between(box.west, box.east),
        squared_distance(Trait, latitude, longitude) <= metres**2,
    )
    home = select(Organisation.id).where(
        Organisation.latitude.between(box.south, box.north),
        Organisation.longitude.between(box.west, box.east),
    )
    return or_(inside, and_(Trait.latitude.is_(None), Trait.organisation_id.in_(home)))


def squared_distance(where: Any, latitude: float, longitude: float) -> ColumnElement[float]:
    """Square metres on the plane at the place: under 0.1% off at 20 km."""
    north = (where.latitude - latitude) * geo.METRES_PER_DEGREE
    east = (where.longitude - longitude) * geo.metres_per_degree_east(latitude)
    return north * north + east * east  # type: ignore[no-any-return]


def years_before(day: date, years: int) -> date:
    """The latest birth date of somebody who is that old on the day."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


# Keeping them


async def save(work: Work, organisation_id: int, name: str, audience: Audience) -> SavedAudience:
    """Under the name, in place of what had it. Raises NotAllowed or Refusal("audience_name")."""
    await access.require(work, access.Right.ANNOUNCE, organisation_id)
    audience = await settled(work, audience)
    name = _checked_name(name)
    kept = await _named(work, organisation_id, name)
    if kept is None:
        kept = SavedAudience(organisation_id=organisation_id, name=name)
        work.session.add(kept)
    kept.audience = audience.model_dump(mode="json")
    kept.created_by_id = work.person.id
    kept.created_at = work.now
    await work.session.flush()
    return kept


async def rename(work: Work, saved_id: int, name: str) -> None:
    """Raises Gone, NotAllowed, Refusal("audience_name") or ("audience_name_taken")."""
    kept, _ = await saved_one(work, saved_id)
    name = _checked_name(name)
    other = await _named(work, kept.organisation_id, name)
    if other is not None and other.id != kept.id:
        raise Refusal("audience_name_taken", name=name)
    kept.name = name
    await work.session.flush()


async def redescribe(work: Work, saved_id: int, audience: Audience) -> None:
    """Another audience under the same name. Raises Gone, NotAllowed, Refusal."""
    kept, _ = await saved_one(work, saved_id)
    kept.audience = (await settled(work, audience)).model_dump(mode="json")


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH:
        raise Refusal("audience_name", most=NAME_LENGTH)
    return name


async def _named(work: Work, organisation_id: int, name: str) -> SavedAudience | None:
    return await work.session.scalar(
        select(SavedAudience).where(
            SavedAudience.organisation_id == organisation_id, SavedAudience.name == name
        )
    )


async def saved(work: Work) -> list[SavedAudience]:
    """Those of all organisations in which the actor may announce."""
    reach = await access.within_reach(work, access.Right.ANNOUNCE, SavedAudience.organisation_id)
    found = select(SavedAudience).where(reach).order_by(SavedAudience.name, SavedAudience.id)
    return list(await work.session.scalars(found))


async def saved_one(work: Work, saved_id: int) -> tuple[SavedAudience, Audience]:
    """Raises Gone or NotAllowed."""
    kept = await work.session.get(SavedAudience, saved_id)
    if kept is None:
        raise Gone
    await access.require(work, access.Right.ANNOUNCE, kept.organisation_id)
    return kept, Audience.model_validate(kept.audience)


async def forget(work: Work, saved_id: int) -> None:
    """Raises Gone or NotAllowed."""
    kept, _ = await saved_one(work, saved_id)
    await work.session.execute(delete(SavedAudience).where(SavedAudience.id == kept.id))
