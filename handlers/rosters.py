"""The coordinator's view of enrolments: who has a place, who is coming, who waits for a word."""

from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import enrolment


@button("roster", reads=True)
async def show_roster(turn: Turn, shift_id: int) -> Reply:
    place, people = await enrolment.roster(turn.work, shift_id)
    shown = [
        {
            "name": person.name,
            "state": own.state.value,
            "coming": own.coming.value if own.coming else None,
            "reconfirm": own.reconfirm,
        }
        for own, person in people
    ]
    return Show(
        "rosters/roster",
        {"activity": place.activity, "shift": place.shift, "people": shown},
    )


@button("applications", reads=True)
async def show_applications(turn: Turn, activity_id: int) -> Reply:
    found = await enrolment.applications(turn.work, activity_id)
    shown = [
        {
            "id": place.enrolment.id,
            "name": person.name,
            "number": person.number,
            "starts_at": place.shift.starts_at,
            "ends_at": place.shift.ends_at,
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
