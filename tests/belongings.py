"""One of each thing that the console's addresses name, in the hands of one town."""

import re
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from models import (
    Attendance,
    Callout,
    CalloutState,
    CareAccess,
    CareAlert,
    Circle,
    ConsoleSession,
    Dispatch,
    DispatchState,
    Dispute,
    DisputeState,
    Emergency,
    Enrolment,
    Event,
    Group,
    HelpFor,
    HelpKind,
    HoursState,
    Means,
    Pairing,
    PairingState,
    Person,
    Qualification,
    QualificationKind,
    QualificationState,
    Role,
    SavedFilter,
    Token,
    Visit,
    VisitState,
    Webhook,
    Wellbeing,
)
from models.enrolment import EnrolmentState
from playground.phone import Phone
from services import audiences, broadcasts, care, enclosures, help_requests
from services.audiences import Audience
from services.enclosures import Voice
from tests.caring import described
from tests.certified import RECORD, issued
from tests.city import City
from tests.consoles import desk_of
from tests.importing import VOLUNTEERS, Bringing, written
from web.console.framework import Entry

SECRET = "欧阳石岐"
"""The name of whoever holds them: no page of others may show it."""


async def examples(city: City, phone: Phone | None = None) -> dict[str, int]:
    """One of each thing in a town, by the name that paths give its key; of whoever has the phone.

    Without one, of a coordinator of their own.
    """
    phone = phone or await city.coordinator(SECRET, organisation="zs-shiqi")
    victim = await city.person(phone)
    async with desk_of(city, phone), city.database.read() as session:
        opened = await session.scalar(
            select(ConsoleSession.id).where(ConsoleSession.person_id == victim.id)
        )
    assert opened is not None
    certificate = await issued(city.making, victim, RECORD)
    return {
        "person_id": victim.id,
        "organisation_id": victim.organisation_id,
        "session_id": opened,
        "certificate_id": certificate.id,
        "import_id": await _import(city, victim),
        **await _organisation(city, victim),
        **await _activity(city, victim),
        **await _exchange(city, victim),
        **await _handed_in(city, victim),
        **await _said(city, victim),
        **await _care(city, victim),
    }


async def _care(city: City, victim: Person) -> dict[str, int]:
    """A care file with a circle, a visit by voice and an open alert, and a request for help."""
    now, home = city.clock(), victim.organisation_id
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, victim.id))
        recipient = await care.open_file(work, home, described(name=SECRET))
        given = (await session.scalars(select(CareAccess))).one()
        pairing = Pairing(
            recipient_id=recipient.id, person_id=victim.id, circle=Circle.NEIGHBOUR,
            state=PairingState.ACTIVE, asked_by_id=victim.id, asked_at=now,
        )  # fmt: skip
        visit = Visit(
            recipient_id=recipient.id, planned=False, starts_at=now - timedelta(hours=1),
            ends_at=now, person_id=victim.id, state=VisitState.DONE, wellbeing=Wellbeing.WELL,
            note=SECRET, minutes=60, noted_at=now,
        )  # fmt: skip
        alert = CareAlert(
            recipient_id=recipient.id, raised_by_id=victim.id, raised_at=now, level_id=home,
            told_at=now,
        )  # fmt: skip
        session.add_all((pairing, visit, alert))
        said = help_requests.Asked(
            home, HelpKind.ERRAND, HelpFor.MYSELF, SECRET, SECRET, "now", SECRET, "+8613912345670"
        )
        request = await help_requests.take_call(work, said)
        await session.flush()
        await enclosures.add(work, care.visit_subject(visit.id), voice=Voice("x", 3))
        return {
            "recipient_id": recipient.id, "access_id": given.id, "pairing_id": pairing.id,
            "visit_id": visit.id, "care_alert_id": alert.id, "request_id": request.id,
        }  # fmt: skip


async def _said(city: City, victim: Person) -> dict[str, int]:
    """A draft of a message, a saved audience and a call-out that runs."""
    home = victim.organisation_id or 0
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, victim.id))
        draft = await broadcasts.draft(work, home, "notice", f"{SECRET}的通知")
        kept = await audiences.save(work, home, f"{SECRET}的对象", Audience())
        callout = Callout(
            organisation_id=home, commander_id=victim.id, kind=Emergency.FLOOD, drill=False,
            state=CalloutState.ACTIVE, word="1234", address=f"{SECRET}广场", created_at=work.now,
            launched_at=work.now, latitude=22.5, longitude=113.4, radius=5000.0,
        )  # fmt: skip
        session.add(callout)
        await session.flush()
        return {"broadcast_id": draft.id, "audience_id": kept.id, "callout_id": callout.id}


async def _organisation(city: City, victim: Person) -> dict[str, int]:
    """A role in it, where it gathers, and its group."""
    point = await city.making.rally_point("zs-shiqi", f"{SECRET}家门口", 22.53, 113.38)
    async with city.database.write() as session:
        role = (await session.scalars(select(Role.id).where(Role.person_id == victim.id))).one()
        group = Group(
            chat_id=-77,
            organisation_id=victim.organisation_id,
            title=f"{SECRET}的群",
            language="zh_Hans",
        )
        session.add(group)
        await session.flush()
        return {"role_id": role, "rally_point_id": point.id, "group_id": group.id}


async def _activity(city: City, victim: Person) -> dict[str, int]:
    """A shift at which they have been, against whose hours they object."""
    activity = await city.making.activity(victim, f"{SECRET}的活动")
    shift = await city.making.shift(activity)
    now = city.clock()
    async with city.database.write() as session:
        place = Enrolment(
            shift_id=shift.id,
            person_id=victim.id,
            state=EnrolmentState.ATTENDED,
            queued_at=now,
        )
        session.add(place)
        await session.flush()
        attended = Attendance(
            enrolment_id=place.id,
            checked_in_at=now,
            in_means=Means.ROLL,
            state=HoursState.REJECTED,
            minutes=60,
        )
        session.add(attended)
        await session.flush()
        objection = Dispute(
            attendance_id=attended.id,
            organisation_id=victim.organisation_id,
            text=SECRET,
            state=DisputeState.OPEN,
            raised_at=now,
        )
        session.add(objection)
        await session.flush()
        return {
            "activity_id": activity.id,
            "shift_id": shift.id,
            "enrolment_id": place.id,
            "attendance_id": attended.id,
            "dispute_id": objection.id,
        }


async def _handed_in(city: City, victim: Person) -> dict[str, int]:
    """A document to be verified, and a saved search."""
    async with city.database.write() as session:
        kind = (await session.scalars(select(QualificationKind.id).limit(1))).one()
        document = Qualification(
            person_id=victim.id,
            kind_id=kind,
            state=QualificationState.AWAITING,
            picture="x",
            submitted_at=city.clock(),
        )
        kept = SavedFilter(person_id=victim.id, name=SECRET, wanted={}, saved_at=city.clock())
        session.add_all((document, kept))
        await session.flush()
        return {"qualification_id": document.id, "filter_id": kept.id}


async def _import(city: City, victim: Person) -> int:
    """A table that waits to be imported."""
    bringing = Bringing(city.database, city.making, victim)
    file = await bringing.send(VOLUNTEERS, written(("姓名", "手机"), (SECRET, "13912345678")))
    await bringing.check(file)
    return file


async def _exchange(city: City, victim: Person) -> dict[str, int]:
    """A token, a webhook and what was sent to it."""
    now, home = city.clock(), victim.organisation_id
    async with city.database.write() as session:
        token = Token(
            organisation_id=home,
            made_by_id=victim.id,
            name=SECRET,
            secret_hash="x",
            ending="abcd",
            scopes=[],
            made_at=now,
            expires_at=now,
        )
        webhook = Webhook(
            organisation_id=home,
            made_by_id=victim.id,
            name=SECRET,
            url="https://example.org",
            kinds=[],
            secret="x",
            made_at=now,
        )
        event = Event(name="x", organisation_id=home, kind="ping", data={}, at=now)
        session.add_all((token, webhook, event))
        await session.flush()
        dispatch = Dispatch(
            webhook_id=webhook.id, event_id=event.id, state=DispatchState.GIVEN_UP, due_at=now
        )
        session.add(dispatch)
        await session.flush()
        return {"token_id": token.id, "webhook_id": webhook.id, "dispatch_id": dispatch.id}


def filled(entry: Entry, keys: Mapping[str, int]) -> str:
    """The entry's path for those keys."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        assert name in keys, f"{entry.path}: say in `examples` what {name} names"
        return str(keys[name])

    path = re.sub(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}", value, entry.path)
    return path.removeprefix("/console")
