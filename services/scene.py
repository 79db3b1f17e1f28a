"""On scene: arriving, teams and their leaders, roll calls, SOS, rest and relief, places shared."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update

from models import Callout, CalloutState, Lane, Need, Person, Response, ResponseState
from services import access, callouts, codes, delivery, geo, mobilising, said, urgency
from services.access import Right
from services.callouts import ALARM, THERE, calls_for, own, running
from services.delivery import Post
from services.errors import Gone, Refusal
from services.mobilising import Pace
from services.responding import shown
from services.urgency import Level, Part
from services.work import Work

TEAMS = 9
"""Teams on scene are numbered up to this."""
SAFE_ASKS = 3
"""How often somebody on scene who does not answer is asked whether they are safe."""


# Arriving


async def arrive(work: Work, callout_id: int, latitude: float, longitude: float) -> dict[str, Any]:
    """The actor is at the rally point. Raises Gone, Refusal("callout_too_far")."""
    callout, response = await own(work, callout_id)
    metres = geo.distance(latitude, longitude, callout.latitude, callout.longitude)
    if metres > work.policy.rally_radius:
        raise Refusal("callout_too_far", metres=metres)
    await note_arrival(work, callout, response)
    return await shown(work, callout, response)


async def scan(work: Work, callout_id: int, slot: str, signature: str) -> dict[str, Any]:
    """The actor scanned the code on the big screen. Raises Gone, Refusal("checkin_code_old")."""
    seconds = work.policy.code_seconds
    if not codes.is_rally(callout_id, slot, signature, now=work.now, seconds=seconds):
        raise Refusal("checkin_code_old")
    if await work.session.get(Response, (callout_id, work.person.id)) is None:
        raise Refusal("callout_not_asked")
    callout, response = await own(work, callout_id)
    await note_arrival(work, callout, response)
    return await shown(work, callout, response)


async def note_arrived(work: Work, callout_id: int, person_id: int) -> None:
    """The roll of the commander, or of the leader of their team. Raises Gone, NotAllowed.

    The call on the person's phone says so, and no other channel calls them any more.
    """
    callout, response = await _one_of(work, callout_id, person_id)
    if response.state in THERE:
        return
    await note_arrival(work, callout, response)
    callouts.note(work, "arrived", callout, person=person_id)
    need = await work.session.get_one(Need, response.need_id)
    post = Post(
        "callouts/answered", await shown(work, callout, response), kind=ALARM, lane=Lane.EMERGENCY
    )
    them = select(Response.person_id).where(
        Response.callout_id == callout_id, Response.person_id == person_id
    )
    await delivery.correct(work, calls_for(need), post, kind=ALARM, people=them)


async def note_arrival(work: Work, callout: Callout, response: Response) -> None:
    """On scene from now on; whoever waits longest for relief may go."""
    if response.state in THERE:
        return
    response.state = ResponseState.ON_SCENE
    response.said_yes = True
    response.answered_at = response.answered_at or work.now
    response.arrived_at = work.now
    await work.session.flush()
    await _relieve_longest(work, callout, response)


async def _one_of(work: Work, callout_id: int, person_id: int) -> tuple[Callout, Response]:
    """Somebody in a call-out that runs, for its commander or the leader of their team."""
    response = await work.session.get(Response, (callout_id, person_id))
    if response is None:
        raise Gone
    leader = await work.session.get(Response, (callout_id, work.person.id))
    if leader is not None and leader.leads and leader.team == response.team:
        callout, _ = await own(work, callout_id)
        return callout, response
    return await running(work, callout_id), response


async def roll(work: Work, callout_id: int) -> list[tuple[Response, str]]:
    """Everyone who said yes or stands by, those not yet there first; a leader's own team.

    With their names.
    """
    mine = await work.session.get(Response, (callout_id, work.person.id))
    within: ColumnElement[bool] = or_(
        Response.said_yes.is_(True), Response.state == ResponseState.STANDBY
    )
    if mine is not None and mine.leads and mine.team is not None:
        within = Response.team == mine.team
    else:
        await callouts.commanded(work, callout_id)
    return await _listed(work, callout_id, within)


async def watched_roll(work: Work, callout_id: int) -> list[tuple[Response, str]]:
    """The roll for a commander who only looks. Raises Gone, NotAllowed."""
    await callouts.watched(work, callout_id)
    on_it = or_(Response.said_yes.is_(True), Response.state == ResponseState.STANDBY)
    return await _listed(work, callout_id, on_it)


async def _listed(
    work: Work, callout_id: int, within: ColumnElement[bool]
) -> list[tuple[Response, str]]:
    rows = await work.session.execute(
        select(Response, Person.name)
        .join(Person, Person.id == Response.person_id)
        .where(Response.callout_id == callout_id, within)
        .order_by(Response.arrived_at.is_not(None), Response.due_at, Response.person_id)
    )
    return [(one, name) for one, name in rows]


# Teams


async def member(work: Work, callout_id: int, person_id: int) -> dict[str, Any]:
    """One of those in it, for the commander or their leader. Raises Gone, NotAllowed."""
    callout, response = await _one_of(work, callout_id, person_id)
    person = await work.session.get_one(Person, person_id)
    may_direct = await access.may(work, Right.LAUNCH_CALLOUTS, callout.organisation_id)
    about = await shown(work, callout, response)
    return {
        **about, "person_id": person_id, "name": person.name, "teams": TEAMS,
        "directs": may_direct,
    }  # fmt: skip


async def put_in_team(work: Work, callout_id: int, person_id: int, team: int) -> None:
    """Into a team on scene; 0 takes them out. Raises Gone, NotAllowed, Refusal."""
    callout = await running(work, callout_id)
    response = await work.session.get(Response, (callout_id, person_id))
    if response is None or not 0 <= team <= TEAMS:
        raise Gone
    response.team = team or None
    response.leads = False
    await work.session.flush()
    callouts.note(work, "team", callout, person=person_id, team=team)
    if team:
        await callouts.tell(work, callout, "team", [person_id], await _team(work, response))


async def _team(work: Work, response: Response) -> dict[str, Any]:
    leaders = await work.session.scalars(
        select(Person.name)
        .join(Response, Response.person_id == Person.id)
        .where(
            Response.callout_id == response.callout_id, Response.team == response.team,
            Response.leads,
        )
    )  # fmt: skip
    return {"team": response.team, "leads": response.leads, "leader": leaders.first()}


async def make_leader(work: Work, callout_id: int, person_id: int) -> None:
    """Leads their team from now on, who did before no more. Raises Gone, NotAllowed, Refusal."""
    callout = await running(work, callout_id)
    response = await work.session.get(Response, (callout_id, person_id))
    if response is None or response.team is None:
        raise Gone
    same = (Response.callout_id == callout_id, Response.team == response.team)
    await work.session.execute(update(Response).where(*same).values(leads=False))
    await work.session.refresh(response)
    response.leads = True
    await work.session.flush()
    callouts.note(work, "leader", callout, person=person_id, team=response.team)
    members = await work.session.scalars(select(Response.person_id).where(*same))
    about = await _team(work, response)
    await callouts.tell(
        work, callout, "team", set(members) - {person_id}, {**about, "leads": False}
    )
    await callouts.tell(work, callout, "team", [person_id], about)


# Is everyone safe?


async def call_roll(work: Work, callout_id: int) -> int:
    """Asks everyone on scene whether they are safe, a leader their team; answers how many."""
    mine = await work.session.get(Response, (callout_id, work.person.id))
    within = [Response.callout_id == callout_id, Response.state == ResponseState.ON_SCENE]
    if mine is not None and mine.leads:
        callout, _ = await own(work, callout_id)
        within.append(Response.team == mine.team)
    else:
        callout = await running(work, callout_id)
    asked = await _ask_whether_safe(work, callout, *within, first=True)
    callouts.note(work, "roll_called", callout, count=asked)
    return asked


async def _ask_whether_safe(
    work: Work, callout: Callout, *which: ColumnElement[bool], first: bool
) -> int:
    """Whoever is asked again gets a text message soon: they are on scene and do not answer."""
    values: dict[str, Any] = {"safe_asked_at": work.now, "safe_asks": 1}
    if first:
        values["safe_at"] = None
    else:
        values["safe_asks"] = Response.safe_asks + 1
    asked = await work.session.scalars(
        update(Response)
        .where(*which)
        .values(**values)
        .returning(Response.person_id)
        .execution_options(populate_existing=True)
    )
    haste = urgency.NEVER if first else urgency.of(Level.SAFETY, Part.EVERYONE)
    return await callouts.tell(work, callout, "are_you_safe", asked.all(), haste=haste)


async def safe(work: Work, callout_id: int) -> dict[str, Any]:
    """The actor is well; an alarm that they gave is over."""
    callout, response = await own(work, callout_id)
    response.safe_at = work.now
    response.sos_at = None
    await work.session.flush()
    return await shown(work, callout, response)


async def alarm(work: Work, callout_id: int) -> dict[str, Any]:
    """SOS: every commander of the call-out hears at once who it is. Raises Gone off the scene."""
    callout, response = await own(work, callout_id)
    if response.state is not ResponseState.ON_SCENE:
        raise Gone
    response.sos_at = work.now
    response.safe_at = None
    callouts.note(work, "sos", callout, person=work.person.id)
    await callouts.tell_command(work, callout, "sos", {"name": work.person.name, "place": None})
    if response.latitude is not None and response.longitude is not None:
        await place_alarm(work, callout_id, response.latitude, response.longitude)
    await work.session.flush()
    return await shown(work, callout, response)


async def place_alarm(work: Work, callout_id: int, latitude: float, longitude: float) -> None:
    """Where the actor who gave SOS is, for the commanders' map. Raises Gone, Refusal."""
    callout, response = await own(work, callout_id)
    if response.sos_at is None:
        raise Gone
    where = {"latitude": latitude, "longitude": longitude}
    about = {"name": work.person.name, "place": where}
    await callouts.tell_command(work, callout, "sos", about, attachment={"location": where})


# Rest and relief


async def relieve(work: Work, callout_id: int) -> int:
    """Calls others to take over from those who have been there for too long; answers how many."""
    callout = await running(work, callout_id)
    tired = await work.session.scalars(
        update(Response)
        .where(
            Response.callout_id == callout.id,
            Response.state == ResponseState.ON_SCENE,
            Response.rest_warned_at.is_not(None),
            Response.relief_at.is_(None),
        )
        .values(relief_at=work.now)
        .returning(Response.person_id)
        .execution_options(populate_existing=True)
    )
    count = len(tired.all())
    callouts.note(work, "relief", callout, count=count)
    await mobilising.advance_one(work, callout, Pace.CHANGE)
    return count


async def _relieve_longest(work: Work, callout: Callout, newcomer: Response) -> None:
    """Somebody has come to take over: whoever was there longest may hand over and go home."""
    longest = await work.session.scalar(
        select(Response)
        .where(
            Response.need_id == newcomer.need_id,
            Response.state == ResponseState.ON_SCENE,
            Response.relief_at <= newcomer.arrived_at,
            Response.person_id != newcomer.person_id,
            Response.relieved_at.is_(None),
        )
        .order_by(Response.arrived_at)
        .limit(1)
    )
    if longest is None:
        return
    longest.relieved_at = work.now
    longest.relieved_by_id = newcomer.person_id
    await work.session.flush()
    name = (await work.session.get_one(Person, newcomer.person_id)).name
    await callouts.tell(work, callout, "relieved", [longest.person_id], {"name": name})


async def taken_over_by(work: Work, callout_id: int) -> int:
    """Who has taken over from the actor. Raises Gone where nobody has, Refusal."""
    _, response = await own(work, callout_id)
    if response.relieved_by_id is None:
        raise Gone
    return response.relieved_by_id


async def hand_over(work: Work, callout_id: int, text: str) -> dict[str, Any]:
    """What whoever took over should know, which may be nothing; the commanders read it as well.

    Raises Gone, Refusal.
    """
    to = await taken_over_by(work, callout_id)
    callout, response = await own(work, callout_id)
    if text:
        said.keep(work, callout, text, to_command=True, to=to)
    about = {"name": work.person.name, "text": text}
    await callouts.tell(work, callout, "handed_over", [to], about)
    await callouts.tell_command(work, callout, "handed_over", about)
    callouts.note(work, "handed_over", callout, to=to)
    await work.session.flush()
    return await shown(work, callout, response)


# What the clock sees to


async def look_after(work: Work) -> int:
    """Sweep: asks those again who have not said that they are safe, and warns who needs rest."""
    found = await work.session.scalars(
        select(Callout).where(Callout.state == CalloutState.ACTIVE).with_for_update()
    )
    told = 0
    for callout in found.all():
        told += await _ask_again(work, callout)
        told += await _warn_the_tired(work, callout)
    return told


async def _ask_again(work: Work, callout: Callout) -> int:
    return await _ask_whether_safe(
        work,
        callout,
        Response.callout_id == callout.id,
        Response.state == ResponseState.ON_SCENE,
        Response.safe_at.is_(None),
        Response.safe_asks < SAFE_ASKS,
        Response.safe_asked_at <= work.now - timedelta(minutes=work.policy.callout_safe_minutes),
        first=False,
    )


async def _warn_the_tired(work: Work, callout: Callout) -> int:
    """Once each, after the longest time that anybody should be on duty; the commander as well."""
    longest = timedelta(minutes=work.policy.callout_longest_minutes)
    tired = await work.session.scalars(
        update(Response)
        .where(
            Response.callout_id == callout.id,
            Response.state == ResponseState.ON_SCENE,
            Response.arrived_at <= work.now - longest,
            Response.rest_warned_at.is_(None),
        )
        .values(rest_warned_at=work.now)
        .returning(Response.person_id)
        .execution_options(populate_existing=True)
    )
    people = tired.all()
    if people:
        about = {"count": len(people), "minutes": work.policy.callout_longest_minutes}
        await callouts.tell(work, callout, "rest", people, about)
        await callouts.tell_command(work, callout, "tired", about)
    return len(people)


# Live places


async def locate(work: Work, latitude: float, longitude: float) -> dict[str, Any] | None:
    """The actor's place while they share it, for the board of each call-out they are in.

    Within the radius of the rally point they have arrived; then, once, their place in it is
    answered. None where there is nothing to say.
    """
    rows = await work.session.execute(
        select(Callout, Response)
        .join(Response, Response.callout_id == Callout.id)
        .where(
            Response.person_id == work.person.id,
            Callout.state == CalloutState.ACTIVE,
            Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
        )
    )
    arrived = None
    for callout, response in rows.all():
        response.latitude, response.longitude = latitude, longitude
        response.located_at = work.now
        metres = geo.distance(latitude, longitude, callout.latitude, callout.longitude)
        if response.state is ResponseState.COMING and metres <= work.policy.rally_radius:
            await note_arrival(work, callout, response)
            arrived = await shown(work, callout, response)
    await work.session.flush()
    return arrived


async def is_awaited_in_drill(work: Work) -> bool | None:
    """Whether it is a drill to which the actor is under way, or at which; None if there is none."""
    return await work.session.scalar(
        select(Callout.drill)
        .join(Response, Response.callout_id == Callout.id)
        .where(
            Response.person_id == work.person.id,
            Callout.state == CalloutState.ACTIVE,
            Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
        )
        .order_by(Callout.drill)
        .limit(1)
    )
