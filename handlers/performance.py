"""How an organisation does, in short: its indicators beside others of its kind, and its score."""

from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import performance
from services.errors import Gone
from services.statistics import Period


@command("performance", reads=True, menu=Audience.COORDINATORS)
@button("performance", reads=True)
async def show_first(turn: Turn) -> Reply:
    """Who looks after several organisations is asked which."""
    tops = await performance.tops(turn.work)
    if len(tops) > 1:
        return Show("performance/choose", {"tops": tops})
    return await show(turn, tops[0].id)


@button("performance.of", reads=True)
async def show(
    turn: Turn, organisation_id: int, period: str = Period.YEAR.value, back: int = 0
) -> Reply:
    if period not in set(Period):
        raise Gone
    found = await performance.of(turn.work, organisation_id, Period(period), back)
    return Show("performance/short", {"seen": found})
