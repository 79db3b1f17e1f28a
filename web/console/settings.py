"""My settings: language, look, and the browsers that are logged in."""

from models import Look
from services import accounts, sessions
from services.errors import Gone
from web.console.framework import Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/settings")
async def show(visit: Visit) -> Page:
    return Page(
        "console/settings",
        {
            "sessions": await sessions.own(visit.work),
            "languages": visit.words.languages,
            "looks": [look.value for look in Look],
        },
    )


@pages.act("/settings/look")
async def choose_look(visit: Visit) -> Goto:
    try:
        look = Look(str(visit.form.get("look", "")))
    except ValueError:
        raise Gone from None
    await sessions.choose_look(visit.work, visit.logged_in.session.id, look)
    return Goto("/settings", done="saved")


@pages.act("/settings/language")
async def choose_language(visit: Visit) -> Goto:
    account = await accounts.of_person(visit.work, visit.work.person.id)
    await accounts.choose_language(visit.work, account, str(visit.form.get("language", "")))
    return Goto("/settings", done="saved")


@pages.act("/settings/sessions/{session_id}/end")
async def end_session(visit: Visit, session_id: int) -> Goto:
    await sessions.end(visit.work, session_id)
    return Goto("/settings", done="logged_out", number=1)


@pages.act("/settings/sessions/end")
async def end_other_sessions(visit: Visit) -> Goto:
    ended = await sessions.end_others(visit.work, visit.logged_in.session.id)
    return Goto("/settings", done="logged_out", number=ended)


@pages.act("/leave")
async def leave(visit: Visit) -> Goto:
    """Logs this browser out."""
    await sessions.end(visit.work, visit.logged_in.session.id)
    return Goto("")
