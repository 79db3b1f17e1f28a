"""Activities, rosters and hours as spreadsheets, with the words of whoever takes them along."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from services import agenda, attendees, hours, roll, sheets
from services.access import Right
from services.formats import named
from services.oddities import Odd
from services.sheets import Column, Kind
from services.work import Work
from web.console import activities, looks, rosters
from web.console import hours as hour_pages
from web.console.activities import wanted_of
from web.console.downloads import spreadsheet
from web.console.framework import Later, Pages, Visit

pages = Pages()

MOMENTS, NUMBERS = {"starts_at", "ends_at", "came", "left"}, {"shifts", "taken", "quota", "waiting"}
OF_ACTIVITIES = (
    "title", "organisation", "field", "state", "starts_at", "ends_at", "shifts", "taken", "quota",
    "waiting",
)  # fmt: skip
OF_ROSTER = ("name", "number", "phone", "state", "came", "left", "minutes", "hours")
OF_HOURS = (
    "title", "starts_at", "name", "number", "came", "came_by", "left", "left_by", "minutes", "odd",
)  # fmt: skip


def _words(visit: Visit) -> Any:
    return visit.words.values("console/activities/columns", visit.language)


def _columns(words: Any, names: Sequence[str]) -> list[Column]:
    kinds = {
        **dict.fromkeys(MOMENTS, Kind.MOMENT),
        **dict.fromkeys(NUMBERS, Kind.NUMBER),
        "minutes": Kind.MINUTES,
    }
    return [
        Column(
            words["heads"][name],
            kinds.get(name, Kind.TEXT),
            width=28 if name in {"title", "organisation"} else 16,
            personal=name == "phone",
            name=name,
        )
        for name in names
    ]


@pages.act("/activities/export", again=activities.show_list)
async def export_activities(visit: Visit) -> Later:
    """Those that the filters of the address find."""
    words, wanted, language = _words(visit), wanted_of(visit), visit.language

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for title, organisation, field, state, *rest in agenda.rows(work, wanted):
            names = named(organisation, language), named(field, language)
            yield (title, *names, words["states"][state.value], *rest)

    name = f"{words['files']['activities']}.xlsx"
    return spreadsheet(visit, name, _columns(words, OF_ACTIVITIES), rows)


@pages.act("/shifts/{shift_id}/export", again=rosters.show)
async def export_roster(visit: Visit, shift_id: int) -> Later:
    """Phone numbers go along only to who sees volunteers; that is noted and counts as a look."""
    words = _words(visit)
    _, activity = await roll.held(visit.work, shift_id)
    columns = await sheets.permitted(
        visit.work,
        _columns(words, OF_ROSTER),
        Right.SEE_VOLUNTEERS,
        activity.organisation_id,
        "roster",
    )
    taken = {column.name for column in columns}
    if "phone" in taken:
        looks.count(visit)

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for name, number, phone, state, *times, served in attendees.rows(work, shift_id):
            about = (name, number, phone) if "phone" in taken else (name, number)
            of_hours = words["hours"][served.value] if served else ""
            yield (*about, words["places"][state.value], *times, of_hours)

    name = f"{words['files']['roster']} {activity.title}.xlsx"
    return spreadsheet(visit, name, columns, rows)


@pages.act("/hours/export", again=hour_pages.show)
async def export_hours(visit: Visit) -> Later:
    """All that waits for whoever asks."""
    words = _words(visit)

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for row in hours.rows(work):
            *about, came, came_by, left, left_by, minutes = row[: -len(Odd)]
            odd = [
                words["odd"][one.value]
                for one, found in zip(Odd, row[-len(Odd) :], strict=True)
                if found
            ]
            means = words["means"]
            yield (
                *about, came, means[came_by.value], left, means[left_by.value] if left_by else "",
                minutes, ", ".join(odd),
            )  # fmt: skip

    name = f"{words['files']['hours']}.xlsx"
    return spreadsheet(visit, name, _columns(words, OF_HOURS), rows)
