"""Everything that is held about a person: handed to them, and erased (PIPL, articles 45, 47).

The later topics answer for their own rows: `TOPICS`.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy import delete, or_, select, update

from models import (
    Account,
    Activity,
    Attempt,
    Attendance,
    AuditEntry,
    BroadcastAnswer,
    Certificate,
    Consent,
    ConsoleSession,
    Conversation,
    Delivery,
    DeliveryState,
    Directory,
    Dispute,
    Duty,
    Enrolment,
    Feed,
    Guardian,
    Imported,
    Inbox,
    LedgerEntry,
    Membership,
    Message,
    OptOut,
    Organisation,
    PersonEquipment,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Posting,
    Qualification,
    Readiness,
    Response,
    Role,
    SavedFilter,
    ServiceField,
    Shift,
    Skill,
    SpokenLanguage,
    Standing,
    SuspendedRole,
    Swap,
    SwapOffer,
    Trait,
    Watchword,
    Word,
)
from services import (
    affiliations,
    appraisals,
    audit,
    care,
    certificates,
    complaints,
    enclosures,
    enrolment,
    events,
    help_requests,
    incidents,
    insurance,
    leaving,
    marks,
    pairings,
    parties,
    plans,
    projects,
    ratings,
    recognition,
    reliability,
    remote,
    reorganising,
    roles,
    series,
    stories,
    teams,
    training,
    visiting,
)
from services.delivery import WAITING, storable
from services.errors import Refusal
from services.work import Work


class Topic(Protocol):
    """A service that keeps rows about people."""

    def rows_about(self, person_id: int) -> dict[str, Any]:
        """Name -> SELECT of the rows that are handed to somebody who asks."""

    async def forget_person(self, work: Work, person_id: int) -> None:
        """Drops what is only theirs, and blanks what others rest on."""


TOPICS: tuple[Topic, ...] = (
    enclosures,
    stories,
    series,
    teams,
    insurance,
    incidents,
    plans,
    reorganising,
    training,
    recognition,
    projects,
    ratings,
    appraisals,
    reliability,
    complaints,
    marks,
    parties,
    affiliations,
    remote,
    pairings,
    visiting,
    care,
    help_requests,
)

UNSAYING: tuple[Topic, ...] = (pairings, care, help_requests)
"""Those that take what they said of others off the phone of whoever goes, before all else goes."""
UNSAID = (care.KIND, help_requests.KIND)
"""The kinds of what still goes out to their phone."""

HIDDEN = frozenset(
    {
        "phone_hash",
        "phone_tail_hash",
        "id_number_hash",
        "name_search",
        "code_hash",
        "secret_hash",
        "digest",
        "appraiser_id",
        "visitor",
        "id",
    }
)
"""Columns that say nothing of a person beyond what others say in the clear."""


async def everything_about(work: Work) -> dict[str, Any]:
    """All rows about the actor, decrypted, as JSON, under the names of their tables."""
    person = work.person
    mine = person.id
    found: dict[str, Any] = {"person": _row(person)}
    organisation = await work.session.get_one(Organisation, person.organisation_id)
    found["person"]["organisation"] = organisation.names
    found["skills"] = await _names(work, Skill, PersonSkill, PersonSkill.skill_id)
    found["interests"] = await _names(work, ServiceField, PersonInterest, PersonInterest.field_id)
    found["languages"] = await _names(
        work, SpokenLanguage, PersonLanguage, PersonLanguage.spoken_language_id
    )
    for name, query in {
        "accounts": select(Account).where(Account.person_id == mine),
        "guardians": select(Guardian).where(Guardian.person_id == mine),
        "consents": select(Consent).where(Consent.person_id == mine),
        "qualifications": select(Qualification).where(Qualification.person_id == mine),
        "readiness": select(Readiness).where(Readiness.person_id == mine),
        "equipment": select(PersonEquipment).where(PersonEquipment.person_id == mine),
        "callouts": select(Response).where(Response.person_id == mine),
        "duties": select(Duty).where(Duty.person_id == mine).order_by(Duty.starts_at),
        "duty_swaps": select(Swap).where(
            or_(Swap.asker_id == mine, Swap.asked_id == mine, Swap.taken_by_id == mine)
        ),
        "callout_words": select(Word).where(Word.person_id == mine),
        "memberships": select(Membership).where(Membership.person_id == mine),
        "suspended_roles": select(SuspendedRole).where(SuspendedRole.person_id == mine),
        "watchword": select(Watchword).where(Watchword.person_id == mine),
        "roles": select(Role).where(Role.person_id == mine),
        "imported": select(Imported).where(Imported.person_id == mine),
        "saved_filters": select(SavedFilter).where(SavedFilter.person_id == mine),
        "opt_outs": select(OptOut).where(OptOut.person_id == mine),
        "answers_to_broadcasts": select(BroadcastAnswer).where(BroadcastAnswer.person_id == mine),
        "forms_not_finished": select(Conversation).where(
            Conversation.account_id.in_(_accounts(mine))
        ),
        "calendar_feeds": select(Feed).where(Feed.person_id == mine),
        "ledger": select(LedgerEntry).where(LedgerEntry.person_id == mine),
        "certificates": select(Certificate).where(Certificate.person_id == mine),
        "audit": select(AuditEntry).where(
            or_(AuditEntry.actor_id == mine, AuditEntry.subject == f"person:{mine}")
        ),
        **{name: rows for topic in TOPICS for name, rows in topic.rows_about(mine).items()},
    }.items():
        found[name] = [_row(row) for row in await work.session.scalars(query)]
    found["enrolments"] = await _enrolments(work, mine)
    found["messages"] = await _messages(work, mine)
    return found


def _accounts(person_id: int) -> Any:
    return select(Account.id).where(Account.person_id == person_id)


async def _enrolments(work: Work, person_id: int) -> list[dict[str, Any]]:
    rows = await work.session.execute(
        select(Enrolment, Shift, Activity, Attendance, Dispute)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .outerjoin(Dispute, Dispute.attendance_id == Attendance.id)
        .where(Enrolment.person_id == person_id)
        .order_by(Shift.starts_at)
    )
    return [
        {
            "activity": activity.title,
            "starts_at": storable(shift.starts_at),
            "ends_at": storable(shift.ends_at),
            "enrolment": _row(own),
            "attendance": _row(attendance) if attendance else None,
            "dispute": _row(dispute) if dispute else None,
        }
        for own, shift, activity, attendance, dispute in rows
    ]


async def _messages(work: Work, person_id: int) -> list[dict[str, Any]]:
    rows = await work.session.execute(
        select(Message.template, Message.kind, Delivery.state, Delivery.created_at)
        .join(Delivery, Delivery.message_id == Message.id)
        .where(Delivery.person_id == person_id)
        .order_by(Delivery.id)
    )
    return [
        {"message": template, "kind": kind, "state": state.value, "at": storable(at)}
        for template, kind, state, at in rows
    ]


async def _names(work: Work, term: Any, link: Any, column: Any) -> list[dict[str, str]]:
    found = await work.session.scalars(
        select(term.names).join(link, column == term.id).where(link.person_id == work.person.id)
    )
    return list(found)


def _row(row: Any) -> dict[str, Any]:
    columns: Iterable[str] = (c.key for c in row.__mapper__.column_attrs)
    return {name: storable(getattr(row, name)) for name in columns if name not in HIDDEN}


# Forgetting


async def forget(work: Work) -> None:
    """Erases the actor's personal data; the ledger keeps its entries about nobody in particular.

    Raises Refusal("forget_last_administrator").
    """
    person = work.person
    if await roles.is_last_administrator(work, person.id):
        raise Refusal("forget_last_administrator")
    await enrolment.leave_everything(work, person.id)
    for topic in UNSAYING:
        await topic.forget_person(work, person.id)
    await _drop_what_is_only_theirs(work, person.id)
    await leaving.let_go(work, [person.id])
    await _blank_what_others_refer_to(work, person.id)
    await certificates.erase(work, person.id)
    for topic in (one for one in TOPICS if one not in UNSAYING):
        await topic.forget_person(work, person.id)
    person.standing = Standing.ERASED
    for name in ("number", "birth_date", "phone", "phone_hash", "id_number", "id_number_hash",
                 "email", "home", "latitude", "longitude", "call_from", "call_until",
                 "emergency_contact", "paused_until"):  # fmt: skip
        setattr(person, name, None)
    person.name = ""
    person.name_search = ""
    person.availability = 0
    person.phone_verified = False
    person.emergency_opt_in = False
    await work.session.flush()
    audit.note(work, "person.erased", f"person:{person.id}")
    await events.of_volunteer(work, events.Kind.VOLUNTEER_WITHDRAWN, person)


async def _drop_what_is_only_theirs(work: Work, person_id: int) -> None:
    accounts = _accounts(person_id)
    chats = list(
        await work.session.scalars(
            select(Account.telegram_id).where(Account.person_id == person_id)
        )
    )
    await _delete(work, Conversation, Conversation.account_id.in_(accounts))
    for table in (PersonSkill, PersonInterest, PersonLanguage, Consent, Guardian, Qualification,
                  Role, OptOut, Feed, BroadcastAnswer, Readiness, PersonEquipment, SwapOffer,
                  Imported, Trait, Posting, Directory, SavedFilter, SuspendedRole,
                  Watchword):  # fmt: skip
        await _delete(work, table, table.person_id == person_id)
    await work.session.execute(
        update(Inbox)
        .where(Inbox.chat_id.in_(chats), Inbox.answered_at.is_not(None))
        .values(body="")
        .execution_options(synchronize_session=False)
    )
    for telegram_id in chats:
        roles.menu_changed(work.session, telegram_id)


async def _blank_what_others_refer_to(work: Work, person_id: int) -> None:
    """Rows that numbers rest on stay, without words and without a way to the person."""
    await work.session.execute(
        update(Enrolment)
        .where(Enrolment.person_id == person_id)
        .values(cancel_reason=None)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Duty)
        .where(Duty.person_id == person_id)
        .values(note=None)
        .execution_options(synchronize_session=False)
    )
    attended = select(Attendance.id).join(Enrolment).where(Enrolment.person_id == person_id)
    await work.session.execute(
        update(Dispute)
        .where(Dispute.attendance_id.in_(attended))
        .values(text="")
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Word)
        .where(Word.person_id == person_id)
        .values(text="")
        .execution_options(synchronize_session=False)
    )
    await _delete(work, ConsoleSession, ConsoleSession.person_id == person_id)
    await _blank_deliveries(work, person_id)
    await work.session.execute(
        update(Account)
        .where(Account.person_id == person_id)
        .values(person_id=None, came_for=None)
        .execution_options(synchronize_session=False)
    )


async def _blank_deliveries(work: Work, person_id: int) -> None:
    """What they were told goes; what takes others' data off their phone still goes out."""
    rows = await work.session.execute(
        select(Delivery.id, Delivery.edits_id, Delivery.message_id)
        .join(Message, Message.id == Delivery.message_id)
        .where(
            Delivery.person_id == person_id,
            Delivery.edits_id.is_not(None),
            Delivery.state.in_((*WAITING, DeliveryState.SENDING)),
            Message.kind.in_(UNSAID),
        )
    )
    going = rows.all()
    own = select(Delivery.message_id).where(Delivery.person_id == person_id)
    others = select(Delivery.message_id).where(
        or_(Delivery.person_id.is_(None), Delivery.person_id != person_id)
    )
    await work.session.execute(
        update(Message)
        .where(
            Message.id.in_(own),
            Message.id.not_in(others),
            Message.id.not_in([one.message_id for one in going]),
        )
        .values(parameters={})
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Delivery)
        .where(Delivery.id.in_([key for one in going for key in (one.id, one.edits_id)]))
        .values(person_id=None, parameters=None)
        .execution_options(synchronize_session=False)
    )
    deliveries = select(Delivery.id).where(Delivery.person_id == person_id)
    await _delete(work, Attempt, Attempt.delivery_id.in_(deliveries))
    await _delete(work, Delivery, Delivery.edits_id.is_not(None), Delivery.person_id == person_id)
    await _delete(work, Delivery, Delivery.person_id == person_id)


async def _delete(work: Work, table: Any, *which: Any) -> None:
    await work.session.execute(
        delete(table).where(*which).execution_options(synchronize_session=False)
    )
