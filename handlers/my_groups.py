"""The groups of an organisation, as its coordinator sees them: how to bind one, and unbinding."""

from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Organisation
from services import access, groups, organisations
from services.errors import Gone, NotAllowed


@command("groups", menu=Audience.COORDINATORS, reads=True)
@button("groups", reads=True)
async def show_own(turn: Turn) -> Reply:
    """Straight to the organisation, where there is only one to choose from."""
    tops = await access.organisations_with(turn.work, access.Right.REGISTER_GROUPS)
    if not tops:
        raise NotAllowed
    if len(tops) == 1:
        return await show_of(turn, tops[0].id)
    return Show("groups/organisations", {"organisations": tops})


@button("groups.of", reads=True)
async def show_of(turn: Turn, organisation_id: int) -> Reply:
    bound = await groups.bound_to(turn.work, organisation_id)
    session = turn.work.session
    organisation = await session.get(Organisation, organisation_id)
    if organisation is None:
        raise Gone
    parent_id = organisation.parent_id
    above = parent_id is not None and await access.may(
        turn.work, access.Right.REGISTER_GROUPS, parent_id
    )
    return Show(
        "groups/list",
        {
            "organisation": organisation,
            "code": groups.binding_code(organisation_id),
            "groups": bound,
            "below": await organisations.children(session, organisation_id),
            "parent_id": parent_id if above else None,
        },
    )


@button("groups.unbind")
async def unbind(turn: Turn, group_id: int) -> Reply:
    organisation_id = await groups.unbind(turn.work, group_id)
    return await show_of(turn, organisation_id)
