"""Nobody answers the door: everyone concerned hears at once, until somebody says how they are.

The coordinators get the emergency contact as well. Whom nobody takes on in time goes a level up.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from models import (
    AlertEnd,
    CareAlert,
    Delivery,
    Lane,
    Message,
    Organisation,
    PairingState,
    Person,
    Recipient,
    VisitState,
)
from services import access, care, delivery, pairings, urgency, visiting
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.urgency import Level, Part
from services.work import Work

KEEPERS, CIRCLE = "care_alert", "care_alert_circle"
"""The kinds of what coordinators and what the circle are told."""
TAKEN_FOR_ALERT = "alert"
"""Why somebody sees inside who took an alert on."""
PORTION = 100


async def raise_for_visit(work: Work, visit_id: int) -> CareAlert:
    """The actor stands before the door. Raises Gone, Refusal("visit_not_now")."""
    visit, recipient = await visiting.own(work, visit_id, lock=True)
    if not visiting.may_note(work, visit):
        raise Refusal("visit_not_now")
    visit.state, visit.noted_at = VisitState.NO_ANSWER, work.now
    await work.session.flush()
    await delivery.close(work, care.visit_subject(visit.id), kind=care.KIND)
    return await _raise(work, recipient, visit.id)


async def raise_for_pairing(work: Work, pairing_id: int) -> CareAlert:
    """As `raise_for_visit`, without a standing visit. Raises Gone."""
    pairing, recipient = await pairings.own(work, pairing_id)
    if pairing.state is not PairingState.ACTIVE:
        raise Gone
    return await _raise(work, recipient, None)


async def _raise(work: Work, recipient: Recipient, visit_id: int | None) -> CareAlert:
    """A new alert, or the one that is open already; two at once wait for the recipient's row."""
    await work.session.scalar(
        select(Recipient.id).where(Recipient.id == recipient.id).with_for_update()
    )
    alert = await work.session.scalar(
        select(CareAlert).where(
            CareAlert.recipient_id == recipient.id, CareAlert.ended_at.is_(None)
        )
    )
    if alert is not None:
        return alert
    alert = CareAlert(
        recipient_id=recipient.id,
        visit_id=visit_id,
        raised_by_id=work.person.id,
        raised_at=work.now,
        level_id=recipient.organisation_id,
        told_at=work.now,
    )
    work.session.add(alert)
    await work.session.flush()
    care.note(work, "alert_raised", recipient)
    keepers, see = await care.keepers(work, recipient)
    await _tell_keepers(work, alert, recipient, keepers, see=see)
    circle = [one for one in await pairings.members(work, recipient.id) if one not in keepers]
    await delivery.tell(
        work,
        await _to_circle(work, alert, recipient),
        [one for one in circle if one != work.person.id],
    )
    return alert


async def _tell_keepers(
    work: Work, alert: CareAlert, recipient: Recipient, people: list[int], *, see: bool
) -> None:
    """Each once, on whatever level they hold the right."""
    post = await _to_keepers(work, alert, recipient, see=see)
    await delivery.tell(work, replace(post, dedupe=f"care_alert:{alert.id}"), people)


async def _to_keepers(work: Work, alert: CareAlert, recipient: Recipient, *, see: bool) -> Post:
    details = (recipient.details or {}) if see else {}
    contact = {name: details.get(name) for name in ("contact_name", "contact_phone")}
    about = await _about(work, alert, recipient, see=see)
    return replace(
        care.sealed_post("care_alerts/for_keepers", {**about, **contact, "see": see}),
        kind=KEEPERS,
        lane=Lane.EMERGENCY,
        subject=care.alert_subject(alert.id),
        urgency=urgency.of(Level.SAFETY, Part.COMMANDER),
    )


async def _to_circle(work: Work, alert: CareAlert, recipient: Recipient) -> Post:
    about = await _about(work, alert, recipient, see=True)
    return replace(
        care.sealed_post("care_alerts/for_circle", about),
        kind=CIRCLE,
        lane=Lane.EMERGENCY,
        subject=care.alert_subject(alert.id),
        urgency=urgency.of(Level.SAFETY, Part.EVERYONE),
    )


async def _about(
    work: Work, alert: CareAlert, recipient: Recipient, *, see: bool
) -> dict[str, Any]:
    told = care.told_inside if see else care.told
    raised_by = await work.session.get_one(Person, alert.raised_by_id)
    taken_by = await work.session.get(Person, alert.taken_by_id) if alert.taken_by_id else None
    return {
        "name": "",
        "address": "",
        "phone": None,
        **await told(work, recipient),
        "alert_id": alert.id,
        "raised_by": raised_by.name,
        "raised_at": alert.raised_at,
        "taken_by": taken_by.name if taken_by else None,
    }


# Taking on, ending


async def found(work: Work, alert_id: int) -> tuple[CareAlert, Recipient]:
    """One whose recipient the actor cares for or coordinates. Raises Gone, NotAllowed."""
    alert = await work.session.get(CareAlert, alert_id)
    if alert is None:
        raise Gone
    recipient = await work.session.get_one(Recipient, alert.recipient_id)
    if work.person.id in await pairings.members(work, recipient.id):
        return alert, recipient
    await access.require(work, Right.CARE, recipient.organisation_id)
    return alert, recipient


async def take_on(work: Work, alert_id: int) -> dict[str, Any]:
    """The actor sees to it; a coordinator sees inside from then on.

    Raises Gone, NotAllowed, Refusal: somebody else does already, or it is over.
    """
    alert, recipient = await found(work, alert_id)
    if await access.may(work, Right.CARE, recipient.organisation_id):
        await care.take_access(work, recipient.id, TAKEN_FOR_ALERT)
    done = await work.session.execute(
        update(CareAlert)
        .where(
            CareAlert.id == alert_id,
            CareAlert.ended_at.is_(None),
            CareAlert.taken_by_id.is_(None),
        )
        .values(taken_by_id=work.person.id, taken_at=work.now)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(alert)
    if not getattr(done, "rowcount", 0) and alert.taken_by_id != work.person.id:
        raise Refusal("alert_over" if alert.ended_at else "alert_taken")
    care.note(work, "alert_taken", recipient)
    await _reword(work, alert, recipient)
    return await shown(work, alert, recipient)


async def _reword(work: Work, alert: CareAlert, recipient: Recipient) -> None:
    """Everybody's message says who has taken it on; to each as much as they may see."""
    inside, see = await care.keepers(work, recipient)
    let_in = inside if see else []
    subject = care.alert_subject(alert.id)
    circle = await _to_circle(work, alert, recipient)
    members = await pairings.members(work, recipient.id)
    still_in = select(Person.id).where(Person.id.in_(members))
    await delivery.correct(work, subject, circle, kind=CIRCLE, people=still_in)
    for sees in (True, False):
        which = Person.id.in_(let_in) if sees else Person.id.not_in(let_in)
        post = await _to_keepers(work, alert, recipient, see=sees)
        people = select(Person.id).where(which)
        await delivery.correct(work, subject, post, kind=KEEPERS, people=people)


async def end(work: Work, alert_id: int, how: AlertEnd) -> dict[str, Any]:
    """Somebody who sees who it is says how they are; everyone reads it, and who said so.

    Raises Gone, NotAllowed, Refusal("alert_over").
    """
    alert, recipient = await found(work, alert_id)
    in_circle = work.person.id in await pairings.members(work, recipient.id)
    if not in_circle and not await care.sees(work, recipient):
        raise NotAllowed
    done = await work.session.execute(
        update(CareAlert)
        .where(CareAlert.id == alert_id, CareAlert.ended_at.is_(None))
        .values(ended_at=work.now, ended_by_id=work.person.id, end=how)
        .execution_options(synchronize_session=False)
    )
    if not getattr(done, "rowcount", 0):
        raise Refusal("alert_over")
    await work.session.refresh(alert)
    care.note(work, "alert_ended", recipient)
    about = {**await care.told(work, recipient), "who": work.person.name, "end": how.value}
    subject = care.alert_subject(alert.id)
    ended = Post("care_alerts/ended", about, kind=KEEPERS, lane=Lane.INTERACTIVE)
    reached = await _reached(work, alert)
    await delivery.correct(work, subject, ended)
    await delivery.tell(work, replace(ended, kind=care.KIND), reached - {work.person.id})
    return about


async def _reached(work: Work, alert: CareAlert) -> set[int]:
    """Keys of all who were told of it, and of whoever raised it."""
    told = await work.session.scalars(
        select(Delivery.person_id)
        .join(Message, Message.id == Delivery.message_id)
        .where(
            Message.subject == care.alert_subject(alert.id),
            Delivery.edits_id.is_(None),
            Delivery.person_id.is_not(None),
        )
        .distinct()
    )
    return {alert.raised_by_id, *(one for one in told if one is not None)}


async def shown(work: Work, alert: CareAlert, recipient: Recipient) -> dict[str, Any]:
    """An alert as the actor's screen takes it."""
    see = await care.sees(work, recipient)
    in_circle = work.person.id in await pairings.members(work, recipient.id)
    details = (recipient.details or {}) if see else {}
    return {
        **await _about(work, alert, recipient, see=see or in_circle),
        "see": see,
        "contact_name": details.get("contact_name"),
        "contact_phone": details.get("contact_phone"),
        "mine": alert.taken_by_id == work.person.id,
        "ended": alert.ended_at is not None,
    }


# The clock, and lists


async def escalate(work: Work) -> int:
    """Sweep: what nobody has taken on in time goes a level up, one level each time."""
    late = work.now - timedelta(minutes=work.policy.care_alert_minutes)
    rows = await work.session.execute(
        select(CareAlert, Recipient, Organisation.parent_id)
        .join(Recipient, Recipient.id == CareAlert.recipient_id)
        .join(Organisation, Organisation.id == CareAlert.level_id)
        .where(
            CareAlert.ended_at.is_(None),
            CareAlert.taken_by_id.is_(None),
            CareAlert.told_at <= late,
            Organisation.parent_id.is_not(None),
        )
        .order_by(CareAlert.id)
        .limit(PORTION)
    )
    due = rows.all()
    for alert, recipient, parent_id in due:
        above_id = int(parent_id or alert.level_id)
        alert.level_id, alert.told_at = above_id, work.now
        await work.session.flush()
        people = await access.holders(work, Right.CARE, above_id)
        await _tell_keepers(work, alert, recipient, people, see=False)
    return len(due)


async def open_ones(work: Work) -> list[tuple[CareAlert, Recipient, Organisation]]:
    """Those in the actor's reach as a coordinator, the oldest first."""
    rows = await work.session.execute(
        select(CareAlert, Recipient, Organisation)
        .join(Recipient, Recipient.id == CareAlert.recipient_id)
        .join(Organisation, Organisation.id == Recipient.organisation_id)
        .where(CareAlert.ended_at.is_(None), await care.within_reach(work))
        .order_by(CareAlert.raised_at)
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def of_recipient(work: Work, recipient: Recipient) -> list[tuple[CareAlert, str]]:
    """All there were, the newest first, each with who raised it."""
    rows = await work.session.execute(
        select(CareAlert, Person.name)
        .join(Person, Person.id == CareAlert.raised_by_id)
        .where(CareAlert.recipient_id == recipient.id)
        .order_by(CareAlert.id.desc())
    )
    return [(row[0], row[1]) for row in rows]
