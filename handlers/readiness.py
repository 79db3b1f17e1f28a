"""Readiness for emergencies: one's own, and for commanders how their area stands."""

from handlers import forms
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Equipment
from services import callouts, opt_outs, readiness
from services.errors import Gone


@button("ready.mine")
async def show_mine(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    person = turn.work.person
    if not person.emergency_opt_in:
        return Show("readiness/not_agreed")
    own = await readiness.own(turn.work)
    return Show(
        "readiness/mine",
        {
            "reach": own.row.reach,
            "reaches": readiness.REACHES,
            "when_critical": own.row.when_critical,
            "equipment": [kind.value for kind in own.equipment],
            "kinds": [kind.value for kind in Equipment],
            "hours": None if person.call_from is None else [person.call_from, person.call_until],
            "confirmed_at": own.row.confirmed_at,
        },
    )


@button("ready.bring")
async def bring(turn: Turn, kind: str) -> Reply:
    if kind not in set(Equipment):
        raise Gone
    await readiness.bring(turn.work, Equipment(kind))
    return await show_mine(turn)


@button("ready.reach")
async def reach(turn: Turn, kilometres: int) -> Reply:
    await readiness.reach(turn.work, kilometres)
    return await show_mine(turn)


@button("ready.critical")
async def when_critical(turn: Turn) -> Reply:
    await readiness.when_critical(turn.work)
    return await show_mine(turn)


@button("ready.still")
async def still_ready(turn: Turn) -> Reply:
    await readiness.confirm(turn.work)
    return [Toast("readiness/confirmed"), *parts_of(await show_mine(turn))]


@button("ready.stop")
async def stop(turn: Turn) -> Reply:
    await opt_outs.stop_emergencies(turn.work)
    return Show("readiness/not_agreed")


# An area


@command("ready", menu=Audience.COORDINATORS)
@button("ready")
async def choose_area(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    own = await callouts.commands(turn.work)
    if len(own) == 1:
        return await show_area(turn, own[0].id)
    areas = [{"id": one.id, "names": one.names} for one in own]
    return Show("readiness/areas", {"areas": areas})


@button("ready.area")
async def show_area(turn: Turn, organisation_id: int) -> Reply:
    return Show("readiness/area", await readiness.of_area(turn.work, organisation_id))
