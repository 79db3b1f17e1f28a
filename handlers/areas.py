"""The question where somebody lives: by a shared location, by town and community, or by typing."""

from dataclasses import dataclass
from typing import Any

from handlers.fields import Answer, Asked, Kind, Option, Stay, typed_text
from handlers.options import of_area
from handlers.routes import key_from
from models import Organisation, OrganisationKind
from services import organisations, signup
from services.errors import Gone, Refusal
from services.finding import rank

FARTHEST = 50_000.0
"""Metres; who is farther from any community is not at home when asked, or elsewhere."""
FOUND = 12


@dataclass(frozen=True, slots=True)
class Area(Kind):
    """{"organisation": id, "names", "place": {"latitude", "longitude"} | None, "asks_id": bool}"""

    partial: str = "area"
    keys: str | None = "forms/share_location"

    async def view(self, asked: Asked) -> dict[str, Any]:
        scratch = asked.scratch
        if "proposed" in scratch:
            nearest = await _organisation(asked, scratch["proposed"])
            return {
                "proposed": organisations.area_names(nearest),
                "metres": scratch["metres"],
                "shown": [],
                "town": None,
            }
        if "query" in scratch:
            return {"proposed": None, "town": None, "shown": await _found(asked, scratch["query"])}
        if "town" in scratch:
            town = await _organisation(asked, scratch["town"])
            stations = await organisations.children(asked.turn.work.session, town.id)
            shown = [of_area(station) for station in stations]
            return {"proposed": None, "town": of_area(town), "shown": shown}
        return {"proposed": None, "town": None, "shown": await _towns(asked)}

    async def receive(self, asked: Asked) -> Answer | Stay:
        place = asked.turn.incoming.place
        if place is None:
            return await self._search(asked)
        found = await organisations.nearest(
            asked.turn.work.session,
            OrganisationKind.COMMUNITY_STATION,
            place.latitude,
            place.longitude,
        )
        if found is None or found[1] > FARTHEST:
            raise Refusal("area_far")
        station, metres = found
        return Stay(
            {
                "proposed": station.id,
                "metres": metres,
                "place": {"latitude": place.latitude, "longitude": place.longitude},
            }
        )

    async def _search(self, asked: Asked) -> Stay:
        typed = typed_text(asked)
        if not await _found(asked, typed):
            raise Refusal("form_nothing_found", query=typed)
        return Stay({"query": typed, "place": asked.scratch.get("place")})

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        place = asked.scratch.get("place")
        if what == "yes" and "proposed" in asked.scratch:
            return await _answer(asked, asked.scratch["proposed"], place)
        if what == "other":
            return Stay({"place": place})
        chosen = await _organisation(asked, key_from(argument))
        if what == "pick" and chosen.kind is OrganisationKind.TOWN_ASSOCIATION:
            return Stay({"town": chosen.id, "place": place})
        if what in ("pick", "whole"):
            return await _answer(asked, chosen.id, place)
        raise Gone


async def _organisation(asked: Asked, key: int) -> Organisation:
    found = await asked.turn.work.session.get(Organisation, key)
    if found is None:
        raise Gone
    return found


async def _answer(asked: Asked, key: int, place: dict[str, float] | None) -> Answer:
    work = asked.turn.work
    chosen = await _organisation(asked, key)
    way = await organisations.chain(work.session, chosen)
    names = [organisations.area_names(step) for step in way if step.parent_id is not None]
    return Answer(
        {
            "organisation": chosen.id,
            "names": names or [chosen.names],
            "place": place,
            "asks_id": await signup.asks_id_number(work, chosen),
        }
    )


async def _towns(asked: Asked) -> list[Option]:
    towns = await organisations.of_kind(asked.turn.work.session, OrganisationKind.TOWN_ASSOCIATION)
    return [of_area(town) for town in towns]


async def _found(asked: Asked, typed: str) -> list[Option]:
    """Towns and communities by a part of their name."""
    stations = await organisations.of_kind(
        asked.turn.work.session, OrganisationKind.COMMUNITY_STATION
    )
    everything = [*await _towns(asked), *(of_area(station) for station in stations)]
    return rank(everything, typed)[:FOUND]
