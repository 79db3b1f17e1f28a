"""Stars for activities: of volunteers after each shift, of recipients by a link.

Only sums are told. A source's stars and words of an activity are shown once `LEAST` of them are
there, so that nobody is recognised; words come without names and in no order.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from models import (
    Activity,
    ActivityState,
    Attendance,
    Enrolment,
    RatedBy,
    Rating,
    Shift,
)
from models.sealed import keyring
from services import access, lengths
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice, of
from services.measuring import Measure
from services.work import Work

LEAST = 3
"""Ratings of a source that an activity must have before anybody sees their sum."""
DRAWN = 5
"""Ratings from which on it is shown how many gave which stars."""
STARS = range(1, 6)
WORDS = (2, 500)
"""Characters of what one adds to the stars."""
WORDS_SHOWN = 100
SIGNATURE = 20
"""Characters of a code's signature: 120 bits."""


@dataclass(frozen=True, slots=True)
class Sum:
    """The stars of one source; without a mean while they are too few to be told."""

    count: int
    mean: float | None
    spread: tuple[int, ...] = ()
    """How many gave 1, 2 ... 5 stars; empty while too few."""

    @property
    def bars(self) -> tuple[int, ...]:
        """The spread where it is enough to be drawn without telling who gave what."""
        return self.spread if self.count >= DRAWN else ()


@dataclass(frozen=True, slots=True)
class Figures:
    volunteers: Sum
    recipients: Sum


@dataclass(frozen=True, slots=True)
class Given:
    """The actor's own rating, with what it was for."""

    rating: Rating
    attendance: Attendance
    shift: Shift
    activity: Activity


@dataclass(frozen=True, slots=True)
class Said:
    """An activity's ratings as its coordinators see them; words in no order."""

    activity: Activity
    figures: Figures
    by_volunteers: list[str]
    by_recipients: list[str]
    shifts: list[Shift]
    """Those that have begun."""
    opens: bool
    """Whether recipients can rate it now."""


# Volunteers


async def rate(work: Work, attendance_id: int, stars: int) -> Given:
    """The actor's stars for a shift at which they were; a second press changes them.

    Raises Gone, Refusal("rating_late") when it is long over.
    """
    if stars not in STARS:
        raise Gone
    own = await _own(work, attendance_id)
    if own.shift.ends_at < work.now - timedelta(days=work.policy.rating_days):
        raise Refusal("rating_late", days=work.policy.rating_days)
    await _keep(
        work,
        {
            "activity_id": own.activity.id,
            "rated_by": RatedBy.VOLUNTEER,
            "enrolment_id": own.attendance.enrolment_id,
            "stars": stars,
            "at": work.now,
        },
        [Rating.enrolment_id],
        ["stars"],
    )
    return await given(work, attendance_id)


async def given(work: Work, attendance_id: int) -> Given:
    """What the actor has given. Raises Gone."""
    own = await _own(work, attendance_id)
    found = await work.session.scalar(
        select(Rating)
        .where(Rating.enrolment_id == own.attendance.enrolment_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise Gone
    return Given(found, own.attendance, own.shift, own.activity)


async def add_words(work: Work, attendance_id: int, words: str) -> Given:
    """Words to the actor's own stars, in place of earlier ones. Raises Gone, Refusal."""
    lengths.check("rating", words, WORDS)
    found = await given(work, attendance_id)
    found.rating.words = words
    await work.session.flush()
    return found


@dataclass(frozen=True, slots=True)
class _Own:
    attendance: Attendance
    shift: Shift
    activity: Activity


async def _own(work: Work, attendance_id: int) -> _Own:
    row = (
        await work.session.execute(
            select(Attendance, Shift, Activity)
            .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
            .join(Shift, Shift.id == Enrolment.shift_id)
            .join(Activity, Activity.id == Shift.activity_id)
            .where(Attendance.id == attendance_id, Enrolment.person_id == work.person.id)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    return _Own(*row)


def is_to_be_asked() -> ColumnElement[bool]:
    """The condition on `Enrolment` that its volunteer has not rated the shift yet."""
    return ~exists().where(Rating.enrolment_id == Enrolment.id).correlate(Enrolment)


async def _keep(work: Work, values: dict[str, Any], key: Sequence[Any], again: list[str]) -> None:
    """Writes a rating; where there is one already, `again` names what the new one changes."""
    on_postgresql = work.session.get_bind().dialect.name == "postgresql"
    make: Any = postgresql.insert if on_postgresql else sqlite.insert
    insert = make(Rating).values(**values)
    await work.session.execute(
        insert.on_conflict_do_update(
            index_elements=list(key), set_={name: insert.excluded[name] for name in again}
        )
    )


# Recipients


def code(activity_id: int) -> str:
    """What stands at the end of the link: nobody can guess it."""
    return f"{activity_id}-{keyring().sign(f'rate:{activity_id}', SIGNATURE)}"


def new_visitor() -> str:
    """What a browser is known by."""
    return secrets.token_urlsafe(24)


async def by_code(work: Work, given: str) -> tuple[Activity, Shift]:
    """The activity of a link, and its last shift. Raises Gone, also where it has never begun.

    Raises Refusal("rating_closed") when it is called off or long over.
    """
    key, _, signature = given.partition("-")
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        raise Gone
    if not keyring().has_signed(f"rate:{int(key)}", SIGNATURE, signature):
        raise Gone
    activity = await work.session.get(Activity, int(key))
    shifts = await _shifts(work, int(key))
    if activity is None or not shifts:
        raise Gone
    if not _is_open(work, activity, shifts):
        raise Refusal("rating_closed", title=activity.title)
    return activity, shifts[-1]


def _is_open(work: Work, activity: Activity, shifts: Sequence[Shift]) -> bool:
    """From the first shift's start until so many days after the last one's end."""
    until = timedelta(days=work.policy.recipient_rating_days)
    held = activity.state in (ActivityState.PUBLISHED, ActivityState.CLOSED)
    begun = bool(shifts) and shifts[0].starts_at <= work.now
    return held and begun and work.now <= max(one.ends_at for one in shifts) + until


async def _shifts(work: Work, activity_id: int) -> list[Shift]:
    found = select(Shift).where(Shift.activity_id == activity_id)
    return list(await work.session.scalars(found.order_by(Shift.starts_at, Shift.id)))


async def of_visitor(work: Work, activity_id: int, visitor: str) -> Rating | None:
    """What somebody has given from this browser."""
    return await work.session.scalar(
        select(Rating).where(Rating.activity_id == activity_id, Rating.visitor == _hash(visitor))
    )


async def rate_as_recipient(
    work: Work, given: str, visitor: str, stars: int, words: str
) -> Activity:
    """A recipient's stars; of one browser only the first count. Raises Gone, Refusal."""
    activity, _ = await by_code(work, given)
    if stars not in STARS:
        raise Refusal("rating_stars")
    if words:
        lengths.check("rating", words, WORDS)
    if await of_visitor(work, activity.id, visitor) is None:
        await _keep(
            work,
            {
                "activity_id": activity.id,
                "rated_by": RatedBy.RECIPIENT,
                "visitor": _hash(visitor),
                "stars": stars,
                "words": words or None,
                "at": work.now,
            },
            [Rating.activity_id, Rating.visitor],
            ["visitor"],
        )
    return activity


def _hash(visitor: str) -> str:
    return keyring().lasting(f"rater:{visitor}")


# What is told of them


async def figures(work: Work, activity_ids: Sequence[int]) -> dict[int, Figures]:
    """For whoever may see them: of each activity, what volunteers and recipients gave."""
    rows = await work.session.execute(
        select(Rating.activity_id, Rating.rated_by, Rating.stars, func.count())
        .where(Rating.activity_id.in_(activity_ids))
        .group_by(Rating.activity_id, Rating.rated_by, Rating.stars)
    )
    spreads: dict[tuple[int, RatedBy], list[int]] = {}
    for activity_id, by, stars, count in rows:
        spreads.setdefault((activity_id, by), [0] * len(STARS))[stars - 1] += count
    return {
        key: Figures(
            _sum(spreads.get((key, RatedBy.VOLUNTEER), [])),
            _sum(spreads.get((key, RatedBy.RECIPIENT), [])),
        )
        for key in activity_ids
    }


def together(many: Sequence[Figures]) -> Figures:
    """Of several activities, a project's for instance: only what each of them may tell alone."""
    return Figures(
        _total([one.volunteers for one in many]), _total([one.recipients for one in many])
    )


def _sum(spread: Sequence[int]) -> Sum:
    count = sum(spread)
    if count < LEAST:
        return Sum(count, None)
    points = sum(stars * number for stars, number in zip(STARS, spread, strict=True))
    return Sum(count, points / count, tuple(spread))


def _total(sums: Sequence[Sum]) -> Sum:
    told = [one.spread for one in sums if one.mean is not None]
    return _sum([sum(numbers) for numbers in zip(*told, strict=True)])


async def said(work: Work, activity_id: int) -> Said:
    """An activity's sums and words, for those who lead it. Raises Gone, NotAllowed."""
    activity = await _led(work, activity_id)
    found = (await figures(work, [activity_id]))[activity_id]
    shifts = await _shifts(work, activity_id)
    return Said(
        activity,
        found,
        await _words(work, activity_id, RatedBy.VOLUNTEER, found.volunteers),
        await _words(work, activity_id, RatedBy.RECIPIENT, found.recipients),
        [one for one in shifts if one.starts_at <= work.now],
        _is_open(work, activity, shifts),
    )


async def _led(work: Work, activity_id: int) -> Activity:
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    if not await access.may(work, access.Right.TAKE_ROLL, activity.organisation_id):
        raise NotAllowed
    return activity


async def _words(work: Work, activity_id: int, by: RatedBy, found: Sum) -> list[str]:
    """Without names and in no order: the same one until another is added."""
    if found.mean is None:
        return []
    rows = await work.session.scalars(
        select(Rating.words)
        .where(Rating.activity_id == activity_id, Rating.rated_by == by, Rating.words.is_not(None))
        .order_by(Rating.id.desc())
        .limit(WORDS_SHOWN)
    )
    words = sorted(one for one in rows if one)
    Random(f"{activity_id}:{by}:{len(words)}").shuffle(words)  # noqa: S311 - only an order
    return words


async def link_key(work: Work, activity_id: int) -> tuple[Activity, str, list[Shift]]:
    """The code that an activity's coordinators give to recipients. Raises Gone, NotAllowed."""
    activity = await _led(work, activity_id)
    return activity, code(activity_id), await _shifts(work, activity_id)


async def led(work: Work, number: int, per_page: int) -> Slice[tuple[Activity, Figures]]:
    """Activities that have begun, of those that the actor leads, the latest first."""
    reach = await access.within_reach(work, access.Right.TAKE_ROLL, Activity.organisation_id)
    began = select(func.min(Shift.starts_at)).where(Shift.activity_id == Activity.id)
    starts = began.correlate(Activity).scalar_subquery()
    found = (
        select(Activity)
        .where(
            reach,
            Activity.state.in_((ActivityState.PUBLISHED, ActivityState.CLOSED)),
            starts <= work.now,
        )
        .order_by(starts.desc(), Activity.id.desc())
    )
    page = await of(work, found, number, per_page=per_page)
    activities = [row[0] for row in page.rows]
    sums = await figures(work, [one.id for one in activities])
    return Slice([(one, sums[one.id]) for one in activities], page.number, page.more)


# In the statistics


def _told() -> Any:
    """What is enough to be told of: activity and source."""
    return (
        select(Rating.activity_id, Rating.rated_by)
        .group_by(Rating.activity_id, Rating.rated_by)
        .having(func.count() >= LEAST)
    )


def _rows(number: Any, *conditions: Any) -> Select[Any]:
    return (
        select(Activity.organisation_id, Rating.at, number)
        .join(Activity, Activity.id == Rating.activity_id)
        .where(*conditions)
    )


def _of_told(number: Any) -> Select[Any]:
    return _rows(number, tuple_(Rating.activity_id, Rating.rated_by).in_(_told()))


TOPIC = "feedback"
POINTS, COUNTED = "rating_points", "ratings_told"
"""Sums for means: never listed, since few of them would tell who gave what."""
MEASURES = (
    Measure(
        "ratings_volunteers", TOPIC,
        lambda: _rows(literal(1), Rating.rated_by == RatedBy.VOLUNTEER),
    ),
    Measure(
        "ratings_recipients", TOPIC,
        lambda: _rows(literal(1), Rating.rated_by == RatedBy.RECIPIENT),
    ),
    Measure(POINTS, TOPIC, lambda: _of_told(Rating.stars), listed=False),
    Measure(COUNTED, TOPIC, lambda: _of_told(literal(1)), listed=False),
)  # fmt: skip


# What is held of somebody


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    own = select(Enrolment.id).where(Enrolment.person_id == person_id)
    return {"ratings_given": select(Rating).where(Rating.enrolment_id.in_(own))}


async def forget_person(work: Work, person_id: int) -> None:
    """The stars stay in the sums; the words go."""
    own = select(Enrolment.id).where(Enrolment.person_id == person_id)
    await work.session.execute(
        update(Rating)
        .where(Rating.enrolment_id.in_(own))
        .values(words=None)
        .execution_options(synchronize_session=False)
    )
