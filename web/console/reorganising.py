"""Moving and closing an organisation, what waits for the level above, and the checklist."""

from models import Organisation
from services import checklist, reorganising
from services.access import Right
from services.errors import NotAllowed
from services.reorganising import Outcome
from web.console.fields import words
from web.console.framework import Goto, Page, Pages, Visit
from web.console.organisations import opened

pages = Pages()
ALL = "/organisations/requests"


# Requests


@pages.look(ALL)
async def show_all(visit: Visit) -> Page:
    pending = await reorganising.pending(visit.work)
    own = await reorganising.own(visit.work)
    return Page(
        "console/reorganising/list",
        {
            "pending": [reorganising.described(one) for one in pending],
            "own": [reorganising.described(one) for one in own],
        },
    )


@pages.look("/organisations/requests/{request_id}")
async def show(visit: Visit, request_id: int) -> Page:
    line = await reorganising.seen(visit.work, request_id)
    own = line.request.asked_by_id == visit.work.person.id
    return Page("console/reorganising/one", {"one": reorganising.described(line), "own": own})


@pages.act("/organisations/requests/{request_id}/agree", again=show)
async def agree(visit: Visit, request_id: int) -> Goto:
    await reorganising.agree(visit.work, request_id)
    return Goto(f"{ALL}/{request_id}", done="done")


@pages.act("/organisations/requests/{request_id}/refuse", again=show)
async def refuse(visit: Visit, request_id: int) -> Goto:
    await reorganising.refuse(visit.work, request_id, words(visit, "reason"))
    return Goto(f"{ALL}/{request_id}", done="done")


@pages.act("/organisations/requests/{request_id}/withdraw", again=show)
async def withdraw(visit: Visit, request_id: int) -> Goto:
    await reorganising.withdraw(visit.work, request_id)
    return Goto(f"{ALL}/{request_id}", done="done")


# Moving and closing


@pages.look("/organisations/{organisation_id}/change")
async def show_change(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id, Right.MANAGE_ORGANISATIONS)
    organisation: Organisation = shown["organisation"]
    return Page(
        "console/reorganising/change",
        {
            **shown,
            "places": await reorganising.places_for(visit.work, organisation),
            "takers": await reorganising.takers_for(visit.work, organisation),
            "busy": await reorganising.still_open(visit.work, organisation),
        },
    )


@pages.act("/organisations/{organisation_id}/transfer", again=show_change)
async def transfer(visit: Visit, organisation_id: int) -> Goto:
    why = words(visit, "words")
    outcome = await reorganising.transfer(visit.work, organisation_id, visit.key("below"), why)
    return _answered(outcome)


@pages.act("/organisations/{organisation_id}/close", again=show_change)
async def close(visit: Visit, organisation_id: int) -> Goto:
    why = words(visit, "words")
    outcome = await reorganising.close(visit.work, organisation_id, visit.key("to"), why)
    return _answered(outcome)


def _answered(outcome: Outcome) -> Goto:
    if outcome.organisation is not None:
        return Goto(f"/organisations/{outcome.organisation.id}", done="done")
    if outcome.request is None:
        raise NotAllowed
    return Goto(f"{ALL}/{outcome.request.id}", done="asked_above")


# The checklist


@pages.look("/organisations/checklist")
async def show_checklist(visit: Visit) -> Page:
    return Page("console/checklist/show", {"found": await checklist.look(visit.work)})


@pages.act("/organisations/checklist/remind")
async def remind(visit: Visit) -> Page:
    return Page("console/checklist/reminded", {"told": await checklist.remind(visit.work)})
