"""The coordinator's view of enrolments: who has a place, who is coming, who waits for a word."""

from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import briefings, enrolment, insurance


@button("roster", reads=True)
async def show_roster(turn: Turn, shift_id: int) -> Reply:
    place, people = await enrolment.roster(turn.work, shift_id)
    work, keys = turn.work, [own.id for own, _ in people]
    unread = await briefings.unread(work, place.activity.id, keys)
    uncovered = await insurance.uncovered(work, place.shift, [person.id for _, person in people])
    shown = [
        {
            "name": person.name,
            "state": own.state.value,
            "coming": own.coming.value if own.coming else None,
            "reconfirm": own.reconfirm,
            "unread": own.id in unread,
            "uncovered": person.id in uncovered,
        }
        for own, person in people
    ]
    dangerous = await insurance.is_dangerous(work, place.activity.id)
    return Show(
        "rosters/roster",
        {
            "activity": place.activity,
            "shift": place.shift,
            "people": shown,
            "dangerous": dangerous,
        },
    )


@button("applications", reads=True)
async def show_applications(turn: Turn, activity_id: int) -> Reply:
    found = await enrolment.applications(turn.work, activity_id)
    uncovered: set[int] = set()
    for shift in {place.shift.id: place.shift for place, _ in found}.values():
        people = [person.id for place, person in found if place.shift.id == shift.id]
        uncovered |= await insurance.uncovered(turn.work, shift, people)
    shown = [
        {
            "id": place.enrolment.id,
            "name": person.name,
            "number": person.number,
            "starts_at": place.shift.starts_at,
            "ends_at": place.shift.ends_at,
            "uncovered": person.id in uncovered,
        }
        for place, person in found
    ]
    return Show("rosters/applications", {"activity_id": activity_id, "applications": shown})


@button("application.accept")
async def accept(turn: Turn, enrolment_id: int) -> Reply:
    return await _decide(turn, enrolment_id, accept=True)


@button("application.decline")
async def decline(turn: Turn, enrolment_id: int) -> Reply:
    return await _decide(turn, enrolment_id, accept=False)


async def _decide(turn: Turn, enrolment_id: int, *, accept: bool) -> Reply:
    place = await enrolment.decide(turn.work, enrolment_id, accept=accept)
    return await show_applications(turn, place.activity.id)
