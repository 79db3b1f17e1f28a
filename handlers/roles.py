"""Claiming the system, and giving and taking roles."""

from handlers import claiming, options
from handlers.fields import Asked, Choice, Field, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, Who, button, command, link
from handlers.turns import Turn
from models import Organisation, Person, RoleKind
from services import access, people, roles
from services.accounts import is_volunteer
from services.errors import Refusal


@command("claim", who=Who.ANYONE, menu=Audience.HIDDEN)
async def ask_for_code(turn: Turn) -> Reply:
    """A volunteer may have the system's code; anybody else may have one on a slip."""
    if not is_volunteer(turn.person):
        return await claiming.ask_for_code(turn)
    return await start(turn, CLAIM)


@link("claim")
async def claim_by_link(turn: Turn, code: str) -> Reply:
    return await _claim(turn, code)


async def _claim(turn: Turn, code: str) -> Reply:
    organisation = await roles.claim(turn.work, code)
    return Show("roles/claimed", {"organisation": organisation.names})


@command("roles", menu=Audience.COORDINATORS)
@button("roles")
async def show_organisations(turn: Turn) -> Reply:
    found = await access.organisations_with(turn.work, access.Right.GRANT_ROLES)
    if len(found) == 1:
        return await show_roles(turn, found[0].id)
    return Show("roles/organisations", {"organisations": found})


@button("roles.of")
async def show_roles(turn: Turn, organisation_id: int) -> Reply:
    held = await roles.held_in(turn.work, organisation_id)
    organisation = await turn.work.session.get_one(Organisation, organisation_id)
    shown = [
        {"id": role.id, "kind": role.kind.value, "name": person.name, "number": person.number}
        for role, person in held
    ]
    return Show(
        "roles/list",
        {"organisation": organisation.names, "organisation_id": organisation_id, "roles": shown},
    )


@button("roles.revoke")
async def revoke(turn: Turn, role_id: int) -> Reply:
    role = await roles.revoke(turn.work, role_id)
    return await show_roles(turn, role.organisation_id)


@button("roles.grant")
async def grant(turn: Turn, organisation_id: int) -> Reply:
    await access.require(turn.work, access.Right.GRANT_ROLES, organisation_id)
    return await start(turn, GRANT, subject_id=organisation_id)


async def _find_person(asked: Asked, typed: str) -> dict[str, object]:
    person = await people.by_number(asked.turn.work, typed)
    if person is None:
        raise Refusal("nobody_with_number", typed=typed)
    return {"id": person.id, "name": person.name, "number": person.number}


async def _submit_grant(turn: Turn, filled: Filled) -> Reply:
    await roles.grant(
        turn.work, filled["person"]["id"], filled["organisation"], RoleKind(filled["kind"])
    )
    return await show_roles(turn, filled["organisation"])


async def _describe_grant(turn: Turn, filled: Filled) -> dict[str, object]:
    person = await turn.work.session.get_one(Person, filled["person"]["id"])
    organisation = await turn.work.session.get_one(Organisation, filled["organisation"])
    return {
        "name": person.name,
        "number": person.number,
        "organisation": organisation.names,
        "kind": filled["kind"],
    }


async def _submit_claim(turn: Turn, filled: Filled) -> Reply:
    return await _claim(turn, filled["code"])


CLAIM = register(Form("claim", (Field("code", Text(least=8, most=40)),), _submit_claim))

GRANT = register(
    Form(
        "grant",
        (
            Field("organisation", Pick(options.subtree_of_subject)),
            Field("person", Text(least=3, most=24), check=_find_person),
            Field("kind", Choice(tuple(kind.value for kind in roles.GRANTABLE))),
        ),
        _submit_grant,
        _describe_grant,
    )
)
