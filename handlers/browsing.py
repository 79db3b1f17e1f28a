"""Finding an activity: what fits me, and all of them by date, field and town."""

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import button, command
from handlers.turns import Turn
from services import browsing, matching
from services.browsing import Listing, When
from services.errors import Gone

SUGGESTED = 6


@command("foryou")
@button("foryou")
async def for_me(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await matching.suggestions(turn.work, SUGGESTED)
    return Show("browsing/for_me", {"suggestions": found})


@command("browse")
@button("browse")
async def browse(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show("browsing/start")


@button("browse.date", reads=True)
async def by_date(turn: Turn, when: str, page: int = 0) -> Reply:
    if when not in set(When):
        raise Gone
    listing = await browsing.by_date(turn.work, When(when), page)
    return _listed("date", when, listing)


@button("browse.fields", reads=True)
async def fields(turn: Turn) -> Reply:
    found = await browsing.fields(turn.work)
    return Show("browsing/headings", {"headings": found, "by": "field"})


@button("browse.field", reads=True)
async def by_field(turn: Turn, field_id: int, page: int = 0) -> Reply:
    return _listed("field", field_id, await browsing.by_field(turn.work, field_id, page))


@button("browse.towns", reads=True)
async def towns(turn: Turn) -> Reply:
    found = await browsing.towns(turn.work)
    return Show("browsing/headings", {"headings": found, "by": "town"})


@button("browse.town", reads=True)
async def by_town(turn: Turn, organisation_id: int, page: int = 0) -> Reply:
    listing = await browsing.by_town(turn.work, organisation_id, page)
    return _listed("town", organisation_id, listing)


def _listed(by: str, key: str | int, listing: Listing) -> Reply:
    return Show("browsing/list", {"by": by, "key": key, "listing": listing})
