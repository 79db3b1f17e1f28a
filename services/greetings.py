"""Thanks by the calendar: on a birthday, on the day of registration, and for the year.

Each is one statement by an index, written once: a message that is there is the mark that the
day, or a portion of its anniversaries or of the year's reviews, has been seen to. Whoever was not
told on the day is not told later: a birthday that has passed is none.
"""

from calendar import isleap
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select

from models import Account, Lane, LedgerEntry, Message, Person, Trait
from services import delivery
from services.delivery import Post
from services.traits import KINDS
from services.work import Work

KIND = "greeting"
OLDEST = 120
YEARS = 60
"""Of registration that are looked back on; nobody's is older."""
AT_ONCE = 10_000
"""Keys of people in a portion of a day's anniversaries, or of the year's offers."""
JANUARY, DECEMBER = 1, 12


def _is_time(work: Work) -> bool:
    """From the morning on, as long as messages may be sent on that day."""
    local = work.now.astimezone(work.policy.zone).time()
    return work.policy.greeting_at <= local < work.policy.quiet_from


async def look(work: Work) -> list[str] | None:
    """What is due today, asked in a transaction that nobody waits for."""
    if not _is_time(work):
        return None
    day = work.today.isoformat()
    anniversaries = [f"anniversary:{day}:{one}" for one in await _portions(work)]
    return [
        *await _unwritten(work, [f"birthday:{day}"]),
        *(await _unwritten(work, anniversaries))[:1],
    ]


async def _portions(work: Work) -> range:
    """By key: a city that was imported has registered on a single day."""
    last = await work.session.scalar(select(func.max(Trait.person_id))) or 0
    return range(last // AT_ONCE + 1)


async def _unwritten(work: Work, subjects: Sequence[str]) -> list[str]:
    known = await work.session.scalars(select(Message.subject).where(Message.subject.in_(subjects)))
    there = set(known)
    return [one for one in subjects if one not in there]


async def send(work: Work, due: list[str] | None) -> int:
    """Sweep: thanks of the day, each once a year to each person; answers to how many."""
    told = 0
    for subject in due or ():
        what, _, rest = subject.partition(":")
        if what == "birthday":
            recipients = _born_today(work)
        else:
            recipients = _registered_today(work).where(_portion(int(rest.partition(":")[2])))
        told += await delivery.tell_all(work, _post(work, what, subject), recipients)
    return told


def _portion(number: int) -> ColumnElement[bool]:
    first = number * AT_ONCE
    return and_(Trait.person_id >= first, Trait.person_id < first + AT_ONCE)


def _post(work: Work, what: str, subject: str) -> Post:
    midnight = datetime.combine(work.today + timedelta(days=1), datetime.min.time())
    return Post(
        f"recognition/{what}",
        {},
        kind=KIND,
        lane=Lane.BROADCAST,
        subject=subject,
        expires_at=midnight.replace(tzinfo=work.policy.zone).astimezone(UTC),
        dedupe=f"{what}:{work.today.year}",
    )


def _wanted(work: Work) -> list[ColumnElement[bool]]:
    """Active, reachable, not paused, and not without greetings."""
    return [
        Trait.reachable.is_(True),
        Trait.refuses.bitwise_and(1 << KINDS.index(KIND)) == 0,
        or_(Trait.paused_until.is_(None), Trait.paused_until <= work.today),
    ]


def _born_today(work: Work) -> Any:
    """By the index of days of birth: born on any of the days of this date."""
    own = delivery.own_parameters(work, "name", Person.name)
    return _told(work, own).where(Trait.born.in_(_same_days(work.today)))


def _same_days(today: date) -> list[date]:
    """This date in earlier years; whoever was born on 29 February has theirs on the 28th."""
    days = []
    for year in range(today.year - OLDEST, today.year):
        if today.month == 2 and today.day == 29 and not isleap(year):
            continue
        days.append(today.replace(year=year))
        if today.month == 2 and today.day == 28 and not isleap(today.year) and isleap(year):
            days.append(date(year, 2, 29))
    return days


def _registered_today(work: Work) -> Any:
    """By the index of the moments of registration, a range for each earlier year."""
    years = literal(work.today.year) - _year_of(work, Person.registered_at)
    own = delivery.own_parameters(work, "name", Person.name, "years", years)
    zone = work.policy.zone
    ranges = []
    for day in _same_days(work.today)[-YEARS:]:
        start = datetime.combine(day, datetime.min.time(), zone)
        ranges.append(
            (Person.registered_at >= start) & (Person.registered_at < start + timedelta(days=1))
        )
    return _told(work, own).where(or_(*ranges))


def _year_of(work: Work, moment: Any) -> ColumnElement[int]:
    """The local year; on no anniversary is it less than half a day from another one's."""
    offset = work.now.astimezone(work.policy.zone).utcoffset() or timedelta()
    if work.session.get_bind().dialect.name == "postgresql":
        return func.extract("year", func.timezone("UTC", moment) + offset)
    return func.strftime("%Y", moment, f"{offset // timedelta(minutes=1):+d} minutes") + literal(0)


def _told(work: Work, own: ColumnElement[Any]) -> Any:
    found: Select[*tuple[Any, ...]] = (
        select(Trait.person_id, Account.telegram_id, Trait.language, own)
        .join(Person, Person.id == Trait.person_id)
        .join(Account, Account.person_id == Trait.person_id)
        .where(*_wanted(work))
    )
    return found


# The year's review


def reviewed_year(work: Work) -> int | None:
    """The year whose review is offered now: from mid-December to the end of January."""
    today = work.today
    if today.month == DECEMBER and today.day >= work.policy.review_day:
        return today.year
    return today.year - 1 if today.month == JANUARY else None


async def look_at_year(work: Work) -> str | None:
    """The next portion of people to whom their review was not offered yet."""
    year = reviewed_year(work)
    if year is None or not _is_time(work):
        return None
    wanted = [f"review:{year}:{portion}" for portion in await _portions(work)]
    left = await _unwritten(work, wanted)
    return left[0] if left else None


async def offer_review(work: Work, due: str | None) -> int:
    """Sweep: a portion of those who served in the year; answers to how many."""
    if due is None:
        return 0
    _, year, portion = due.split(":")
    start, end = (datetime(at, 1, 1, tzinfo=work.policy.zone) for at in (int(year), int(year) + 1))
    served = exists().where(
        LedgerEntry.person_id == Trait.person_id,
        LedgerEntry.served_at >= start,
        LedgerEntry.served_at < end,
    )
    post = Post(
        "recognition/review_offer",
        {"year": int(year)},
        kind=KIND,
        lane=Lane.BROADCAST,
        subject=due,
        dedupe=f"review:{year}",
    )
    recipients = _told(work, delivery.own_parameters(work, "name", Person.name)).where(
        _portion(int(portion)), Trait.minutes > 0, served
    )
    return await delivery.tell_all(work, post, recipients)
