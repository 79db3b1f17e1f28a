"""Rows written past the services, for tests of what notices that something is wrong."""

import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Enum,
    Float,
    Integer,
    String,
    inspect,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from models import (
    HOLDING_A_PLACE,
    Attendance,
    Base,
    Callout,
    CalloutState,
    Certificate,
    CertificateCount,
    Conversation,
    Delivery,
    Duty,
    Enrolment,
    EnrolmentState,
    HoursState,
    Message,
    Need,
    Organisation,
    Person,
    QuizAttempt,
    Recognition,
    Response,
    Shift,
    Standing,
    Visit,
    Wave,
)
from models.base import Moment
from models.sealed import Sealed, SealedBytes, SealedDocument, keyring

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
_numbers = itertools.count(1)
_models: dict[str, Any] = {one.class_.__tablename__: one.class_ for one in Base.registry.mappers}


async def some(session: AsyncSession, model: Any, **given: Any) -> Any:
    """A row with what is given, what else such a row must have, and rows that it points to."""
    if prepare := _PREPARED.get(model):
        given = await prepare(session, given)
    for column in model.__table__.columns:
        name = inspect(model).get_property_by_column(column).key
        if name not in given and _must_be_given(column):
            given[name] = await _value(session, column)
    row = model(**given)
    session.add(row)
    await session.flush()
    return row


def _must_be_given(column: Column[Any]) -> bool:
    if column.primary_key and not column.foreign_keys and isinstance(column.type, Integer):
        return False
    return not column.nullable and column.default is None and column.server_default is None


async def _value(session: AsyncSession, column: Column[Any]) -> Any:
    for key in column.foreign_keys:
        target = _models[key.column.table.name]
        found = await session.scalar(select(key.column).limit(1))
        return found or (await some(session, target)).id
    kinds: tuple[tuple[Any, Callable[[], Any]], ...] = (
        (Enum, lambda: column.type.enum_class and next(iter(column.type.enum_class))),  # type: ignore[attr-defined]
        (Moment, lambda: NOW),
        (Date, lambda: date(2026, 11, 20)),
        (Boolean, lambda: False),
        (Integer, lambda: next(_numbers)),
        (Float, lambda: 1.0),
        (Sealed, lambda: "x"),
        (SealedDocument, dict),
        (SealedBytes, lambda: keyring().seal(b"x")),
        (String, lambda: f"x{next(_numbers)}"),
    )
    return next((make() for kind, make in kinds if isinstance(column.type, kind)), {})


# What of a row depends on another one


async def _person(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    return {"standing": Standing.REFUSED, **given}


async def _organisation(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    """Below the city; its path is set once it has a key."""
    return {"names": {"zh_Hans": "新站"}, **given}


async def _shift(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    return {"starts_at": NOW - HOUR, "ends_at": NOW, "quota": 3, **given}


async def _enrolment(session: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    """In a shift of its own, in which it is counted."""
    given = {"state": EnrolmentState.CONFIRMED, **given}
    if "shift_id" not in given:
        taken = int(given["state"] in HOLDING_A_PLACE)
        given["shift_id"] = (await some(session, Shift, taken=taken)).id
    if "person_id" not in given:
        given["person_id"] = (await some(session, Person)).id
    return given


async def _attendance(session: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    if "enrolment_id" not in given:
        attended = await some(session, Enrolment, state=EnrolmentState.ATTENDED)
        given["enrolment_id"] = attended.id
    return {"state": HoursState.OPEN, **given}


async def _callout(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    ended = {"state": CalloutState.ENDED, "launched_at": NOW, "ended_at": NOW}
    return given if "state" in given else {**ended, **given}


async def _response(session: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    """Asked in the first wave for a need of a call-out that has ended."""
    if "callout_id" not in given:
        given["callout_id"] = (await some(session, Callout)).id
    if "need_id" not in given:
        given["need_id"] = (await some(session, Need, callout_id=given["callout_id"])).id
    if "wave" not in given:
        given["wave"] = (await some(session, Wave, need_id=given["need_id"], number=1)).number
    return {"person_id": (await some(session, Person)).id, **given}


async def _certificate(session: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    """The first of a year that nobody else has."""
    year = 3000 + next(_numbers)
    root = (await session.scalars(select(Organisation.id).limit(1))).one()
    given = {"organisation_id": root, "year": year, "sequence": 1, **given}
    count = (given["organisation_id"], given["year"])
    if await session.get(CertificateCount, count) is None:
        await some(session, CertificateCount, organisation_id=count[0], year=count[1], last=1)
    return given


async def _later(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    return {"starts_at": NOW, "ends_at": NOW + HOUR, **given}


async def _delivery(session: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    if "message_id" not in given:
        given["message_id"] = (await some(session, Message)).id
    return {"chat_id": 5, "lane": 2, **given}


async def _conversation(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    return {"answers": {}, "scratch": {}, **given}


async def _recognition(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    return {"star": 1, **given}


async def _attempt(_: AsyncSession, given: dict[str, Any]) -> dict[str, Any]:
    return {"questions": [], "answers": {}, **given}


_PREPARED: dict[Any, Callable[[AsyncSession, dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    Person: _person,
    Organisation: _organisation,
    Shift: _shift,
    Enrolment: _enrolment,
    Attendance: _attendance,
    Callout: _callout,
    Response: _response,
    Certificate: _certificate,
    Duty: _later,
    Visit: _later,
    Delivery: _delivery,
    Conversation: _conversation,
    QuizAttempt: _attempt,
    Recognition: _recognition,
}
