"""Groups that go together: founding, inviting, joining, children, leaving."""

from datetime import date
from typing import Any

from handlers import forms
from handlers.fields import Asked, Choice, Day, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button, command, link
from handlers.turns import Turn
from models import PartyKind
from services import parties, personal_data, signup
from services.errors import Refusal


@command("party")
@button("parties")
async def show_own(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = [(line, state.value) for line, state in await parties.own(turn.work)]
    return Show("parties/own", {"groups": found, "me": turn.work.person.id})


@button("party", reads=True)
async def show_one(turn: Turn, party_id: int) -> Reply:
    return await _one(turn, party_id)


async def _one(turn: Turn, party_id: int, news: str = "", **more: Any) -> Show:
    seen = await parties.seen(turn.work, party_id)
    return Show("parties/one", {"seen": seen, "news": news, "me": turn.work.person.id, **more})


# Founding


@button("party.new")
async def found(turn: Turn) -> Reply:
    return await start(turn, NEW)


async def _found(turn: Turn, filled: Filled) -> Reply:
    party = await parties.found(turn.work, PartyKind(filled["kind"]), filled["name"])
    return await _one(turn, party.id, news="founded")


NEW = register(
    Form(
        "party_new",
        (
            Field("kind", Choice(tuple(kind.value for kind in PartyKind))),
            Field("name", Text(*parties.NAME)),
        ),
        _found,
    )
)


@button("party.rename")
async def ask_name(turn: Turn, party_id: int) -> Reply:
    await parties.led(turn.work, party_id)
    return await start(turn, RENAME, subject_id=party_id)


async def _rename(turn: Turn, filled: Filled) -> Reply:
    party = await parties.rename(turn.work, filled.subject_id or 0, filled["name"])
    return await _one(turn, party.id)


RENAME = register(
    Form("party_name", (Field("name", Text(*parties.NAME)),), _rename, folder="party_new")
)


@button("party.end", reads=True)
async def ask_to_dissolve(turn: Turn, party_id: int) -> Reply:
    return Show("parties/dissolve", {"party": await parties.led(turn.work, party_id)})


@button("party.dissolve")
async def dissolve(turn: Turn, party_id: int) -> Reply:
    await parties.dissolve(turn.work, party_id)
    return await show_own(turn)


# Inviting


@button("party.link", reads=True)
async def show_link(turn: Turn, party_id: int) -> Reply:
    """To be passed on, hence a message of its own."""
    party = await parties.led(turn.work, party_id)
    address = turn.around.link(parties.payload(party))
    return Show("parties/link", {"party": party, "address": address}, fresh=True)


@button("party.relink")
async def renew_link(turn: Turn, party_id: int) -> Reply:
    await parties.renew_link(turn.work, party_id)
    return await show_link(turn, party_id)


@button("party.invite")
async def ask_whom(turn: Turn, party_id: int) -> Reply:
    await parties.led(turn.work, party_id)
    return await start(turn, INVITE, subject_id=party_id)


async def _invite(turn: Turn, filled: Filled) -> Reply:
    party_id = filled.subject_id or 0
    await parties.invite(turn.work, party_id, filled["number"])
    return await _one(turn, party_id, news="invited")


INVITE = register(Form("party_invite", (Field("number", Text(least=3, most=24)),), _invite))


# Joining, saying no, going


@link("j")
async def open_link(turn: Turn, party_id: int, key: str) -> Reply:
    await forms.set_aside(turn)
    line = await parties.invited_by(turn.work, party_id, key)
    return Show("parties/join", {"line": line, "key": key})


@button("party.join")
async def join(turn: Turn, party_id: int, key: str) -> Reply:
    party = await parties.join(turn.work, party_id, key)
    return await _one(turn, party.id, news="joined")


@button("party.yes")
async def accept(turn: Turn, party_id: int) -> Reply:
    party = await parties.accept(turn.work, party_id)
    return await _one(turn, party.id, news="joined")


@button("party.no")
async def decline(turn: Turn, party_id: int) -> Reply:
    party = await parties.decline(turn.work, party_id)
    return Show("parties/declined", {"party": party})


@button("party.leave", reads=True)
async def ask_to_leave(turn: Turn, party_id: int) -> Reply:
    return Show("parties/leave", {"party": (await parties.seen(turn.work, party_id)).party})


@button("party.go")
async def leave(turn: Turn, party_id: int) -> Reply:
    await parties.leave(turn.work, party_id)
    return await show_own(turn)


# Members


@button("party.members", reads=True)
async def show_members(turn: Turn, party_id: int) -> Reply:
    """The head chooses whom to take off."""
    await parties.led(turn.work, party_id)
    return Show("parties/members", {"seen": await parties.seen(turn.work, party_id)})


@button("party.member", reads=True)
async def show_member(turn: Turn, party_id: int, person_id: int) -> Reply:
    await parties.led(turn.work, party_id)
    seen = await parties.seen(turn.work, party_id)
    found = [one for one in seen.members if one.person_id == person_id]
    if not found:
        return await show_members(turn, party_id)
    return Show("parties/member", {"seen": seen, "member": found[0]})


@button("party.off")
async def take_off(turn: Turn, party_id: int, person_id: int) -> Reply:
    await parties.take_off(turn.work, party_id, person_id)
    return await show_members(turn, party_id)


# Children


@button("party.child")
async def ask_child(turn: Turn, party_id: int) -> Reply:
    await parties.led(turn.work, party_id)
    return await start(turn, CHILD, subject_id=party_id)


async def _name(_asked: Asked, name: str) -> str:
    return signup.checked_name(name)


async def _birth(asked: Asked, iso: str) -> str:
    name = asked.answers["name"]
    await parties.check_child(asked.turn.work, name, date.fromisoformat(iso))
    return iso


async def _agreed(_asked: Asked, answer: str) -> str:
    if answer != "yes":
        raise Refusal("ward_no_consent")
    return answer


async def _register(turn: Turn, filled: Filled) -> Reply:
    party_id = filled.subject_id or 0
    born = date.fromisoformat(filled["birth"])
    child = await parties.register_child(turn.work, party_id, filled["name"], born)
    return await _one(turn, party_id, news="child", child=child.name, standing=child.standing)


CHILD = register(
    Form(
        "party_child",
        (
            Field("name", Text(least=2, most=signup.LONGEST_NAME), check=_name),
            Field("birth", Day(), check=_birth),
            Field("consent", Choice(("yes", "no")), check=_agreed),
        ),
        _register,
    )
)


@button("ward.forget", reads=True)
async def ask_to_forget(turn: Turn, party_id: int, person_id: int) -> Reply:
    child = await parties.ward(turn.work, person_id)
    return Show("parties/forget", {"child": child, "party_id": party_id})


@button("ward.erase")
async def forget(turn: Turn, party_id: int, person_id: int) -> Reply:
    """The guardian has a child's data erased, as people do with their own."""
    child = await parties.ward(turn.work, person_id)
    await personal_data.forget(turn.work.acting_as(child))
    return await show_members(turn, party_id)
