"""Where everybody begins and comes back to: welcome, main menu, help, language, the desk."""

from handlers import forms
from handlers.replies import Reply, Show
from handlers.routes import Audience, Who, button, command, linked
from handlers.turns import Turn
from services import access, accounts, desk, duty, pairings, roles, teams
from services.errors import Gone


@command("start", who=Who.ANYONE, menu=Audience.HIDDEN)
async def start(turn: Turn) -> Reply:
    """Whoever is filling in a form is brought back to their question."""
    return await forms.show_again(turn) or await main_menu(turn)


@command("menu", who=Who.ANYONE)
@button("menu", who=Who.ANYONE)
async def main_menu(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    person = turn.person
    if person is None or not accounts.is_volunteer(person):
        standing = person.standing.value if person else None
        return Show("menu/welcome", {"standing": standing, "drafts": await _drafts(turn)})
    return Show(
        "menu/main",
        {
            "name": person.name,
            "paused_until": person.paused_until,
            "coordinates": await desk.coordinates(turn.work),
            "on_rota": await duty.concerns(turn.work),
            "came_for": turn.account.came_for is not None,
            "drafts": await _drafts(turn),
        },
    )


async def _drafts(turn: Turn) -> list[dict[str, object]]:
    begun = [draft for draft in await forms.drafts(turn) if draft.answers]
    return [{"id": draft.id, "form": draft.form} for draft in begun][:3]


@button("came_for")
async def came_for(turn: Turn) -> Reply:
    """Goes on where the link led that they opened before they had signed up."""
    payload, turn.account.came_for = turn.account.came_for, None
    found = linked(payload) if payload else None
    if found is None:
        raise Gone
    route, arguments = found
    return await route.function(turn, *route.convert(arguments))


@command("more", reads=True)
@button("more", reads=True)
async def more(turn: Turn) -> Reply:
    """What does not fit on the main menu."""
    in_team, paired = await teams.concerns(turn.work), await pairings.concerns(turn.work)
    return Show("menu/more", {"in_team": in_team, "pairing": paired})


@command("help", who=Who.ANYONE, reads=True)
@button("help", who=Who.ANYONE, reads=True)
async def show_help(turn: Turn) -> Reply:
    return Show("menu/help", {"coordinates": await desk.coordinates(turn.work)})


@command("language", who=Who.ANYONE, reads=True)
@button("language", who=Who.ANYONE, reads=True)
async def languages(turn: Turn) -> Reply:
    return Show("menu/language", {"current": turn.language})


@button("language.set", who=Who.ANYONE)
async def set_language(turn: Turn, code: str) -> Reply:
    await accounts.choose_language(turn.work, turn.account, code)
    roles.menu_changed(turn.work.session, turn.account.telegram_id)
    return await main_menu(turn)


@button("federation", reads=True)
async def federation(turn: Turn) -> Reply:
    """What coordinators do beside activities."""
    await desk.require(turn.work)
    return Show("menu/federation", {"rights": await access.rights(turn.work)})


@command("desk", menu=Audience.COORDINATORS)
@button("desk")
async def show_desk(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    waiting = await desk.waiting(turn.work)
    grants = await access.organisations_with(turn.work, access.Right.GRANT_ROLES)
    commands = await access.organisations_with(turn.work, access.Right.LAUNCH_CALLOUTS)
    return Show(
        "menu/desk",
        {"waiting": waiting, "grants_roles": bool(grants), "commands": bool(commands)},
    )
