"""A volunteer's places: an activity in full, enrolling, offers, cancelling, my activities."""

from typing import Any

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Document, Reply, Show, Venue
from handlers.routes import button, command, link
from handlers.turns import Turn
from models import Activity, ActivityState, Coming, Enrolment, EnrolmentState, Shift
from services import (
    access,
    activities,
    briefings,
    courses,
    enrolment,
    matching,
    parties,
    tandems,
    together,
)
from services.calendars import calendar
from services.enrolment import Place
from services.errors import Gone, Refusal


@link("a")
async def open_activity(turn: Turn, activity_id: int) -> Reply:
    await forms.set_aside(turn)
    return await of_activity(turn, activity_id)


@button("activity", reads=True, on_page=True)
async def show_activity(turn: Turn, activity_id: int) -> Reply:
    return await of_activity(turn, activity_id)


async def of_activity(turn: Turn, activity_id: int, news: str | None = None, **more: Any) -> Show:
    """The screen of an activity; `news` names what has just become of the person's place."""
    activity = await _visible(turn, activity_id)
    mine = await enrolment.of_activity(turn.work, activity_id)
    places = {
        shift_id: {
            "id": own.id,
            "state": own.state.value,
            "reconfirm": own.reconfirm,
            "position": await enrolment.position(turn.work, own)
            if own.state is EnrolmentState.WAITLISTED
            else 0,
        }
        for shift_id, own in mine.items()
    }
    plans = await access.may(turn.work, access.Right.PLAN_ACTIVITIES, activity.organisation_id)
    return Show(
        "enrolment/activity",
        {
            "about": await activities.describe(turn.work.session, activity),
            "distance": matching.distance(turn.work.person, activity),
            "mine": places,
            "now": turn.work.now.isoformat(),
            "plans": plans,
            "briefings": await briefings.own(turn.work, activity_id),
            "course": await courses.course_of(turn.work, activity_id),
            "blocks": await together.own(turn.work, activity_id),
            "leads": bool(await parties.own_led(turn.work)),
            "tandem": await tandems.mine(turn.work, activity_id),
            "news": news,
            **more,
        },
    )


async def _visible(turn: Turn, activity_id: int) -> Activity:
    activity = await turn.work.session.get(Activity, activity_id)
    if activity is None or activity.state is ActivityState.DRAFT:
        raise Gone
    return activity


@button("activity.venue", reads=True)
async def show_venue(turn: Turn, activity_id: int) -> Reply:
    activity = await _visible(turn, activity_id)
    if activity.latitude is None or activity.longitude is None:
        raise Gone
    venue = Venue(activity.latitude, activity.longitude, activity.title, activity.address)
    return Show("enrolment/venue", {"activity_id": activity_id}, venue=venue, fresh=True)


@button("activity.calendar", reads=True)
async def send_calendar(turn: Turn, activity_id: int) -> Reply:
    """Of the shifts that the person has; of all of them, if none."""
    activity = await _visible(turn, activity_id)
    mine = await enrolment.of_activity(turn.work, activity_id)
    shifts = await activities.shifts_of(turn.work.session, activity_id)
    wanted: list[Shift] = [shift for shift in shifts if shift.id in mine] or shifts
    content = calendar(((activity, shift) for shift in wanted), turn.work.now)
    file = Document(f"activity-{activity_id}.ics", content)
    return Show("enrolment/calendar", {"activity_id": activity_id}, document=file, fresh=True)


# Enrolling and offers


@button("enrol", in_order=True, on_page=True)
async def enrol(turn: Turn, shift_id: int) -> Reply:
    try:
        own = await enrolment.enrol(turn.work, shift_id)
    except Refusal as lacks:
        if not lacks.parameters.get("courses"):
            raise
        return Show("courses/way", {"wrong": lacks.template, **lacks.parameters})
    shift = await turn.work.session.get_one(Shift, shift_id)
    return await of_activity(turn, shift.activity_id, news=own.state.value)


@button("offer.accept", on_page=True)
async def accept(turn: Turn, enrolment_id: int) -> Reply:
    place = await enrolment.accept_offer(turn.work, enrolment_id)
    return await of_activity(turn, place.activity.id, news=place.enrolment.state.value)


@button("offer.decline", on_page=True)
async def decline(turn: Turn, enrolment_id: int) -> Reply:
    place = await enrolment.decline_offer(turn.work, enrolment_id)
    return await of_activity(turn, place.activity.id, news="offer_declined")


# Cancelling


@button("enrol.cancel", reads=True, on_page=True)
async def ask_to_cancel(turn: Turn, enrolment_id: int) -> Reply:
    place = await enrolment.own_place(turn.work, enrolment_id)
    late = enrolment.is_late(turn.work, place) and not place.enrolment.reconfirm
    return Show("enrolment/cancel", {"place": place, "late": late})


@button("enrol.drop", on_page=True)
async def cancel(turn: Turn, enrolment_id: int) -> Reply:
    place = await enrolment.own_place(turn.work, enrolment_id)
    if enrolment.is_late(turn.work, place) and not place.enrolment.reconfirm:
        return await start(turn, CANCEL, subject_id=enrolment_id)
    return await _cancelled(turn, enrolment_id, None)


async def _cancelled(turn: Turn, enrolment_id: int, reason: str | None) -> Reply:
    place = await enrolment.cancel(turn.work, enrolment_id, reason)
    return await of_activity(turn, place.activity.id, news="cancelled")


async def _submit_cancel(turn: Turn, filled: Filled) -> Reply:
    return await _cancelled(turn, filled.subject_id or 0, filled["reason"])


CANCEL = register(Form("cancel_place", (Field("reason", Text(least=2, most=200)),), _submit_cancel))


# Still coming?


@button("coming.yes", on_page=True)
async def coming(turn: Turn, enrolment_id: int) -> Reply:
    place = await enrolment.answer_coming(turn.work, enrolment_id, Coming.YES)
    return Show("reminders/coming", {"place": place})


@button("coming.no", on_page=True)
async def not_coming(turn: Turn, enrolment_id: int) -> Reply:
    place = await enrolment.answer_coming(turn.work, enrolment_id, Coming.NO)
    return Show("reminders/not_coming", {"place": place})


# My activities


@command("mine")
@button("mine")
async def show_mine(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    places = await enrolment.coming_places(turn.work)
    return Show("enrolment/mine", {"places": [await _line(turn, place) for place in places]})


async def _line(turn: Turn, place: Place) -> dict[str, Any]:
    own: Enrolment = place.enrolment
    waits = own.state is EnrolmentState.WAITLISTED
    return {
        "activity_id": place.activity.id,
        "title": place.activity.title,
        "starts_at": place.shift.starts_at,
        "ends_at": place.shift.ends_at,
        "state": own.state.value,
        "reconfirm": own.reconfirm,
        "position": await enrolment.position(turn.work, own) if waits else 0,
    }


@button("mine.calendar", reads=True)
async def my_calendar(turn: Turn) -> Reply:
    places = await enrolment.coming_places(turn.work)
    if not places:
        raise Gone
    content = calendar(((place.activity, place.shift) for place in places), turn.work.now)
    return Show("enrolment/my_calendar", document=Document("muster.ics", content), fresh=True)
