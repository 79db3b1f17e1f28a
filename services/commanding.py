"""Directing a call-out that runs: who and how many, where, words to those in it, who commands."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Select, or_, select

from models import (
    Callout,
    CalloutState,
    Lane,
    Loan,
    Need,
    Organisation,
    Person,
    Response,
    ResponseState,
)
from services import access, boards, callouts, declaring, delivery, mobilising, said
from services.access import Right
from services.callouts import ALARM, HELD, calls_for, commanded, need_commanded, running
from services.declaring import Wanted
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.mobilising import Pace
from services.work import Work

WAITING = (ResponseState.STANDBY, ResponseState.RELEASED)
"""States of those who would come if they were asked to."""
ASK_ALL = (3, 5, 10, 20)
"""Kilometres within which everyone can be asked."""
WORDS_LENGTH = 1_000
"""Characters that are said at once."""


async def board(work: Work, callout_id: int) -> dict[str, Any]:
    return await boards.board(work, await commanded(work, callout_id))


# Whom to ask


async def ask_more(work: Work, callout_id: int) -> int:
    """The next wave now, whatever is still expected; answers how many were asked."""
    callout = await running(work, callout_id)
    callouts.note(work, "wave", callout)
    return await mobilising.advance_one(work, callout, Pace.ORDER)


async def ask_within(work: Work, callout_id: int, kilometres: int) -> int:
    """Everyone who fits within so many kilometres, of `ASK_ALL`; answers how many were asked.

    Raises Gone, NotAllowed, Refusal.
    """
    callout = await running(work, callout_id)
    if kilometres not in ASK_ALL:
        raise Gone
    callouts.note(work, "everyone", callout, kilometres=kilometres)
    return await mobilising.ask_everyone(work, callout, kilometres * 1000.0)


async def hold(work: Work, callout_id: int, *, holds: bool) -> Callout:
    """Stops the waves or lets them go on."""
    callout = await running(work, callout_id)
    callout.holds = holds
    callouts.note(work, "held" if holds else "resumed", callout)
    await mobilising.advance_one(work, callout, Pace.CHANGE)
    return callout


async def change_quota(work: Work, need_id: int, quota: int) -> Callout:
    """More or fewer people; waves follow at once, and the call on the phones says so.

    Where fewer are wanted than are on their way, the last to arrive may turn round.
    """
    callout, need = await need_commanded(work, need_id)
    declaring.check_quota(quota)
    before, need.quota, need.full_at = need.quota, quota, None
    await work.session.flush()
    callouts.note(work, "quota", callout, quota=quota)
    await _revise_calls(work, callout, need)
    about = {"quota": quota, "before": before, "need": await callouts.need_named(work, need)}
    await callouts.tell(work, callout, "quota_changed", await _concerned(work, callout), about)
    if quota < before:
        await _send_back(work, callout, need)
        await mobilising.close_if_full(work, callout, need)
    await mobilising.advance_one(work, callout, Pace.CHANGE)
    return callout


async def _concerned(work: Work, callout: Callout) -> set[int]:
    """Who commands it, and all who could once it is as large as to need a second commander."""
    command = {callout.commander_id, callout.second_id or callout.commander_id}
    needs = await callouts.needs_of(work, callout)
    large = sum(need.quota for need in needs) > work.policy.callout_second_size
    return command | await callouts.commanders(work, callout) if large else command


async def _send_back(work: Work, callout: Callout, need: Need) -> None:
    """Releases as many of those who arrive last as leave the need full without them."""
    last_first = await callouts.coming_for(work, need)
    enough = await mobilising.full_without(work, callout, need, last_first)
    released = last_first[:enough]
    if not released:
        return
    for one in released:
        one.state = ResponseState.RELEASED
    await work.session.flush()
    people = [one.person_id for one in released]
    them = select(Response.person_id).where(
        Response.need_id == need.id, Response.person_id.in_(people)
    )
    await _edit_held(work, callout, need, "enough", them)
    await callouts.tell(work, callout, "fewer", people)


async def add_need(work: Work, callout_id: int, wanted: Wanted) -> Callout:
    """One more kind of people while it runs; they are asked at once."""
    callout = await running(work, callout_id)
    need = await declaring.add_need(work, callout, wanted)
    callouts.note(work, "need", callout, quota=wanted.quota)
    about = {"need": await callouts.need_named(work, need), "name": work.person.name}
    await callouts.tell(work, callout, "need_added", await _concerned(work, callout), about)
    await mobilising.advance_one(work, callout, Pace.CHANGE)
    return callout


async def ask_neighbours(work: Work, callout_id: int) -> int:
    """Asks the commanders near by and above to lend; answers how many."""
    callout = await running(work, callout_id)
    callouts.note(work, "neighbours", callout)
    return await mobilising.ask_neighbours(work, callout)


async def lend(work: Work, callout_id: int, organisation_id: int) -> Callout:
    """The actor lends the volunteers of an organisation that they command.

    Raises Gone, NotAllowed, Refusal("callout_over").
    """
    await access.require(work, Right.LAUNCH_CALLOUTS, organisation_id)
    callout = await work.session.get(Callout, callout_id, with_for_update=True)
    if callout is None:
        raise Gone
    if callout.state is not CalloutState.ACTIVE:
        raise Refusal("callout_over")
    if await work.session.get(Loan, (callout_id, organisation_id)) is None:
        loan = Loan(
            callout_id=callout_id, organisation_id=organisation_id,
            lent_by_id=work.person.id, lent_at=work.now,
        )  # fmt: skip
        work.session.add(loan)
        await work.session.flush()
        lender = await work.session.get_one(Organisation, organisation_id)
        about = {"lender": lender.names, "name": work.person.name}
        await callouts.tell_command(work, callout, "lent", about)
        callouts.note(work, "lent", callout, lender=organisation_id)
        await mobilising.advance_one(work, callout, Pace.CHANGE)
    return callout


# Where


async def move(
    work: Work, callout_id: int, latitude: float, longitude: float, address: str
) -> Callout:
    """Another rally point: calls on the phones are edited, who is coming hears it anew."""
    callout = await running(work, callout_id)
    if len(address) > declaring.ADDRESS_LENGTH:
        raise Refusal("form_too_long", most=declaring.ADDRESS_LENGTH, length=len(address))
    callout.latitude, callout.longitude, callout.address = latitude, longitude, address
    await work.session.flush()
    callouts.note(work, "moved", callout)
    for need in await callouts.needs_of(work, callout):
        await _revise_calls(work, callout, need)
        counting_on_it = select(Response.person_id).where(
            Response.need_id == need.id,
            Response.state.in_(HELD),
            # whom it is only now being told that they are needed must read that first
            or_(Response.state != ResponseState.STANDBY, Response.moved_up_at.is_(None)),
        )
        await _edit_held(work, callout, need, "moved", counting_on_it)
    await callouts.tell(work, callout, "moved", await callouts.people_in(work, callout, *HELD))
    return callout


async def _revise_calls(work: Work, callout: Callout, need: Need) -> None:
    """What those hold who have not answered yet says what is true now."""
    post = replace(await mobilising.alarm(work, callout, need), dedupe=None)
    asked = select(Response.person_id).where(
        Response.need_id == need.id, Response.state == ResponseState.ASKED
    )
    await delivery.revise(work, calls_for(need), post, kind=ALARM, people=asked)


async def _edit_held(
    work: Work, callout: Callout, need: Need, template: str, people: Select[int]
) -> None:
    """What those hold who have answered, calls and screens, is no longer true, and says so."""
    about = await callouts.described(work, callout)
    post = Post(f"callouts/{template}", about, kind=ALARM, lane=Lane.EMERGENCY)
    await delivery.correct(work, calls_for(need), post, kind=ALARM, people=people)
    screens = replace(post, kind=delivery.SCREEN)
    await delivery.correct(
        work, callouts.orders(callout.id), screens, kind=delivery.SCREEN, people=people
    )


async def call_up(work: Work, callout_id: int, person_id: int) -> None:
    """Somebody on standby, or thanked too early, is asked to come now, whether or not it is full.

    Raises Gone, NotAllowed, Refusal.
    """
    callout = await running(work, callout_id)
    response = await work.session.get(Response, (callout_id, person_id))
    if response is None or response.state not in WAITING:
        raise Gone
    response.moved_up_at = work.now
    callouts.note(work, "called_up", callout, person=person_id)
    need = await work.session.get_one(Need, response.need_id)
    await mobilising.tell_needed(work, callout, need, [person_id])


# Words


async def say(
    work: Work,
    callout_id: int,
    text: str,
    *,
    need_id: int | None = None,
    to: int | None = None,
    answers: int = 0,
) -> int:
    """Free words to everyone who is coming, there or on standby, to a role, or to one of them.

    Answers how many read it; each may write back. `answers` is the word that is answered, if any.
    """
    callout = await running(work, callout_id)
    if not text:
        raise Refusal("text_missing")
    if len(text) > WORDS_LENGTH:
        raise Refusal("form_too_long", most=WORDS_LENGTH, length=len(text))
    found = select(Response.person_id).where(Response.callout_id == callout.id)
    if to is not None:
        found = found.where(Response.person_id == to)
    else:
        found = found.where(Response.state.in_(HELD))
    if need_id is not None:
        found = found.where(Response.need_id == need_id)
    people = list(await work.session.scalars(found))
    word = await said.answered(work, callout, answers)
    kept = said.keep(
        work, callout, text, to_command=False, need_id=need_id, to=to, answers=word
    )  # fmt: skip
    await work.session.flush()
    callouts.note(work, "said", callout, word=kept.id, count=len(people))
    about = {"text": text, "word_id": kept.id, "quote": said.quote(word)}
    return await callouts.tell(work, callout, "said", people, about)


async def write_back(work: Work, callout_id: int, text: str, word_id: int = 0) -> None:
    """Somebody in it writes to its commanders, who may answer them. Raises Gone, Refusal."""
    callout, own = await callouts.own(work, callout_id)
    word = await said.answered(work, callout, word_id)
    kept = said.keep(work, callout, text, to_command=True, answers=word)
    await work.session.flush()
    about = {
        "text": text, "name": work.person.name, "person_id": own.person_id,
        "word_id": kept.id, "quote": said.quote(word),
    }  # fmt: skip
    await callouts.tell_command(work, callout, "wrote_back", about)


# Who commands


async def successors(work: Work, callout_id: int) -> list[Person]:
    """Who could take command, by name. Raises Gone, NotAllowed, Refusal."""
    return await others(work, await _own_command(work, callout_id))


async def others(work: Work, callout: Callout) -> list[Person]:
    """Who could command it beside the actor, by name."""
    keys = await callouts.commanders(work, callout) - {work.person.id}
    found = select(Person).where(Person.id.in_(keys)).order_by(Person.name, Person.id)
    return list(await work.session.scalars(found))


async def offer(work: Work, callout_id: int, person_id: int) -> str:
    """Asks another commander to take over; answers their name. Raises Gone, NotAllowed, Refusal."""
    callout = await _own_command(work, callout_id)
    if person_id not in await callouts.commanders(work, callout) - {work.person.id}:
        raise Gone
    callout.offered_to_id = person_id
    callouts.note(work, "offered", callout, to=person_id)
    await callouts.tell(work, callout, "offered", [person_id])
    return (await work.session.get_one(Person, person_id)).name


async def accept(work: Work, callout_id: int) -> Callout:
    """Whoever was asked commands from now on. Raises Gone, NotAllowed, Refusal."""
    callout = await _offered(work, callout_id)
    return await _pass_command(work, callout, "accepted")


async def refuse(work: Work, callout_id: int) -> Callout:
    """Whoever was asked cannot; the commander hears of it. Raises Gone, NotAllowed, Refusal."""
    callout = await _offered(work, callout_id)
    callout.offered_to_id = None
    callouts.note(work, "not_accepted", callout)
    about = {"name": work.person.name}
    await callouts.tell(work, callout, "not_accepted", [callout.commander_id], about)
    return callout


async def take_over(work: Work, callout_id: int) -> Callout:
    """A deputy commands from now on; the one before and those above hear of it."""
    callout = await running(work, callout_id)
    if callout.commander_id == work.person.id:
        return callout
    return await _pass_command(work, callout, "taken_over")


async def _own_command(work: Work, callout_id: int) -> Callout:
    callout = await running(work, callout_id)
    if callout.commander_id != work.person.id:
        raise NotAllowed
    return callout


async def _offered(work: Work, callout_id: int) -> Callout:
    callout = await running(work, callout_id)
    if callout.offered_to_id != work.person.id:
        raise Gone
    return callout


async def _pass_command(work: Work, callout: Callout, action: str) -> Callout:
    """To the actor; the one before, those above, and everyone in it write to them from now on."""
    before = callout.commander_id
    callout.commander_id = work.person.id
    callout.acted_at, callout.deputies_asked_at = work.now, None
    callout.offered_to_id = None
    await work.session.flush()
    callouts.note(work, action, callout, before=before)
    others = await callouts.commanders(work, callout) | {before}
    await callouts.tell(work, callout, "taken_over", others - {work.person.id})
    await boards.hand_board(work, callout, [work.person.id])
    return callout
