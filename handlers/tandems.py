"""Pairing social workers with volunteers at an activity."""

from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from services import tandems
from services.tandems import Pairs


def _shown(pairs: Pairs) -> Show:
    return Show("tandems/list", {"pairs": pairs})


@button("tandems", reads=True)
async def show(turn: Turn, activity_id: int) -> Reply:
    return _shown(await tandems.seen(turn.work, activity_id))


@button("tandem.share")
async def share_out(turn: Turn, activity_id: int) -> Reply:
    return _shown(await tandems.share_out(turn.work, activity_id))


@button("tandem.of", reads=True)
async def show_one(turn: Turn, activity_id: int, volunteer_id: int) -> Reply:
    pairs = await tandems.seen(turn.work, activity_id)
    found = [one for one in pairs.volunteers if one.id == volunteer_id]
    if not found:
        return _shown(pairs)
    return Show("tandems/one", {"pairs": pairs, "volunteer": found[0]})


@button("tandem.pair")
async def pair(turn: Turn, activity_id: int, volunteer_id: int, worker_id: int) -> Reply:
    return _shown(await tandems.pair(turn.work, activity_id, volunteer_id, worker_id))


@button("tandem.part")
async def part(turn: Turn, activity_id: int, volunteer_id: int) -> Reply:
    return _shown(await tandems.part(turn.work, activity_id, volunteer_id))
