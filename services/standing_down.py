"""The end of a call-out: everyone is told, their hours are proposed, and all are asked home."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from models import (
    Activity,
    ActivityState,
    Attendance,
    Callout,
    CalloutState,
    Confirmation,
    Enrolment,
    EnrolmentState,
    HoursState,
    Lane,
    Means,
    Response,
    ResponseState,
    ServiceField,
    Shift,
)
from services import boards, callouts, delivery, events, urgency
from services.attendance import minutes_of
from services.callouts import ALARM, ORDER, THERE, commanded, described, running
from services.delivery import Post
from services.errors import Gone, Refusal
from services.work import Work

FIELD = "emergency"
"""Code of the service field that hours of call-outs belong to."""
HOME_ASKS = 3
"""How often somebody is asked whether they are home."""
NEVER_SHORTER = timedelta(minutes=1)


async def stand_down(work: Work, callout_id: int, title: str, *, false_alarm: bool) -> Callout:
    """Everyone reached is told: what they hold is edited, who is under way hears it anew.

    `title` is what the hours of those who were there will be for. Raises Gone, NotAllowed, Refusal.
    """
    callout = await running(work, callout_id)
    callout.state = CalloutState.ENDED
    callout.ended_at = work.now
    callout.false_alarm = false_alarm
    await work.session.flush()
    await _tell_everyone(work, callout)
    await _propose_hours(work, callout, title)
    await _forget_places(work, callout)
    await boards.show_board(work, callout)
    callouts.note(work, "ended", callout, false_alarm=false_alarm)
    await events.of_callout(work, events.Kind.CALLOUT_ENDED, callout)
    return callout


async def call_it_false(work: Work, callout_id: int) -> Callout:
    """It was a false alarm, as turned out after the end: exactly those who got the alert read it.

    Raises Gone, NotAllowed, Refusal("callout_not_over").
    """
    callout = await commanded(work, callout_id)
    if callout.state is not CalloutState.ENDED:
        raise Refusal("callout_not_over")
    if callout.false_alarm:
        return callout
    callout.false_alarm = True
    await work.session.flush()
    ended = await _ended(work, callout)
    calls = await _edit_calls(work, callout, ended)
    told = callouts.ends(callout)
    people = select(Response.person_id).where(Response.callout_id == callout.id)
    there = Response.state == ResponseState.ON_SCENE
    still = replace(ended, template="callouts/go_home", kind=ORDER)
    await delivery.correct(work, told, still, kind=ORDER, people=people.where(there))
    over = replace(ended, kind=ORDER)
    await delivery.correct(work, told, over, kind=ORDER, people=people.where(~there))
    anew = replace(ended, kind=ORDER, subject=told, lane=Lane.TRANSACTIONAL, silent=True)
    await delivery.tell_reached(work, anew, calls, kind=ALARM)
    await boards.show_board(work, callout)
    callouts.note(work, "false_alarm", callout)
    return callout


async def _ended(work: Work, callout: Callout) -> Post:
    """What takes the place of a call."""
    about = {**await described(work, callout), "false_alarm": callout.false_alarm}
    return Post("callouts/ended", about, kind=ALARM, lane=Lane.EMERGENCY)


async def _edit_calls(work: Work, callout: Callout, ended: Post) -> list[str]:
    """No call, nor anybody's place in it, is left on a phone; answers the subjects of the calls."""
    calls = [callouts.calls_for(need) for need in await callouts.needs_of(work, callout)]
    for subject in calls:
        await delivery.correct(work, subject, ended, kind=ALARM)
    screens = replace(ended, kind=delivery.SCREEN, lane=Lane.TRANSACTIONAL)
    await delivery.correct(work, callouts.orders(callout.id), screens, kind=delivery.SCREEN)
    return calls


async def _tell_everyone(work: Work, callout: Callout) -> None:
    """All that they hold is edited; who is under way or on scene hears it anew.

    So does who was called by text message or telephone, which can't be edited.
    """
    await delivery.close(work, callouts.orders(callout.id), kind=ORDER)
    ended = await _ended(work, callout)
    calls = await _edit_calls(work, callout, ended)
    told = callouts.ends(callout)
    under_way = await callouts.people_in(work, callout, ResponseState.COMING, ResponseState.STANDBY)
    await callouts.tell(work, callout, "stand_down", under_way, ended.parameters, about=told)
    on_scene = await callouts.people_in(work, callout, ResponseState.ON_SCENE)
    await callouts.tell(work, callout, "go_home", on_scene, ended.parameters, about=told)
    await _note_asked_home(work, callout, on_scene)
    others = replace(ended, kind=ORDER, subject=told, urgency=urgency.NEVER)
    await delivery.tell_the_same_way(work, others, calls, kind=ALARM, but=[*under_way, *on_scene])


async def _forget_places(work: Work, callout: Callout) -> None:
    """Where people were while they shared it is nobody's business any more."""
    if work.policy.callout_keeps_places:
        return
    await work.session.execute(
        update(Response)
        .where(Response.callout_id == callout.id, Response.latitude.is_not(None))
        .values(latitude=None, longitude=None, located_at=None)
    )


# Home


async def go_home(work: Work, callout_id: int) -> dict[str, Any]:
    """The actor has left the scene and is home safe; also after the end. Raises Gone."""
    callout = await work.session.get(Callout, callout_id)
    response = await work.session.get(Response, (callout_id, work.person.id))
    if callout is None or response is None or response.state not in THERE:
        raise Gone
    response.state = ResponseState.HOME
    response.home_at = response.home_at or work.now
    response.sos_at = None
    await work.session.flush()
    return await described(work, callout)


async def ask_home(work: Work) -> int:
    """Sweep: those who were there and have not said that they are home are asked again."""
    before = work.now - timedelta(minutes=work.policy.callout_home_minutes)
    rows = await work.session.execute(
        select(Callout, Response.person_id)
        .join(Response, Response.callout_id == Callout.id)
        .where(
            Callout.state == CalloutState.ENDED,
            Response.state == ResponseState.ON_SCENE,
            Response.home_asked_at <= before,
            Response.home_asks < HOME_ASKS,
        )
    )
    waiting: dict[Callout, list[int]] = {}
    for callout, person_id in rows:
        waiting.setdefault(callout, []).append(person_id)
    for callout, people in waiting.items():
        await callouts.tell(work, callout, "are_you_home", people)
        await _note_asked_home(work, callout, people)
    return sum(map(len, waiting.values()))


async def _note_asked_home(work: Work, callout: Callout, people: list[int]) -> None:
    await work.session.execute(
        update(Response)
        .where(Response.callout_id == callout.id, Response.person_id.in_(people))
        .values(home_asked_at=work.now, home_asks=Response.home_asks + 1)
        .execution_options(synchronize_session=False)
    )


# Hours


async def _propose_hours(work: Work, callout: Callout, title: str) -> None:
    """From arriving to leaving the scene or to the end, for the coordinators to confirm."""
    found = await work.session.scalars(
        select(Response).where(Response.callout_id == callout.id, Response.arrived_at.is_not(None))
    )
    there = found.all()
    if not there:
        return
    shift = await _as_shift(work, callout, title, len(there))
    for response in there:
        enrolment = Enrolment(
            shift_id=shift.id,
            person_id=response.person_id,
            state=EnrolmentState.ATTENDED,
            queued_at=response.asked_at,
        )
        work.session.add(enrolment)
        await work.session.flush()
        work.session.add(_presence(enrolment, response, shift))
    await work.session.flush()


def _presence(enrolment: Enrolment, response: Response, shift: Shift) -> Attendance:
    came = response.arrived_at or shift.starts_at
    left = max(came, min(response.home_at or shift.ends_at, shift.ends_at))
    return Attendance(
        enrolment_id=enrolment.id,
        checked_in_at=came,
        in_means=Means.ROLL,
        checked_out_at=left,
        out_means=Means.SELF if response.home_at else Means.ASSUMED,
        state=HoursState.PROPOSED,
        minutes=minutes_of(shift, came, left),
    )


async def _as_shift(work: Work, callout: Callout, title: str, count: int) -> Shift:
    """The call-out as an activity of one shift, which is what hours belong to."""
    by_code = (ServiceField.code != FIELD, ServiceField.id)
    field_id = await work.session.scalar(select(ServiceField.id).order_by(*by_code).limit(1))
    if field_id is None:
        raise Gone
    began = callout.launched_at or work.now
    activity = Activity(
        organisation_id=callout.organisation_id,
        field_id=field_id,
        state=ActivityState.PUBLISHED,
        title=title,
        description=callout.details,
        address=callout.address,
        latitude=callout.latitude,
        longitude=callout.longitude,
        confirmation=Confirmation.AUTOMATIC,
        created_by_id=callout.commander_id,
        created_at=began,
        published_at=began,
    )
    work.session.add(activity)
    await work.session.flush()
    callout.activity_id = activity.id
    shift = Shift(
        activity_id=activity.id,
        starts_at=began,
        ends_at=max(work.now, began + NEVER_SHORTER),
        quota=count,
        taken=count,
    )
    work.session.add(shift)
    await work.session.flush()
    return shift
