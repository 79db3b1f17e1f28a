"""Call-outs, to read: what was declared and how many answered. Names no people."""

from typing import Literal

from pydantic import Field

from models import Callout, CalloutState, Emergency
from services import registers
from services.registers import Counts
from services.tokens import Scope
from web.api import cursors
from web.api.declaring import Call, Endpoints
from web.api.shapes import Id, Listing, Moment, Paged, Shape

endpoints = Endpoints("callouts")


class CalloutShape(Shape):
    id: Id
    organisation_id: Id
    emergency: Emergency
    drill: bool
    critical: bool = Field(description="Life is at stake.")
    false_alarm: bool
    state: CalloutState
    address: str = Field(description="Of the rally point.")
    latitude: float
    longitude: float
    launched_at: Moment | None
    ended_at: Moment | None
    wanted: int
    asked: int
    coming: int
    on_scene: int
    home: int


class CalloutsAsked(Paged):
    state: Literal["active", "ended"] | None = None


def _shape(callout: Callout, counts: Counts) -> CalloutShape:
    return CalloutShape(
        id=callout.id,
        organisation_id=callout.organisation_id,
        emergency=callout.kind,
        drill=callout.drill,
        critical=callout.critical,
        false_alarm=callout.false_alarm,
        state=callout.state,
        address=callout.address,
        latitude=callout.latitude,
        longitude=callout.longitude,
        launched_at=callout.launched_at,
        ended_at=callout.ended_at,
        wanted=counts.wanted,
        asked=counts.asked,
        coming=counts.coming,
        on_scene=counts.on_scene,
        home=counts.home,
    )


@endpoints.look("/callouts", Scope.CALLOUTS_READ)
async def list_callouts(call: Call, query: CalloutsAsked) -> Listing[CalloutShape]:
    """Call-outs that were launched, drills among them."""
    state = CalloutState(query.state) if query.state else None
    found = await registers.callouts(call.work, cursors.window(call, query), state=state)
    rows = [callout for (callout,) in found.rows]
    counts = await registers.counts_of(call.work, [one.id for one in rows])
    items = [_shape(one, counts[one.id]) for one in rows]
    return Listing(items=items, next=cursors.next_of(call, found))


@endpoints.look("/callouts/{callout_id}", Scope.CALLOUTS_READ)
async def get_callout(call: Call, callout_id: int) -> CalloutShape:
    """One call-out."""
    callout = await registers.callout(call.work, callout_id)
    counts = await registers.counts_of(call.work, [callout.id])
    return _shape(callout, counts[callout.id])
