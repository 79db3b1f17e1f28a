"""Who holds which role in an organisation: granting and taking back."""

from models import RoleKind
from services import roles
from services.access import Right
from services.errors import Gone
from web.console.framework import Goto, Page, Pages, Visit
from web.console.organisations import opened

pages = Pages()


@pages.look("/organisations/{organisation_id}/roles")
async def show(visit: Visit, organisation_id: int) -> Page:
    shown = await opened(visit, organisation_id, Right.GRANT_ROLES)
    typed = str(visit.form.get("q", "") or visit.query.get("q", "")).strip()
    found = await roles.candidates(visit.work, organisation_id, typed) if typed else []
    return Page(
        "console/roles/list",
        {
            **shown,
            "held": await roles.held_in(visit.work, organisation_id),
            "kinds": [kind.value for kind in roles.GRANTABLE],
            "typed": typed,
            "candidates": found,
        },
    )


@pages.act("/organisations/{organisation_id}/roles", again=show)
async def grant(visit: Visit, organisation_id: int) -> Goto:
    try:
        kind = RoleKind(str(visit.form.get("kind", "")))
    except ValueError:
        raise Gone from None
    await roles.grant(visit.work, visit.key("person"), organisation_id, kind)
    return Goto(f"/organisations/{organisation_id}/roles", done="role_granted")


@pages.act("/organisations/{organisation_id}/roles/revoke", again=show)
async def revoke(visit: Visit, organisation_id: int) -> Goto:
    await roles.revoke(visit.work, visit.key("role"))
    return Goto(f"/organisations/{organisation_id}/roles", done="role_revoked")
