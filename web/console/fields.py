"""What the forms of pages send, as services take it; a field that makes no sense is a Refusal."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TypeVar

from services import watchwords
from services.errors import Gone, Refusal
from services.watchwords import Confirmed
from web.console.framework import Visit

E = TypeVar("E", bound=StrEnum)

MOST_DIGITS = 9


def words(visit: Visit, name: str) -> str:
    """A line, without blanks that nobody sees."""
    return " ".join(str(visit.form.get(name, "")).split())


def lines(visit: Visit, name: str) -> str:
    """A text whose line breaks stay."""
    return "\n".join(str(visit.form.get(name, "")).strip().splitlines())


async def watchword(visit: Visit) -> Confirmed:
    """The word for messages to many. Raises Refusal, and Counted for a wrong one."""
    return await watchwords.prove(visit.work, str(visit.form.get("word", "")))


def number(visit: Visit, name: str, least: int, most: int) -> int:
    """Raises Refusal for anything but a whole number from `least` to `most`."""
    typed = words(visit, name)
    if not typed.isascii() or not typed.isdigit() or len(typed) > MOST_DIGITS:
        raise Refusal("form_not_a_number", least=least, most=most)
    value = int(typed)
    if not least <= value <= most:
        raise Refusal("form_number_range", least=least, most=most)
    return value


def choice(visit: Visit, name: str, kind: type[E]) -> E:
    """Raises Gone for what the page did not offer."""
    try:
        return kind(str(visit.form.get(name, "")))
    except ValueError:
        raise Gone from None


def key(visit: Visit, name: str) -> int:
    """What was chosen from a list. Raises Gone for nothing."""
    found = visit.keys(name)
    if len(found) != 1:
        raise Gone
    return found[0]


def moment(visit: Visit, day: str, clock: str) -> datetime:
    """A local day and time of day, from two fields. Raises Refusal."""
    try:
        local = datetime.combine(
            date.fromisoformat(words(visit, day)), time.fromisoformat(words(visit, clock))
        )
    except ValueError:
        raise Refusal("form_moment", reason="impossible_date") from None
    return local.replace(tzinfo=visit.work.policy.zone).astimezone(UTC)


def span(visit: Visit, day: str, begins: str, ends: str) -> tuple[datetime, datetime]:
    """A start and an end; an end that is not later than the start is on the next day."""
    start, end = moment(visit, day, begins), moment(visit, day, ends)
    return start, end if end > start else end + timedelta(days=1)


def day_in_query(visit: Visit, name: str) -> date | None:
    """A day out of the address; None where there is none."""
    try:
        return date.fromisoformat(visit.query.get(name, ""))
    except ValueError:
        return None
