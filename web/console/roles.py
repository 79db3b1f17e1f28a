"""Who holds which role in an organisation: granting and taking back."""

from models import RoleKind
from services import lockouts, roles, watchwords
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
            "suspended": await lockouts.suspended_in(visit.work, organisation_id),
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


@pages.act("/organisations/{organisation_id}/roles/lock", again=show)
async def lock_out(visit: Visit, organisation_id: int) -> Goto:
    """A phone that is lost: by one press all that it could do has ended."""
    await lockouts.lock_out(visit.work, visit.key("person"))
    return Goto(f"/organisations/{organisation_id}/roles", done="locked_out")


@pages.act("/organisations/{organisation_id}/roles/give-back", again=show)
async def give_back(visit: Visit, organisation_id: int) -> Goto:
    await lockouts.give_back(visit.work, visit.key("person"))
    return Goto(f"/organisations/{organisation_id}/roles", done="roles_back")


@pages.act("/organisations/{organisation_id}/roles/forget-word", again=show)
async def forget_word(visit: Visit, organisation_id: int) -> Goto:
    await watchwords.forget(visit.work, visit.key("person"))
    return Goto(f"/organisations/{organisation_id}/roles", done="word_forgotten")
