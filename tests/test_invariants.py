"""What must be true of all tables together: each is broken on purpose, and only that is named."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Enum, String, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot import doctoring
from bot.settings import DatabaseSettings, SecuritySettings, Settings
from models import (
    HOLDING_A_PLACE,
    Activity,
    ActivityState,
    Attendance,
    AuditEntry,
    Block,
    Broadcast,
    BroadcastState,
    BudgetLine,
    Callout,
    CalloutState,
    Certificate,
    CertificateCount,
    CertificateLine,
    CertificateState,
    Conversation,
    Database,
    Delivery,
    DeliveryState,
    Duty,
    Enrolment,
    EnrolmentState,
    Group,
    Guardian,
    Import,
    ImportPiece,
    ImportState,
    Inbox,
    Lane,
    LedgerEntry,
    MemberState,
    Need,
    Organisation,
    Pairing,
    PairingState,
    Person,
    QuizAttempt,
    Recipient,
    Response,
    Rhythm,
    Role,
    RoleKind,
    Shift,
    Standing,
    Swap,
    TeamMember,
    Token,
    Visit,
    Webhook,
)
from models.base import Moment
from models.sealed import Keyring, keyring
from services import enrolment, invariants, roles
from services.policy import Policy
from services.work import Work
from tests.certified import act, issued, served
from tests.commands import Muster
from tests.databases import ON_SQLITE, Databases
from tests.making import Making
from tests.times import ManualClock
from tests.wrecking import HOUR, NOW, some

Wreck = Callable[[AsyncSession], Awaitable[Any]]


async def _move_in(database: Database) -> None:
    """People with places, hours, a certificate and a role, by the services."""
    making = Making(database, ManualClock())
    wang = await making.coordinator("王强")
    chen, lin = await making.volunteer("陈晓丽"), await making.volunteer("林志明")
    await served(making, wang, chen)
    await issued(making, chen)
    shift = await making.shift(await making.activity(wang), quota=1)
    await act(making, chen, enrolment.enrol, shift.id)
    await act(making, lin, enrolment.enrol, shift.id)
    admin = await making.coordinator("李敏", organisation="zs", role=RoleKind.ADMINISTRATOR)
    await act(making, admin, roles.grant, lin.id, lin.organisation_id, RoleKind.COORDINATOR)
    holding = select(func.count()).where(
        Enrolment.shift_id == Shift.id, Enrolment.state.in_(HOLDING_A_PLACE)
    )
    async with database.write() as session:
        await session.execute(update(Shift).values(taken=holding.scalar_subquery()))


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    url = databases.fresh(_move_in)
    yield url
    databases.drop(url)


@pytest.fixture
async def city(database: Database) -> AsyncIterator[Database]:
    yield database


async def broken(database: Database) -> dict[str, list[str]]:
    """The invariants that do not hold, with the keys of what breaks them."""
    async with database.read() as session:
        work = Work(session, NOW, Policy())
        found = {one.name: await one.find(work, 10) for one in invariants.ALL}
    return {name: keys for name, keys in found.items() if keys}


async def wrecked(database: Database, wreck: Wreck) -> dict[str, list[str]]:
    async with database.write() as session:
        await wreck(session)
    return await broken(database)


async def test_a_city_that_the_services_made_is_right(city: Database) -> None:
    assert await broken(city) == {}


# Each broken on purpose


async def places_taken(session: AsyncSession) -> None:
    await some(session, Shift, taken=2)


async def nobody_waits_in_vain(session: AsyncSession) -> None:
    activity = await some(session, Activity, state=ActivityState.PUBLISHED, remote=True)
    shift = await some(
        session, Shift, activity_id=activity.id, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR
    )
    await some(session, Enrolment, shift_id=shift.id, state=EnrolmentState.WAITLISTED)


async def nobody_counts_on_what_is_off(session: AsyncSession) -> None:
    activity = await some(session, Activity, state=ActivityState.CANCELLED, remote=True)
    shift = await some(session, Shift, activity_id=activity.id, taken=1)
    await some(session, Enrolment, shift_id=shift.id)


async def offers_lapse(session: AsyncSession) -> None:
    state = EnrolmentState.OFFERED
    await some(session, Enrolment, state=state, offer_expires_at=NOW - HOUR)


async def groups_in_their_shift(session: AsyncSession) -> None:
    other = await some(session, Shift)
    block = await some(session, Block, shift_id=other.id, size=1)
    await some(session, Enrolment, block_id=block.id)


async def groups_of_their_size(session: AsyncSession) -> None:
    shift = await some(session, Shift, taken=2)
    block = await some(session, Block, shift_id=shift.id, size=1)
    for _ in range(2):
        await some(session, Enrolment, shift_id=shift.id, block_id=block.id)


async def attended_was_there(session: AsyncSession) -> None:
    await some(session, Enrolment, state=EnrolmentState.ATTENDED)
    there = await some(session, Enrolment)
    await some(session, Attendance, enrolment_id=there.id)


async def open_means_inside(session: AsyncSession) -> None:
    await some(session, Attendance, checked_in_at=NOW, checked_out_at=NOW)


async def entries_of_the_same_person(session: AsyncSession) -> None:
    somebody = await some(session, Person)
    await session.execute(update(LedgerEntry).values(person_id=somebody.id))


async def numbers_without_a_gap(session: AsyncSession) -> None:
    await session.execute(update(CertificateCount).values(last=2))


async def certificates_are_counted(session: AsyncSession) -> None:
    await session.execute(update(Certificate).values(year=1999))
    await session.execute(update(CertificateCount).values(last=0))


async def replaced_by_a_newer_one(session: AsyncSession) -> None:
    state = CertificateState.REPLACED
    await session.execute(update(Certificate).values(state=state, replaced_at=NOW))


async def certified_for_its_holder(session: AsyncSession) -> None:
    attendance = await some(session, Attendance)
    certificate = (await session.scalars(select(Certificate.id))).one()
    key = {"certificate_id": certificate, "attendance_id": attendance.id}
    await some(session, CertificateLine, **key, minutes=5)


async def deliveries_say_something(session: AsyncSession) -> None:
    await some(session, Delivery, message_id=9999, state=DeliveryState.REVOKED)


async def deliveries_to_somebody(session: AsyncSession) -> None:
    await some(session, Delivery, person_id=9999, state=DeliveryState.REVOKED)


async def sent_is_on_a_phone(session: AsyncSession) -> None:
    await some(session, Delivery, state=DeliveryState.SENT, finished_at=NOW)


async def waiting_has_a_chat(session: AsyncSession) -> None:
    await some(session, Delivery, state=DeliveryState.QUEUED, chat_id=None)


async def emergencies_go_out(session: AsyncSession) -> None:
    late = {"state": DeliveryState.QUEUED, "due_at": NOW - HOUR}
    await some(session, Delivery, lane=int(Lane.EMERGENCY), **late)


async def emergencies_arrive(session: AsyncSession) -> None:
    failed = {"state": DeliveryState.FAILED, "reason": "not_rendered", "finished_at": NOW}
    await some(session, Delivery, lane=int(Lane.EMERGENCY), **failed)


async def sending_ends(session: AsyncSession) -> None:
    await some(session, Delivery, state=DeliveryState.SENDING, claimed_at=NOW - HOUR)


async def edits_follow(session: AsyncSession) -> None:
    landed = {"state": DeliveryState.SENT, "finished_at": NOW, "telegram_message_id": 7}
    original = await some(session, Delivery, **landed)
    await some(session, Delivery, edits_id=original.id, state=DeliveryState.HELD)


async def broadcasts_once(session: AsyncSession) -> None:
    await _written(session, written_to=1000, times=2)


async def broadcasts_up_to_their_mark(session: AsyncSession) -> None:
    await _written(session, written_to=0, times=1)


async def _written(session: AsyncSession, *, written_to: int, times: int) -> None:
    somebody = await some(session, Person)
    queued = {"state": DeliveryState.QUEUED, "lane": int(Lane.BROADCAST)}
    first = await some(session, Delivery, person_id=somebody.id, **queued)
    for _ in range(times - 1):
        await some(session, Delivery, person_id=somebody.id, message_id=first.message_id, **queued)
    state = BroadcastState.RUNNING
    await some(session, Broadcast, message_id=first.message_id, state=state, written_to=written_to)


async def updates_are_answered(session: AsyncSession) -> None:
    await some(session, Inbox, bot_id=1, update_id=1, body="{}", received_at=NOW - HOUR)


async def answered_is_emptied(session: AsyncSession) -> None:
    await some(session, Inbox, bot_id=1, update_id=1, body="{}", answered_at=NOW)


async def one_form_at_a_time(session: AsyncSession) -> None:
    for _ in range(2):
        await some(session, Conversation)


async def responses_in_their_callout(session: AsyncSession) -> None:
    other = await some(session, Callout)
    need = await some(session, Need, callout_id=other.id)
    await some(session, Response, need_id=need.id)


async def asked_in_a_wave(session: AsyncSession) -> None:
    await some(session, Response, wave=7)


async def asked_are_told(session: AsyncSession) -> None:
    callout = await some(session, Callout, state=CalloutState.ACTIVE, launched_at=NOW)
    await some(session, Response, callout_id=callout.id)


async def only_launched_ones_ask(session: AsyncSession) -> None:
    callout = await some(session, Callout, state=CalloutState.DRAFT)
    await some(session, Response, callout_id=callout.id)


async def places_are_forgotten(session: AsyncSession) -> None:
    await some(session, Response, latitude=22.5, longitude=113.4)


async def paths_of_the_tree(session: AsyncSession) -> None:
    town = await _town(session)
    town.path = "1.999."


async def one_root(session: AsyncSession) -> None:
    second = await some(session, Organisation)
    second.path = f"{second.id}."


async def nothing_open_below_closed(session: AsyncSession) -> None:
    closed = await _closed(session)
    below = await some(session, Organisation, parent_id=closed.id)
    below.path = f"{closed.path}{below.id}."


async def no_role_in_closed(session: AsyncSession) -> None:
    closed = await _closed(session)
    await some(session, Role, organisation_id=closed.id)


async def no_token_of_closed(session: AsyncSession) -> None:
    await some(session, Token, organisation_id=(await _closed(session)).id, scopes=[])


async def no_webhook_of_closed(session: AsyncSession) -> None:
    await some(session, Webhook, organisation_id=(await _closed(session)).id, kinds=[])


async def no_member_of_closed(session: AsyncSession) -> None:
    closed = await _closed(session)
    await some(session, TeamMember, organisation_id=closed.id, state=MemberState.INVITED)


async def no_group_of_closed(session: AsyncSession) -> None:
    await some(session, Group, organisation_id=(await _closed(session)).id)


async def nobody_left_in_closed(session: AsyncSession) -> None:
    closed = await _closed(session)
    closed.closed_at = NOW - timedelta(days=2)
    await some(session, Person, organisation_id=closed.id)


async def roles_are_in_the_log(session: AsyncSession) -> None:
    await session.execute(update(AuditEntry).values(action="something.else"))


async def erased_means_erased(session: AsyncSession) -> None:
    blank = {"standing": Standing.ERASED, "name": "", "name_search": ""}
    await some(session, Person, **{**blank, "name": "陈"})
    await some(session, Person, **blank, email="chen@example.com")
    left = await some(session, Person, **blank)
    await some(session, Guardian, person_id=left.id)


async def erased_care_files(session: AsyncSession) -> None:
    await some(session, Recipient, erased_at=NOW, details={"name": "梁"}, skills=[])


async def erased_certificates(session: AsyncSession) -> None:
    await session.execute(update(Certificate).values(erased_at=NOW))


async def phones_are_found(session: AsyncSession) -> None:
    await some(session, Person, phone="+8613912345678", phone_verified=True)


async def swaps_by_their_holder(session: AsyncSession) -> None:
    asker, holder = await some(session, Person), await some(session, Person)
    duty = await some(session, Duty, person_id=holder.id)
    await some(session, Swap, duty_id=duty.id, asker_id=asker.id)


async def one_turn_at_a_time(session: AsyncSession) -> None:
    await some(session, Duty)
    await some(session, Duty, starts_at=NOW + HOUR / 2)


async def no_circle_of_closed(session: AsyncSession) -> None:
    closed = await some(session, Recipient, closed_at=NOW, skills=[])
    await some(session, Pairing, recipient_id=closed.id, state=PairingState.ACTIVE)


async def no_visits_of_closed(session: AsyncSession) -> None:
    closed = await some(session, Recipient, closed_at=NOW, skills=[])
    hours = {"every_days": 7, "from_minute": 60, "until_minute": 120}
    await some(session, Rhythm, recipient_id=closed.id, **hours)


async def visits_are_hours_of_the_visitor(session: AsyncSession) -> None:
    attendance, visitor = await some(session, Attendance), await some(session, Person)
    await some(session, Recipient, skills=[])
    await some(session, Visit, attendance_id=attendance.id, person_id=visitor.id)


async def spent_is_the_sum(session: AsyncSession) -> None:
    await some(session, BudgetLine, cents=500, spent=200)


async def finished_quizzes_have_a_score(session: AsyncSession) -> None:
    await some(session, QuizAttempt, finished_at=NOW)


async def imported_files_are_gone(session: AsyncSession) -> None:
    done = await some(session, Import, state=ImportState.DONE, finished_at=NOW)
    await some(session, ImportPiece, import_id=done.id, number=0)


async def sealed_can_be_opened(session: AsyncSession) -> None:
    stolen = Keyring.fresh().seal(b"x")
    raw = f"UPDATE person SET phone = x'{stolen.hex()}' WHERE id = 1"
    await (await session.connection()).exec_driver_sql(raw)


async def _town(session: AsyncSession) -> Organisation:
    """With nobody in it and nothing below it."""
    root = (
        await session.scalars(select(Organisation).where(Organisation.parent_id.is_(None)))
    ).one()
    town: Organisation = await some(session, Organisation, parent_id=root.id)
    town.path = f"{root.path}{town.id}."
    return town


async def _closed(session: AsyncSession) -> Organisation:
    town = await _town(session)
    town.closed_at = NOW
    return town


WRECKS: dict[str, Wreck] = {
    one.__name__: one
    for one in (
        places_taken, nobody_waits_in_vain, nobody_counts_on_what_is_off, offers_lapse,
        groups_in_their_shift, groups_of_their_size, attended_was_there, open_means_inside,
        entries_of_the_same_person, numbers_without_a_gap, certificates_are_counted,
        replaced_by_a_newer_one, certified_for_its_holder, deliveries_say_something,
        deliveries_to_somebody, sent_is_on_a_phone, waiting_has_a_chat, emergencies_go_out,
        emergencies_arrive, sending_ends, edits_follow, broadcasts_once,
        broadcasts_up_to_their_mark, updates_are_answered, answered_is_emptied,
        one_form_at_a_time, responses_in_their_callout, asked_in_a_wave, asked_are_told,
        only_launched_ones_ask, places_are_forgotten, paths_of_the_tree, one_root,
        nothing_open_below_closed, no_role_in_closed, no_token_of_closed, no_webhook_of_closed,
        no_member_of_closed, no_group_of_closed, nobody_left_in_closed, roles_are_in_the_log,
        erased_means_erased, erased_care_files, erased_certificates, phones_are_found,
        swaps_by_their_holder, one_turn_at_a_time, no_circle_of_closed, no_visits_of_closed,
        visits_are_hours_of_the_visitor, spent_is_the_sum, finished_quizzes_have_a_score,
        imported_files_are_gone, sealed_can_be_opened,
    )
}  # fmt: skip
NAMES_OF_STATES = {invariants.state_of(state) for state, _, _ in invariants.NEEDED}


def test_each_invariant_is_broken_on_purpose() -> None:
    assert {one.name for one in invariants.ALL} == WRECKS.keys() | NAMES_OF_STATES


@ON_SQLITE
@pytest.mark.parametrize("name", WRECKS)
async def test_what_is_broken_is_named_and_nothing_else(city: Database, name: str) -> None:
    assert (await wrecked(city, WRECKS[name])).keys() == {name}


@ON_SQLITE
@pytest.mark.parametrize("name", sorted(NAMES_OF_STATES))
async def test_a_state_that_does_not_say_when_it_came_is_named(city: Database, name: str) -> None:
    """A row that says all of it is right; one of which something is missing is not."""
    (one,) = [one for one in invariants.ALL if one.name == name]
    column, needed = _needed(name)
    for state, filled in needed.items():
        for lacks in (None, *filled):
            values = {key: made for key, made in filled.items() if key != lacks}
            async with city.read() as session:  # thrown away
                await some(session, column.class_, **{column.key: state, **values})
                found = await one.find(Work(session, NOW, Policy()), 10)
            assert len(found) == (lacks is not None), (state, lacks)


def _needed(name: str) -> tuple[Any, dict[Any, dict[str, Any]]]:
    """The column of a table's state, and for each state what it needs, filled in."""
    rows = [one for one in invariants.NEEDED if invariants.state_of(one[0]) == name]
    needed: dict[Any, dict[str, Any]] = {}
    for _, states, columns in rows:
        for state in states:
            needed.setdefault(state, {}).update({one.key: value(one) for one in columns})
    return rows[0][0], needed


def value(column: Any) -> Any:
    kind = column.property.columns[0].type
    if isinstance(kind, Enum):
        return next(iter(kind.enum_class))  # type: ignore[arg-type]
    return {Moment: NOW, String: "x1"}.get(type(kind), 1)


# By the command


@ON_SQLITE
async def test_doctor_names_what_is_broken_and_says_what_to_do(
    city: Database, database_url: str, tmp_path: Path
) -> None:
    muster = Muster(database_url, tmp_path)
    keyring().write(muster.key_file)
    right = await muster("doctor", "--deep")
    assert "FAULT places taken" not in right.out
    assert "ok    ledger: every entry is in place" in right.out
    assert "ok    statistics: " in right.out
    await wrecked(city, places_taken)
    wrong = await muster("doctor", "--deep")
    assert wrong.code == 1
    said = next(line for line in wrong.out.splitlines() if "places taken" in line)
    assert said.startswith("FAULT places taken: As many places of a shift are taken as people")
    assert "Not so: shift 3." in said
    assert "report it" in said


@ON_SQLITE
async def test_without_tables_or_keys_nothing_is_said_to_be_right(
    empty_url: str, database_url: str, tmp_path: Path
) -> None:
    kept, lost = tmp_path / "muster.keys", tmp_path / "lost.keys"
    keyring().write(kept)
    cases = ((empty_url, kept, "first `muster init`"), (database_url, lost, "no keys"))
    for url, key_file, reason in cases:
        settings = Settings.model_construct(
            database=DatabaseSettings(url=url), security=SecuritySettings(key_file=key_file)
        )
        (finding,) = await doctoring.examine_invariants(settings, lambda: NOW)
        assert (finding.ok, reason in finding.text) == (False, True)
