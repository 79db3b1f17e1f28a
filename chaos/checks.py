"""After a case: what phones were told against what the database and the phones hold."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from chaos.load import Truth
from chaos.processes import finish
from models import (
    Account,
    Attendance,
    Conversation,
    Database,
    Delivery,
    DeliveryState,
    Enrolment,
    EnrolmentState,
    HoursState,
    Inbox,
    Lane,
    LedgerEntry,
    Message,
    Response,
    ResponseState,
    Shift,
)
from models.delivery import TELEGRAM
from playground import Playground
from playground.model import Message as OnPhone
from services import ledger

IN = frozenset(EnrolmentState) - {EnrolmentState.CANCELLED, EnrolmentState.DECLINED}
WONT_COME = frozenset({ResponseState.CANNOT})
EMERGENCIES_TAKEN_BACK = (DeliveryState.REVOKED,)
OF_THE_DEPLOYMENT = ("FAULT backups", "FAULT errors", "FAULT disk")
"""What doctor rightly says of a city of a minute in which things have gone wrong."""
RETRIED_WITHIN = timedelta(minutes=2)


class Ear:
    """Every message that a bot has put on a phone, as it first read."""

    def __init__(self, telegram: Playground) -> None:
        self.first: dict[tuple[int, int], str] = {}
        self.sent: Counter[tuple[int, str]] = Counter()
        self.unknown: Counter[tuple[int, str]] = Counter()
        """What had come that the database knew nothing of once it went back in time."""
        telegram.world.subscribe(self._hear)

    def _hear(self, change: str, chat: Any, about: Any) -> None:
        if change == "message" and isinstance(about, OnPhone) and about.from_bot:
            words = about.words
            self.first[chat.id, about.id] = words
            self.sent[chat.id, words] += 1


@dataclass
class Outcome:
    """What a case came to."""

    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    lost: list[str] = field(default_factory=list)
    doubles: int = 0
    from_before: int = 0
    """Of those, how many had come before the database went back in time."""
    quota_broken: int = 0
    ledger_faults: int = 0
    emergencies: int = 0
    missing: list[str] = field(default_factory=list)
    """Emergency messages that are on no phone."""
    undelivered: int = 0
    """Others that are on no phone."""
    doctor: list[str] = field(default_factory=list)
    """The lines of `muster doctor --deep` that say FAULT."""


async def look(database: Database, truth: Truth, ear: Ear) -> Outcome:
    outcome = Outcome(truth.accepted, truth.refused, truth.unanswered)
    async with database.read() as session:
        outcome.lost = [
            *await _places(session, truth),
            *await _attendances(session, truth),
            *await _responses(session, truth),
            *await _forms(session, truth),
            *await _posted(session, truth),
        ]
        outcome.quota_broken = await _over_quota(session)
        await _deliveries(session, ear, outcome)
    async with database.read() as session:
        outcome.ledger_faults = len(await ledger.verify(session))
    return outcome


async def _places(session: Any, truth: Truth) -> list[str]:
    rows = await session.execute(select(Enrolment.shift_id, Enrolment.person_id, Enrolment.state))
    states = {(row.shift_id, row.person_id): row.state for row in rows}
    lost = []
    for key, allowed in truth.places.items():
        if states.get(key) is EnrolmentState.DECLINED:
            continue  # an offer that nobody took lapses by itself, at once where the clock jumps
        if (states.get(key) in IN) not in allowed:
            lost.append(f"place {key} is {states.get(key)}")
    return lost


async def _attendances(session: Any, truth: Truth) -> list[str]:
    ticked = set(await session.scalars(select(Attendance.enrolment_id)))
    decided = set(
        await session.scalars(select(Attendance.id).where(Attendance.state == HoursState.CONFIRMED))
    )
    entered = Counter(await session.scalars(select(LedgerEntry.attendance_id)))
    lost = [f"tick of {key}" for key in truth.ticked - ticked]
    lost += [f"confirmation of {key}" for key in truth.confirmed - decided]
    return lost + [f"entry of {key}" for key in truth.confirmed if entered[key] != 1]


async def _responses(session: Any, truth: Truth) -> list[str]:
    rows = await session.execute(select(Response.person_id, Response.state))
    states = {row.person_id: row.state for row in rows}
    return [
        f"answer of {person} is {states.get(person)}"
        for person, allowed in truth.coming.items()
        if (states.get(person) not in WONT_COME) not in allowed
    ]


async def _forms(session: Any, truth: Truth) -> list[str]:
    rows = await session.execute(
        select(Account.telegram_id, Conversation.answers).join(
            Conversation, Conversation.account_id == Account.id
        )
    )
    kept = {row.telegram_id: row.answers for row in rows}
    return [
        f"{question} of {who}"
        for who, told in truth.told.items()
        for question in told
        if question not in kept.get(who, {})
    ]


async def _posted(session: Any, truth: Truth) -> list[str]:
    kept = set(await session.scalars(select(Message.id)))
    return [f"message {key}" for key in truth.posted - kept]


async def _over_quota(session: Any) -> int:
    found = (
        select(Enrolment.shift_id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Enrolment.state.in_(IN - {EnrolmentState.WAITLISTED}))
        .group_by(Enrolment.shift_id, Shift.quota)
        .having(func.count() > Shift.quota)
    )
    return len((await session.execute(found)).all())


async def _deliveries(session: Any, ear: Ear, outcome: Outcome) -> None:
    told: Counter[tuple[int, str]] = Counter()
    for row in await _to_phones(session):
        words = ear.first.get((row.chat_id, row.telegram_message_id or 0))
        arrived = row.state is DeliveryState.SENT and words is not None
        if words is not None:
            told[row.chat_id, words] += 1
        if row.lane == Lane.EMERGENCY:
            outcome.emergencies += 1
            if not arrived and row.state not in EMERGENCIES_TAKEN_BACK:
                outcome.missing.append(f"delivery {row.id} is {row.state.value}")
        elif not arrived and row.state is not DeliveryState.REVOKED:
            outcome.undelivered += 1
    spare = {key: max(0, ear.sent[key] - count) for key, count in told.items()}
    outcome.doubles = sum(spare.values())
    outcome.from_before = sum(min(count, ear.unknown[key]) for key, count in spare.items())


async def went_back(database: Database, ear: Ear) -> None:
    """The database is as it was some time ago: what phones have got since is unknown to it."""
    async with database.read() as session:
        known = Counter(
            (row.chat_id, ear.first.get((row.chat_id, row.telegram_message_id or 0)))
            for row in await _to_phones(session)
        )
    ear.unknown = ear.sent - Counter({key: known[key] for key in ear.sent})


async def _to_phones(session: Any) -> Any:
    """Deliveries of messages of their own, but for what answers a press."""
    return await session.execute(
        select(
            Delivery.id, Delivery.lane, Delivery.chat_id, Delivery.state,
            Delivery.telegram_message_id,
        ).where(
            Delivery.edits_id.is_(None),
            Delivery.channel == TELEGRAM,
            Delivery.chat_id.is_not(None),
            Delivery.lane != int(Lane.INTERACTIVE),
        )
    )  # fmt: skip


async def in_flight(database: Database) -> set[tuple[int, int]]:
    """Which deliveries are being sent, and at which attempt."""
    async with database.read() as session:
        rows = await session.execute(
            select(Delivery.id, Delivery.attempts).where(
                Delivery.state == DeliveryState.SENDING, Delivery.channel == TELEGRAM
            )
        )
        return {(row.id, row.attempts) for row in rows}


async def unsent(session: Any) -> int:
    """Deliveries that are to be sent, as this database knows it."""
    states = (DeliveryState.QUEUED, DeliveryState.SENDING)
    return int(await session.scalar(select(func.count()).where(Delivery.state.in_(states))) or 0)


async def waiting(database: Database) -> int:
    """Updates that wait for their answer, and deliveries that are due now or soon again."""
    async with database.read() as session:
        updates = select(func.count()).where(Inbox.answered_at.is_(None))
        due = select(func.count()).where(
            Delivery.state.in_((DeliveryState.QUEUED, DeliveryState.SENDING)),
            Delivery.due_at <= datetime.now(UTC) + RETRIED_WITHIN,
            Delivery.channel == TELEGRAM,
        )
        return int(await session.scalar(updates) or 0) + int(await session.scalar(due) or 0)


async def doctor(folder: Path, variables: dict[str, str]) -> list[str]:
    """What `muster doctor --deep` finds at fault."""
    _, said = await finish(("doctor", "--deep"), folder, variables)
    faults = [line.strip() for line in said.splitlines() if line.startswith("FAULT")]
    return [line for line in faults if not line.startswith(OF_THE_DEPLOYMENT)]
