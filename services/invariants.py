"""What must be true of the tables together, whatever happened: asked of them by `muster doctor`.

Each invariant is a function that selects the keys of the rows that break it; none changes anything.
What a constraint of the database already refuses is not asked again: more places taken than there
are, two enrolments or attendances of one person for one shift, two confirmations of an attendance,
two open swaps of a turn, two alerts or accesses to a care file at once, two stars or awards of a
kind, a number given to two certificates, the same post twice, one account for two people, check-out
before check-in. The chains of the ledger are walked by `ledger.verify`, the copies for audiences
compared by `traits.differences`, the counts of statistics by `counting.differences`.

Not among them, since people may do so: two shifts of one person that overlap after a change of
times, being checked in to the next shift before having left the last, two turns on duty at once in
different teams, more yes answers to a call-out than it asks for (`services.waves` over-books).

How much is held in memory does not depend on the size of the city: the database counts, and of what
it finds only the first `limit` keys are read.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    String,
    Table,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from models import (
    HOLDING_A_PLACE,
    TELEGRAM,
    Account,
    Activity,
    ActivityState,
    Affiliation,
    AffiliationState,
    Attendance,
    AuditEntry,
    AwardRound,
    Base,
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
    Consent,
    ConsoleSession,
    Conversation,
    Delivery,
    DeliveryState,
    Directory,
    Dispatch,
    DispatchState,
    Dispute,
    DisputeState,
    Duty,
    Enrolment,
    EnrolmentState,
    Excuse,
    Feed,
    Group,
    Guardian,
    HelpRequest,
    HelpState,
    HoursState,
    Import,
    ImportPiece,
    ImportState,
    Inbox,
    Incident,
    IncidentState,
    Lane,
    LedgerEntry,
    MemberState,
    Message,
    Need,
    Organisation,
    OrganisationRequest,
    Pairing,
    PairingState,
    Person,
    Plan,
    PlanState,
    Posting,
    Project,
    ProjectState,
    Qualification,
    QualificationState,
    QuizAttempt,
    Recipient,
    Recognition,
    RecognitionState,
    RequestState,
    Response,
    ResponseState,
    Rhythm,
    Role,
    RoundState,
    Shift,
    Spending,
    Sponsorship,
    SponsorshipState,
    Standing,
    Story,
    StoryState,
    Swap,
    TeamMember,
    Token,
    Trait,
    Visit,
    VisitState,
    Wave,
    Webhook,
)
from models.sealed import Sealed, SealedBytes, SealedDocument, keyring
from services.enrolment import OPEN
from services.outbox import UNREACHABLE
from services.work import Work

LONG = timedelta(minutes=15)
"""After so long something that is due at once has been forgotten, or nothing is running."""
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
SAMPLED = 50
"""Of each sealed column so many of the oldest and of the newest values are opened."""

ASK = "Muster has a fault, or somebody wrote to the database by hand: keep a copy, and report it"
STARTED = "is `muster run` up, all of its roles? Its log says what holds this up"
KEY_FILE = "restore the key that sealed it to security.key_file, from the copy you kept"
BY_HAND = "see that what is said is right, then end it in the console, or report it"

Rows = Select[*tuple[Any, ...]]
Column = InstrumentedAttribute[Any]


@dataclass(frozen=True, slots=True)
class Invariant:
    name: str
    says: str
    """What must be true."""
    remedy: str
    find: Callable[[Work, int], Awaitable[list[str]]]
    """The first so many that break it, by the names of their keys: "shift 5"."""

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")


ALL: list[Invariant] = []


def _declare(name: str, says: str, remedy: str, look: Callable[[Work], Rows]) -> None:
    async def find(work: Work, limit: int) -> list[str]:
        rows = await work.session.execute(look(work).limit(limit))
        names = [name.replace("_", " ") for name in rows.keys()]  # noqa: SIM118 - of the columns
        return [
            ", ".join(f"{one} {key}" for one, key in zip(names, row, strict=True)) for row in rows
        ]

    ALL.append(Invariant(name, says, remedy, find))


def invariant(remedy: str = ASK) -> Callable[[Callable[[Work], Rows]], Callable[[Work], Rows]]:
    """Declares a function whose docstring says what must be true, and whose rows are the keys."""

    def declare(look: Callable[[Work], Rows]) -> Callable[[Work], Rows]:
        _declare(look.__name__, _said(look), remedy, look)
        return look

    return declare


def _said(look: Callable[..., object]) -> str:
    return " ".join(inspect.cleandoc(look.__doc__ or "").split())


# Places


@invariant()
def places_taken(_: Work) -> Rows:
    """As many places of a shift are taken as people hold one."""
    holding = (
        select(Enrolment.shift_id, func.count().label("count"))
        .where(Enrolment.state.in_(HOLDING_A_PLACE))
        .group_by(Enrolment.shift_id)
        .subquery()
    )
    return (
        select(Shift.id.label("shift"))
        .outerjoin(holding, holding.c.shift_id == Shift.id)
        .where(Shift.taken != func.coalesce(holding.c.count, 0))
    )


@invariant()
def nobody_waits_in_vain(work: Work) -> Rows:
    """Nobody who is alone waits for a shift that has a free place and has not begun."""
    return (
        select(Enrolment.id.label("enrolment"))
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Enrolment.state == EnrolmentState.WAITLISTED,
            Enrolment.block_id.is_(None),
            Shift.taken < Shift.quota,
            Shift.starts_at > work.now,
            Activity.state == ActivityState.PUBLISHED,
        )
    )


@invariant()
def nobody_counts_on_what_is_off(_: Work) -> Rows:
    """Nobody has a place, or waits for one, in an activity that was called off."""
    return (
        select(Enrolment.id.label("enrolment"))
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Activity.state == ActivityState.CANCELLED, Enrolment.state.in_(OPEN))
    )


@invariant(STARTED)
def offers_lapse(work: Work) -> Rows:
    """No place is held for somebody long after the offer has lapsed."""
    return select(Enrolment.id.label("enrolment")).where(
        Enrolment.state == EnrolmentState.OFFERED, Enrolment.offer_expires_at < work.now - LONG
    )


@invariant()
def groups_in_their_shift(_: Work) -> Rows:
    """Who was enrolled with a group is in the shift of that group."""
    return (
        select(Enrolment.id.label("enrolment"))
        .join(Block, Block.id == Enrolment.block_id)
        .where(Block.shift_id != Enrolment.shift_id)
    )


@invariant()
def groups_of_their_size(_: Work) -> Rows:
    """No group holds, or waits for, more places than it asked for."""
    return (
        select(Block.id.label("block"))
        .join(Enrolment, Enrolment.block_id == Block.id)
        .group_by(Block.id, Block.size)
        .having(func.count() > Block.size)
    )


# Being there, and hours


@invariant()
def attended_was_there(_: Work) -> Rows:
    """Whoever attended has an attendance, and whoever has one attended."""
    return (
        select(Enrolment.id.label("enrolment"))
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where((Enrolment.state == EnrolmentState.ATTENDED) != Attendance.id.is_not(None))
    )


@invariant()
def open_means_inside(_: Work) -> Rows:
    """Who is still there has not left, and has no minutes yet."""
    return select(Attendance.id.label("attendance")).where(
        Attendance.state == HoursState.OPEN,
        or_(Attendance.checked_out_at.is_not(None), Attendance.minutes.is_not(None)),
    )


@invariant()
def entries_of_the_same_person(_: Work) -> Rows:
    """An entry of the ledger is of the person who attended."""
    return (
        select(LedgerEntry.id.label("ledger_entry"))
        .join(Attendance, Attendance.id == LedgerEntry.attendance_id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.person_id != LedgerEntry.person_id)
    )


# Certificates


@invariant()
def numbers_without_a_gap(_: Work) -> Rows:
    """The numbers of a body's certificates of a year run from 1 to the last one given, but for
    those that a restored backup has left out.
    """
    given = (
        select(
            Certificate.organisation_id,
            Certificate.year,
            func.count(Certificate.sequence.distinct()).label("count"),
            func.max(Certificate.sequence).label("last"),
        )
        .group_by(Certificate.organisation_id, Certificate.year)
        .subquery()
    )
    return (
        select(CertificateCount.organisation_id.label("organisation"), CertificateCount.year)
        .outerjoin(
            given,
            and_(
                given.c.organisation_id == CertificateCount.organisation_id,
                given.c.year == CertificateCount.year,
            ),
        )
        .where(
            or_(
                func.coalesce(given.c.count, 0) + CertificateCount.left_out
                != CertificateCount.last,
                func.coalesce(given.c.last, 0) > CertificateCount.last,
            )
        )
    )


@invariant()
def certificates_are_counted(_: Work) -> Rows:
    """Each certificate has a number that its body's count has given."""
    return (
        select(Certificate.id.label("certificate"))
        .outerjoin(
            CertificateCount,
            and_(
                CertificateCount.organisation_id == Certificate.organisation_id,
                CertificateCount.year == Certificate.year,
            ),
        )
        .where(CertificateCount.last.is_(None))
    )


@invariant()
def replaced_by_a_newer_one(_: Work) -> Rows:
    """There is a newer version of each certificate that was replaced."""
    newer = aliased(Certificate)
    return (
        select(Certificate.id.label("certificate"))
        .outerjoin(
            newer, and_(newer.number == Certificate.number, newer.version > Certificate.version)
        )
        .where(Certificate.state == CertificateState.REPLACED, newer.id.is_(None))
    )


@invariant()
def certified_for_its_holder(_: Work) -> Rows:
    """A certificate counts attendances of its holder only."""
    return (
        select(CertificateLine.certificate_id.label("certificate"))
        .join(Certificate, Certificate.id == CertificateLine.certificate_id)
        .join(Attendance, Attendance.id == CertificateLine.attendance_id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.person_id != Certificate.person_id)
        .distinct()
    )


# Messages


@invariant()
def deliveries_say_something(_: Work) -> Rows:
    """Each delivery has its message."""
    return (
        select(Delivery.id.label("delivery"))
        .outerjoin(Message, Message.id == Delivery.message_id)
        .where(Message.id.is_(None))
    )


@invariant()
def deliveries_to_somebody(_: Work) -> Rows:
    """Whom a delivery names is there."""
    return (
        select(Delivery.id.label("delivery"))
        .outerjoin(Person, Person.id == Delivery.person_id)
        .where(Delivery.person_id.is_not(None), Person.id.is_(None))
    )


@invariant()
def sent_is_on_a_phone(_: Work) -> Rows:
    """What was sent by Telegram has the number of its message on the phone."""
    return select(Delivery.id.label("delivery")).where(
        Delivery.state == DeliveryState.SENT,
        Delivery.channel == TELEGRAM,
        Delivery.telegram_message_id.is_(None),
    )


@invariant()
def waiting_has_a_chat(_: Work) -> Rows:
    """What waits to be sent by Telegram has a chat."""
    return select(Delivery.id.label("delivery")).where(
        Delivery.state == DeliveryState.QUEUED,
        Delivery.channel == TELEGRAM,
        Delivery.chat_id.is_(None),
    )


@invariant(STARTED)
def emergencies_go_out(work: Work) -> Rows:
    """No emergency message waits long after it was due."""
    return select(Delivery.id.label("delivery")).where(
        Delivery.lane == int(Lane.EMERGENCY),
        Delivery.state == DeliveryState.QUEUED,
        Delivery.due_at < work.now - LONG,
    )


@invariant("its template or words are at fault; call these people by other means, and report it")
def emergencies_arrive(work: Work) -> Rows:
    """No emergency message of this week failed for another reason than that there is no chat."""
    return select(Delivery.id.label("delivery")).where(
        Delivery.lane == int(Lane.EMERGENCY),
        Delivery.state == DeliveryState.FAILED,
        Delivery.channel == TELEGRAM,
        Delivery.edits_id.is_(None),
        Delivery.created_at > work.now - WEEK,
        Delivery.reason.not_in(UNREACHABLE),
    )


@invariant(STARTED)
def sending_ends(work: Work) -> Rows:
    """Nothing is being sent for long."""
    return select(Delivery.id.label("delivery")).where(
        Delivery.state == DeliveryState.SENDING, Delivery.claimed_at < work.now - LONG
    )


@invariant()
def edits_follow(_: Work) -> Rows:
    """An edit that waits for its message to land does so only while that may still land."""
    original = aliased(Delivery)
    unsettled = (DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.SENDING)
    return (
        select(Delivery.id.label("delivery"))
        .join(original, original.id == Delivery.edits_id)
        .where(
            Delivery.state == DeliveryState.HELD,
            Delivery.lane != int(Lane.BROADCAST),
            original.state.not_in(unsettled),
        )
    )


@invariant()
def broadcasts_once(_: Work) -> Rows:
    """Nobody was written the same broadcast twice."""
    return (
        select(Broadcast.id.label("broadcast"), Delivery.person_id.label("person"))
        .join(Delivery, Delivery.message_id == Broadcast.message_id)
        .where(
            Delivery.edits_id.is_(None),
            Delivery.channel == TELEGRAM,
            Delivery.person_id.is_not(None),
            Delivery.lane == int(Lane.BROADCAST),
        )
        .group_by(Broadcast.id, Delivery.person_id)
        .having(func.count() > 1)
    )


@invariant()
def broadcasts_up_to_their_mark(_: Work) -> Rows:
    """A broadcast has been written to nobody beyond the mark that it keeps."""
    return (
        select(Broadcast.id.label("broadcast"))
        .join(Delivery, Delivery.message_id == Broadcast.message_id)
        .where(
            Delivery.lane == int(Lane.BROADCAST),
            Delivery.edits_id.is_(None),
            Delivery.person_id > Broadcast.written_to,
        )
        .distinct()
    )


@invariant(STARTED)
def updates_are_answered(work: Work) -> Rows:
    """No update waits long for its answer."""
    return select(Inbox.bot_id.label("bot"), Inbox.update_id.label("update")).where(
        Inbox.answered_at.is_(None), Inbox.received_at < work.now - LONG
    )


@invariant()
def answered_is_emptied(_: Work) -> Rows:
    """Nothing is kept of what an answered update said."""
    return select(Inbox.bot_id.label("bot"), Inbox.update_id.label("update")).where(
        Inbox.answered_at.is_not(None), Inbox.body != ""
    )


@invariant()
def one_form_at_a_time(_: Work) -> Rows:
    """At most one of somebody's forms is active."""
    return (
        select(Conversation.account_id.label("account"))
        .where(Conversation.active)
        .group_by(Conversation.account_id)
        .having(func.count() > 1)
    )


# Call-outs


@invariant()
def responses_in_their_callout(_: Work) -> Rows:
    """The need for which somebody was asked belongs to the same call-out."""
    return (
        select(Response.callout_id.label("callout"), Response.person_id.label("person"))
        .join(Need, Need.id == Response.need_id)
        .where(Need.callout_id != Response.callout_id)
    )


@invariant()
def asked_in_a_wave(_: Work) -> Rows:
    """Whoever was asked in a call-out was so in a wave that took place."""
    return (
        select(Response.callout_id.label("callout"), Response.person_id.label("person"))
        .outerjoin(Wave, and_(Wave.need_id == Response.need_id, Wave.number == Response.wave))
        .where(Wave.need_id.is_(None))
    )


@invariant("call these people by other means, now; then report it")
def asked_are_told(_: Work) -> Rows:
    """Whoever was asked in a call-out that runs has been written to about it."""
    about = literal("callout:") + cast(Response.callout_id, String) + literal(":%")
    told = (
        select(Delivery.id)
        .join(Message, Message.id == Delivery.message_id)
        .where(Delivery.person_id == Response.person_id, Message.subject.like(about))
    )
    return (
        select(Response.callout_id.label("callout"), Response.person_id.label("person"))
        .join(Callout, Callout.id == Response.callout_id)
        .where(Callout.state == CalloutState.ACTIVE, ~told.exists())
    )


@invariant()
def only_launched_ones_ask(_: Work) -> Rows:
    """Nobody was asked in a call-out that was never launched."""
    return (
        select(Callout.id.label("callout"))
        .join(Response, Response.callout_id == Callout.id)
        .where(Callout.launched_at.is_(None))
        .distinct()
    )


@invariant()
def places_are_forgotten(work: Work) -> Rows:
    """Where people were is not kept beyond the end of a call-out."""
    found = (
        select(Response.callout_id.label("callout"), Response.person_id.label("person"))
        .join(Callout, Callout.id == Response.callout_id)
        .where(Callout.state == CalloutState.ENDED, Response.latitude.is_not(None))
    )
    return found if not work.policy.callout_keeps_places else found.where(literal(False))


# Organisations, roles and the audit log


@invariant()
def paths_of_the_tree(_: Work) -> Rows:
    """An organisation's path is that of the one above it, and its own key."""
    above = aliased(Organisation)
    own = func.coalesce(above.path, "") + cast(Organisation.id, String) + literal(".")
    return (
        select(Organisation.id.label("organisation"))
        .outerjoin(above, above.id == Organisation.parent_id)
        .where(Organisation.path != own)
    )


@invariant()
def one_root(_: Work) -> Rows:
    """There is one organisation at most that has none above it."""
    first = aliased(Organisation)
    return select(Organisation.id.label("organisation")).where(
        Organisation.parent_id.is_(None),
        select(first.id).where(first.parent_id.is_(None), first.id < Organisation.id).exists(),
    )


@invariant()
def nothing_open_below_closed(_: Work) -> Rows:
    """No organisation is open below one that was closed."""
    above = aliased(Organisation)
    return (
        select(Organisation.id.label("organisation"))
        .join(above, above.id == Organisation.parent_id)
        .where(above.closed_at.is_not(None), Organisation.closed_at.is_(None))
    )


def _in_closed(key: Column, name: str, organisation: Column, *which: ColumnElement[bool]) -> Rows:
    return (
        select(key.label(name))
        .join(Organisation, Organisation.id == organisation)
        .where(Organisation.closed_at.is_not(None), *which)
    )


@invariant(BY_HAND)
def no_role_in_closed(_: Work) -> Rows:
    """Nobody holds a role in an organisation that was closed."""
    return _in_closed(Role.id, "role", Role.organisation_id)


@invariant(BY_HAND)
def no_token_of_closed(_: Work) -> Rows:
    """No token of an organisation that was closed is in use."""
    return _in_closed(Token.id, "token", Token.organisation_id, Token.revoked_at.is_(None))


@invariant(BY_HAND)
def no_webhook_of_closed(_: Work) -> Rows:
    """No webhook of an organisation that was closed is on."""
    return _in_closed(Webhook.id, "webhook", Webhook.organisation_id, Webhook.enabled.is_(True))


@invariant(BY_HAND)
def no_member_of_closed(_: Work) -> Rows:
    """Nobody is in a team that was closed, or invited to it."""
    left = TeamMember.state == MemberState.LEFT
    return _in_closed(TeamMember.id, "team_member", TeamMember.organisation_id, ~left)


@invariant()
def no_group_of_closed(_: Work) -> Rows:
    """No chat belongs to an organisation that was closed."""
    return _in_closed(Group.id, "group", Group.organisation_id)


@invariant(STARTED)
def nobody_left_in_closed(work: Work) -> Rows:
    """Whoever belonged to an organisation that was closed has been moved a day later."""
    stays = (Person.standing != Standing.ERASED, Organisation.closed_at < work.now - DAY)
    return _in_closed(Person.id, "person", Person.organisation_id, *stays)


@invariant()
def roles_are_in_the_log(_: Work) -> Rows:
    """The audit log says who gave each role that somebody gave."""
    given = select(AuditEntry.id).where(
        AuditEntry.subject == literal("person:") + cast(Role.person_id, String),
        AuditEntry.organisation_id == Role.organisation_id,
        AuditEntry.action.in_(("role.granted", "role.claimed")),
    )
    return select(Role.id.label("role")).where(Role.granted_by_id.is_not(None), ~given.exists())


# People


_KEPT_OF_PERSON = (
    Person.number, Person.birth_date, Person.phone, Person.phone_hash, Person.phone_tail_hash,
    Person.id_number, Person.id_number_hash, Person.email, Person.home, Person.latitude,
    Person.emergency_contact,
)  # fmt: skip
_ROWS_OF_PERSON: tuple[Column, ...] = (
    Account.person_id, Role.person_id, Consent.person_id, Guardian.person_id,
    Qualification.person_id, ConsoleSession.person_id, Feed.person_id, Trait.person_id,
    Directory.person_id, Posting.person_id, Delivery.person_id,
)  # fmt: skip


@invariant("erase it by hand, in the tables that hold it; then report it")
def erased_means_erased(_: Work) -> Rows:
    """Nothing says who somebody was whose data were erased."""
    kept = (
        Person.name != "",
        Person.name_search != "",
        *(column.is_not(None) for column in _KEPT_OF_PERSON),
        *(select(literal(1)).where(column == Person.id).exists() for column in _ROWS_OF_PERSON),
    )
    return select(Person.id.label("person")).where(Person.standing == Standing.ERASED, or_(*kept))


@invariant("erase it by hand, in the tables that hold it; then report it")
def erased_care_files(_: Work) -> Rows:
    """Nothing says who somebody was whose care file was erased."""
    kept = (Recipient.details, Recipient.phone_hash, Recipient.latitude, Recipient.longitude)
    return select(Recipient.id.label("care_file")).where(
        Recipient.erased_at.is_not(None), or_(*(column.is_not(None) for column in kept))
    )


@invariant("erase it by hand, in the tables that hold it; then report it")
def erased_certificates(_: Work) -> Rows:
    """Nothing is kept of what a certificate said whose holder's data were erased."""
    return select(Certificate.id.label("certificate")).where(
        Certificate.erased_at.is_not(None),
        or_(Certificate.content.is_not(None), Certificate.code.is_not(None)),
    )


@invariant()
def phones_are_found(_: Work) -> Rows:
    """A phone that somebody has proved to be theirs is found by its hash."""
    return select(Person.id.label("person")).where(
        Person.phone.is_not(None), Person.phone_verified, Person.phone_hash.is_(None)
    )


# Duty


@invariant()
def swaps_by_their_holder(_: Work) -> Rows:
    """Whoever asks to be relieved of a turn holds it."""
    return (
        select(Swap.id.label("swap"))
        .join(Duty, Duty.id == Swap.duty_id)
        .where(Swap.closed_at.is_(None), Duty.person_id != Swap.asker_id)
    )


@invariant()
def one_turn_at_a_time(_: Work) -> Rows:
    """Nobody has two turns on duty at once in one team."""
    other = aliased(Duty)
    return (
        select(Duty.id.label("duty"))
        .join(
            other,
            and_(
                other.person_id == Duty.person_id,
                other.organisation_id == Duty.organisation_id,
                other.id > Duty.id,
                other.starts_at < Duty.ends_at,
                other.ends_at > Duty.starts_at,
            ),
        )
        .distinct()
    )


# Care


def _of_closed_file(key: Column, name: str, recipient: Column, *which: ColumnElement[bool]) -> Rows:
    return (
        select(key.label(name))
        .join(Recipient, Recipient.id == recipient)
        .where(Recipient.closed_at.is_not(None), *which)
    )


@invariant(BY_HAND)
def no_circle_of_closed(_: Work) -> Rows:
    """Nobody is in the circle of a care file that was closed."""
    around = Pairing.state.in_((PairingState.ASKED, PairingState.ACTIVE))
    return _of_closed_file(Pairing.id, "pairing", Pairing.recipient_id, around)


@invariant(BY_HAND)
def no_visits_of_closed(_: Work) -> Rows:
    """No visits are laid down for a care file that was closed."""
    return _of_closed_file(Rhythm.recipient_id, "care_file", Rhythm.recipient_id)


@invariant()
def visits_are_hours_of_the_visitor(_: Work) -> Rows:
    """The hours of a visit are those of who made it."""
    return (
        select(Visit.id.label("visit"))
        .join(Attendance, Attendance.id == Visit.attendance_id)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Visit.person_id.is_not(None), Enrolment.person_id != Visit.person_id)
    )


# Projects, training, files


@invariant()
def spent_is_the_sum(_: Work) -> Rows:
    """What a budget line says is spent is the sum of its spendings."""
    sums = (
        select(Spending.line_id, func.sum(Spending.cents).label("cents"))
        .group_by(Spending.line_id)
        .subquery()
    )
    return (
        select(BudgetLine.id.label("budget_line"))
        .outerjoin(sums, sums.c.line_id == BudgetLine.id)
        .where(BudgetLine.spent != func.coalesce(sums.c.cents, 0))
    )


@invariant()
def finished_quizzes_have_a_score(_: Work) -> Rows:
    """A quiz is finished when it has a score, and the other way round."""
    over = QuizAttempt.finished_at.is_not(None)
    return select(QuizAttempt.id.label("attempt")).where(
        or_(over != QuizAttempt.score.is_not(None), over != QuizAttempt.passed.is_not(None))
    )


@invariant()
def imported_files_are_gone(_: Work) -> Rows:
    """Nothing is kept of a file as it was sent once its rows have been brought in."""
    return (
        select(Import.id.label("import"))
        .join(ImportPiece, ImportPiece.import_id == Import.id)
        .where(Import.state == ImportState.DONE)
        .distinct()
    )


# What a state says


NEEDED: tuple[tuple[Column, tuple[Any, ...], tuple[Column, ...]], ...] = (
    (Enrolment.state, (EnrolmentState.OFFERED,), (Enrolment.offer_expires_at,)),
    (Enrolment.state, (EnrolmentState.CANCELLED,), (Enrolment.cancelled_at,)),
    (
        Attendance.state,
        (HoursState.PROPOSED, HoursState.CONFIRMED, HoursState.REJECTED, HoursState.TRAINING),
        (Attendance.checked_out_at, Attendance.minutes),
    ),
    (Attendance.state, (HoursState.CONFIRMED, HoursState.REJECTED), (Attendance.decided_at,)),
    (Dispute.state, (DisputeState.GRANTED, DisputeState.DISMISSED), (Dispute.decided_at,)),
    (Excuse.state, (DisputeState.GRANTED, DisputeState.DISMISSED), (Excuse.decided_at,)),
    (Delivery.state, (DeliveryState.SENDING,), (Delivery.claimed_at,)),
    (
        Delivery.state,
        (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.EXPIRED),
        (Delivery.finished_at,),
    ),
    (Delivery.state, (DeliveryState.FAILED,), (Delivery.reason,)),
    (Callout.state, (CalloutState.ACTIVE, CalloutState.ENDED), (Callout.launched_at,)),
    (Callout.state, (CalloutState.ENDED,), (Callout.ended_at,)),
    (Response.state, (ResponseState.COMING,), (Response.due_at, Response.answered_at)),
    (Response.state, (ResponseState.ON_SCENE, ResponseState.HOME), (Response.arrived_at,)),
    (Response.state, (ResponseState.HOME,), (Response.home_at,)),
    (
        Certificate.state,
        (CertificateState.REVOKED,),
        (Certificate.revoked_at, Certificate.revocation),
    ),
    (Certificate.state, (CertificateState.REPLACED,), (Certificate.replaced_at,)),
    (Broadcast.state, (BroadcastState.FINISHED, BroadcastState.STOPPED), (Broadcast.finished_at,)),
    (Person.standing, (Standing.ACTIVE,), (Person.number,)),
    (
        OrganisationRequest.state,
        (RequestState.GRANTED, RequestState.REFUSED),
        (OrganisationRequest.decided_at,),
    ),
    (Plan.state, (PlanState.APPROVED, PlanState.SENT_BACK), (Plan.decided_at,)),
    (Project.state, (ProjectState.RUNNING,), (Project.approved_at, Project.started_at)),
    (Project.state, (ProjectState.CLOSED,), (Project.closed_at,)),
    (
        Sponsorship.state,
        (SponsorshipState.ACCEPTED, SponsorshipState.DECLINED),
        (Sponsorship.decided_at,),
    ),
    (Incident.state, (IncidentState.TAKEN,), (Incident.taken_at,)),
    (Incident.state, (IncidentState.CLOSED,), (Incident.closed_at,)),
    (TeamMember.state, (MemberState.ACTIVE,), (TeamMember.since,)),
    (TeamMember.state, (MemberState.LEFT,), (TeamMember.until,)),
    (Affiliation.state, (AffiliationState.CONFIRMED,), (Affiliation.since,)),
    (Affiliation.state, (AffiliationState.ENDED,), (Affiliation.until,)),
    (Pairing.state, (PairingState.ENDED,), (Pairing.ended_at,)),
    (Visit.state, (VisitState.DONE,), (Visit.noted_at,)),
    (
        HelpRequest.state,
        (HelpState.MATCHED, HelpState.DONE),
        (HelpRequest.matched_at,),
    ),
    (HelpRequest.state, (HelpState.THANKED, HelpState.CANCELLED), (HelpRequest.ended_at,)),
    (Recognition.state, (RecognitionState.AWARDED,), (Recognition.awarded_at,)),
    (AwardRound.state, (RoundState.SUBMITTED,), (AwardRound.submitted_at,)),
    (AwardRound.state, (RoundState.APPROVED,), (AwardRound.decided_at,)),
    (Story.state, (StoryState.PUBLISHED,), (Story.published_at,)),
    (Dispatch.state, (DispatchState.TAKEN, DispatchState.GIVEN_UP), (Dispatch.tried_at,)),
    (Import.state, (ImportState.DONE,), (Import.finished_at,)),
    (Qualification.state, (QualificationState.REFUSED,), (Qualification.decided_at,)),
)
"""In these states of a table, these columns are filled: when it was, or who it was."""


def state_of(column: Column) -> str:
    """The name of the invariant that says what a table's states need."""
    return f"states_of_{column.class_.__tablename__}"


def _declare_states() -> None:
    by_table: dict[str, list[tuple[Column, tuple[Any, ...], tuple[Column, ...]]]] = {}
    for one in NEEDED:
        by_table.setdefault(state_of(one[0]), []).append(one)
    for name, needed in by_table.items():
        table = needed[0][0].class_.__table__
        said = "; ".join(
            f"{' or '.join(states)} has {', '.join(column.key for column in columns)}"
            for _, states, columns in needed
        )
        _declare(name, f"What a row of {table.name} says of its state is there: {said}.", ASK,
                 _lacking(table, needed))  # fmt: skip


def _lacking(
    table: Table, needed: Iterable[tuple[Column, tuple[Any, ...], tuple[Column, ...]]]
) -> Callable[[Work], Rows]:
    missing = or_(
        *(
            and_(state.in_(states), or_(*(column.is_(None) for column in columns)))
            for state, states, columns in needed
        )
    )
    keys = [
        column.label(table.name if column.name == "id" else column.name)
        for column in table.primary_key
    ]
    return lambda _: select(*keys).where(missing)


_declare_states()


# What is sealed


async def _unreadable(work: Work, limit: int) -> list[str]:
    """What is sealed can be opened with the keys of the key file."""
    found: list[str] = []
    for column in _sealed_columns():
        found += await _not_opened(work, column)
        if len(found) >= limit:
            break
    return found[:limit]


def _sealed_columns() -> list[Any]:
    return [
        column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Sealed | SealedBytes | SealedDocument)
    ]


async def _not_opened(work: Work, column: Any) -> list[str]:
    """Of the oldest and the newest values in a column, those that no key opens."""
    keys = list(column.table.primary_key)
    content = type_coerce(column, LargeBinary)
    found = []
    for order in (keys, [key.desc() for key in keys]):
        rows = await work.session.execute(
            select(*keys, content).where(column.is_not(None)).order_by(*order).limit(SAMPLED)
        )
        found += [row for row in rows if row[-1] and not _opens(row[-1])]
    named = ("/".join(map(str, row[:-1])) for row in found)
    return [f"{column.table.name}.{column.name} of {key}" for key in dict.fromkeys(named)]


def _opens(content: bytes) -> bool:
    try:
        keyring().unseal(content)
    except (KeyError, InvalidTag, ValueError):
        return False
    return True


ALL.append(Invariant("sealed_can_be_opened", _said(_unreadable), KEY_FILE, _unreadable))
