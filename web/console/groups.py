"""The Telegram groups and channels in which an organisation is heard."""

from services import groups
from services.access import Right
from web.console.framework import Goto, Page, Pages, Visit
from web.console.organisations import opened

pages = Pages()


@pages.look("/organisations/{organisation_id}/groups")
async def show(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id, Right.REGISTER_GROUPS)
    return Page(
        "console/groups/list",
        {
            **shown,
            "groups": await groups.bound_to(visit.work, organisation_id),
            "code": groups.binding_code(organisation_id),
            "languages": visit.words.languages,
        },
    )


@pages.act("/groups/{group_id}/language")
async def choose_language(visit: Visit, group_id: int) -> Goto:
    language = str(visit.form.get("language", ""))
    organisation_id = await groups.choose_language(visit.work, group_id, language)
    return Goto(f"/organisations/{organisation_id}/groups", done="saved")


@pages.act("/groups/{group_id}/unbind")
async def unbind(visit: Visit, group_id: int) -> Goto:
    organisation_id = await groups.unbind(visit.work, group_id)
    return Goto(f"/organisations/{organisation_id}/groups", done="unbound")
