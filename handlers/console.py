"""The way from the chat to the console on a desk: a link, Telegram's own window, ending it."""

from handlers.replies import Reply, Show, Toast
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import sessions


@command("console", menu=Audience.COORDINATORS)
@button("console")
async def show(turn: Turn) -> Reply:
    return await offer(turn)


async def offer(turn: Turn, page: str = "") -> Reply:
    """A link that opens once; where pages are served by https, also Telegram's own window.

    The link leads to a page of the console.
    """
    secret = await sessions.offer(turn.work)
    base = f"{turn.around.public_url}/console"
    shown = {
        "address": f"{base}/open/{secret}" + (f"?to={page}" if page else ""),
        "app": f"{base}/app" if base.startswith("https://") else None,
        "minutes": sessions.LINK_LASTS.seconds // 60,
    }
    return Show("console/link", shown, fresh=True, private=True)


@button("console.end")
async def end(turn: Turn, session_id: int) -> Reply:
    await sessions.end(turn.work, session_id)
    return Show("console/ended", {"count": 1})


@button("console.end_all")
async def end_all(turn: Turn) -> Reply:
    count = await sessions.end_others(turn.work, None)
    return Toast("console/ended", {"count": count}, alert=True)
