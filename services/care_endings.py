"""The end of a care file: closed when the care ends, erased when they no longer wish it."""

from sqlalchemy import and_, delete, or_, select, update

from models import CareAccess, CareAlert, Conversation, HelpRequest, Message, Recipient, Visit
from services import care, delivery, enclosures, help_requests, pairings, visiting
from services.errors import Refusal
from services.work import Work


async def close(work: Work, recipient_id: int) -> Recipient:
    """No more visits; the circle is dissolved. Raises as `care.open_to`, Refusal("alert_open")."""
    recipient = await care.open_to(work, recipient_id)
    await _close(work, recipient)
    care.note(work, "closed", recipient)
    return recipient


async def _close(work: Work, recipient: Recipient) -> None:
    alert = select(CareAlert.id).where(
        CareAlert.recipient_id == recipient.id, CareAlert.ended_at.is_(None)
    )
    if await work.session.scalar(alert) is not None:
        raise Refusal("alert_open")
    await visiting.drop(work, recipient)
    await pairings.end_all(work, recipient)
    recipient.closed_at = work.now
    await work.session.flush()


async def erase(work: Work, recipient_id: int) -> Recipient:
    """Nothing that says who they are is left, also on the phones; when who visited stays.

    Raises Gone, NotAllowed, Refusal("alert_open").
    """
    recipient = await care.inside(work, recipient_id)
    if recipient.closed_at is None:
        await _close(work, recipient)
    await care.unsay(work, recipient)
    await _blank_messages(work, recipient)
    await _blank_visits(work, recipient)
    await work.session.execute(
        update(CareAccess).where(CareAccess.recipient_id == recipient.id).values(reason=None)
    )
    asked = await work.session.scalars(
        select(HelpRequest).where(HelpRequest.recipient_id == recipient.id)
    )
    requests = asked.all()
    await help_requests.unsay_all(work, requests)
    await work.session.execute(
        update(HelpRequest)
        .where(HelpRequest.recipient_id == recipient.id)
        .values(details=None, latitude=None, longitude=None)
    )
    await work.session.execute(
        delete(Conversation).where(
            or_(
                and_(
                    Conversation.form == care.CHANGE_FORM, Conversation.subject_id == recipient.id
                ),
                and_(
                    Conversation.form == care.FORM_OF_REQUEST,
                    Conversation.subject_id.in_([one.id for one in requests]),
                ),
            )
        )
    )
    recipient.details = recipient.phone_hash = None
    recipient.latitude = recipient.longitude = None
    recipient.erased_at = work.now
    await work.session.flush()
    care.note(work, "erased", recipient)
    return recipient


async def _blank_messages(work: Work, recipient: Recipient) -> None:
    """What was sent stays as a row; nothing it said is left in it, nor in its closing copies."""
    said = await work.session.scalars(select(Message.id).where(await care.said_of(work, recipient)))
    keys = said.all()
    closing = [f"{delivery.CLOSES}{key}" for key in keys]
    await work.session.execute(
        update(Message)
        .where(or_(Message.id.in_(keys), Message.subject.in_(closing)))
        .values(parameters={}, attachment=None)
        .execution_options(synchronize_session=False)
    )


async def _blank_visits(work: Work, recipient: Recipient) -> None:
    found = await work.session.scalars(select(Visit.id).where(Visit.recipient_id == recipient.id))
    await enclosures.remove_all(work, [care.visit_subject(key) for key in found])
    await work.session.execute(
        update(Visit)
        .where(Visit.recipient_id == recipient.id)
        .values(note=None, wellbeing=None)
        .execution_options(synchronize_session=False)
    )
