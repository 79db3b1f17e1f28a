"""The address of one's own calendar: getting it, a new one, giving it up."""

from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import feeds


@button("feed")
async def show(turn: Turn) -> Reply:
    """The address as it is; the first press makes one."""
    feed = await feeds.own(turn.work) or await feeds.renew_own(turn.work)
    return _shown(turn, feed.secret)


@button("feed.renew")
async def renew(turn: Turn) -> Reply:
    feed = await feeds.renew_own(turn.work)
    return _shown(turn, feed.secret, renewed=True)


@button("feed.revoke")
async def revoke(turn: Turn) -> Reply:
    await feeds.revoke_own(turn.work)
    return Show("exchange/feed_revoked")


def _shown(turn: Turn, secret: str, *, renewed: bool = False) -> Reply:
    address = f"{turn.around.public_url}/calendar/{secret}.ics"
    return Show("exchange/feed", {"address": address, "renewed": renewed})
