"""My settings: language, look, and the browsers that are logged in."""

from typing import Any

from models import Look
from services import access, accounts, opt_outs, sessions, watchwords
from services.access import Right
from services.errors import Gone
from services.traits import KINDS
from web.console.framework import Goto, Page, Pages, Visit
from web.keys import BOT_USERNAME

pages = Pages()


@pages.look("/settings")
async def show(visit: Visit) -> Page:
    refused = await opt_outs.kinds_of(visit.work)
    return Page(
        "console/settings",
        {
            "sessions": await sessions.own(visit.work),
            "languages": visit.words.languages,
            "messages": {kind: kind not in refused for kind in KINDS},
            "bot": visit.request.app[BOT_USERNAME],
            "looks": [look.value for look in Look],
            **await _word(visit),
        },
    )


async def _word(visit: Visit) -> dict[str, Any]:
    known = await watchwords.own(visit.work)
    return {
        "writes": bool(await access.organisations_with(visit.work, Right.ANNOUNCE)),
        "word": known,
        "word_counts": known is not None and known.counts_from <= visit.work.now,
        "word_size": visit.work.policy.watchword_size,
        "word_activity_size": visit.work.policy.announcement_watchword_size,
        "word_hours": visit.work.policy.watchword_wait_hours,
    }


@pages.act("/settings/word", again=show)
async def choose_word(visit: Visit) -> Goto:
    word, before = (str(visit.form.get(name, "")) for name in ("word", "before"))
    await watchwords.choose(visit.work, word, before)
    return Goto("/settings", done="saved")


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


@pages.act("/settings/messages")
async def choose_messages(visit: Visit) -> Goto:
    kind = str(visit.form.get("kind", ""))
    if kind not in KINDS:
        raise Gone
    await opt_outs.choose(visit.work, kind, wanted=bool(visit.form.get("wanted")))
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
