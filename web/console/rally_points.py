"""Rally points of an organisation: a list and a map, adding, changing, removing."""

from services import rally_points
from services.rally_points import Described
from web.console import placing
from web.console.framework import Goto, Page, Pages, Visit
from web.console.organisations import figures, opened

pages = Pages()


@pages.look("/organisations/{organisation_id}/rally-points")
async def show_all(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id)
    points = await rally_points.of(visit.work, organisation_id)
    return Page("console/rally_points/list", {**shown, **await figures(visit), "points": points})


@pages.act("/organisations/{organisation_id}/rally-points", again=show_all)
async def add(visit: Visit, organisation_id: int) -> Goto:
    await rally_points.add(visit.work, organisation_id, _described(visit))
    return Goto(f"/organisations/{organisation_id}/rally-points", done="saved")


@pages.look("/organisations/rally-points/{rally_point_id}")
async def show(visit: Visit, rally_point_id: int) -> Page:
    point = await rally_points.get(visit.work, rally_point_id)
    shown = await opened(visit, point.organisation_id)
    return Page("console/rally_points/one", {**shown, **await figures(visit), "point": point})


@pages.act("/organisations/rally-points/{rally_point_id}", again=show)
async def change(visit: Visit, rally_point_id: int) -> Goto:
    point = await rally_points.change(visit.work, rally_point_id, _described(visit))
    return Goto(f"/organisations/{point.organisation_id}/rally-points", done="saved")


@pages.act("/organisations/rally-points/{rally_point_id}/remove")
async def remove(visit: Visit, rally_point_id: int) -> Goto:
    organisation_id = await rally_points.remove(visit.work, rally_point_id)
    return Goto(f"/organisations/{organisation_id}/rally-points", done="removed")


def _described(visit: Visit) -> Described:
    """Raises Refusal for what is no place."""
    at = placing.required(visit)
    name, note = (" ".join(str(visit.form.get(one, "")).split()) for one in ("name", "note"))
    return Described(name, note, at.latitude, at.longitude)
