"""Help in chat: anyone asks for it, coordinators see to it, volunteers help and are thanked."""

from typing import Any

from handlers import forms
from handlers.areas import Area
from handlers.care import volunteers_as_options
from handlers.fields import (
    Answer,
    Asked,
    Choice,
    Duration,
    Field,
    Option,
    OtherPhone,
    Phone,
    Pick,
    PickMany,
    Stay,
    Text,
)
from handlers.forms import Filled, Form, register, start
from handlers.pairing import LENGTHS, month_title
from handlers.planning import PLAN
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import Who, button, command
from handlers.turns import Turn
from models import HelpFor, HelpKind
from services import access, activities, care, help_requests
from services.access import Right
from services.errors import Gone

USUAL_WHEN = ("today", "week", "any")
FILES = 20


# Asking


@command("helpme", who=Who.ANYONE)
@button("helpme", who=Who.ANYONE)
async def show_own(turn: Turn) -> Reply:
    """What one has asked for; without anything the question begins at once."""
    await forms.set_aside(turn)
    found = await help_requests.asked_by(turn.work, turn.account)
    if not found:
        return await ask(turn)
    return Show("help/own", {"requests": found})


@button("help.ask", who=Who.ANYONE)
async def ask(turn: Turn) -> Reply:
    await help_requests.check_may_ask(turn.work, turn.account)
    return await start(turn, HELP)


@button("help.call")
async def note_call(turn: Turn) -> Reply:
    await care.require(turn.work)
    return await start(turn, CALL)


class When(Text):
    """Typed words, or one of the usual ones as words of their language."""

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if what != "pick" or argument not in USUAL_WHEN:
            raise Gone
        words = asked.turn.around.words
        return Answer(words.plain("help/when_words", asked.turn.language, when=argument))


def _words(name: str, *, lines: bool = False) -> Text:
    least, most = help_requests.LENGTHS[name]
    return Text(least, most, lines)


async def _number(_asked: Asked, answer: dict[str, Any]) -> str:
    """Verified or not, it is only called back."""
    return str(answer["phone"])


async def _in_reach(asked: Asked, area: dict[str, Any]) -> dict[str, Any]:
    await access.require(asked.turn.work, Right.CARE, area["organisation"])
    return area


_ABOUT = (
    Field("kind", Choice(tuple(kind.value for kind in HelpKind))),
    Field("whom", Choice(tuple(whom.value for whom in HelpFor))),
    Field("name", _words("name")),
    Field("what", _words("what", lines=True)),
    Field("when", When(*help_requests.LENGTHS["when"])),
)
_ADDRESS = Field("address", _words("address"))


def _asked(filled: Filled) -> help_requests.Asked:
    place = filled["area"].get("place") or {}
    return help_requests.Asked(
        organisation_id=filled["area"]["organisation"],
        kind=HelpKind(filled["kind"]),
        whom=HelpFor(filled["whom"]),
        name=filled["name"],
        what=filled["what"],
        when=filled["when"],
        address=filled["address"],
        phone=filled["phone"],
        latitude=place.get("latitude"),
        longitude=place.get("longitude"),
    )


async def _describe(_turn: Turn, _filled: Filled) -> dict[str, Any]:
    return {}


async def _submit(turn: Turn, filled: Filled) -> Reply:
    request = await help_requests.ask(turn.work, turn.account, _asked(filled))
    return Show("help/sent", {"request_id": request.id})


async def _submit_call(turn: Turn, filled: Filled) -> Reply:
    request = await help_requests.take_call(turn.work, _asked(filled))
    return [Toast("help/call_noted"), *parts_of(await _request(turn, request.id))]


HELP = register(
    Form(
        "help_ask",
        (*_ABOUT, Field("area", Area()), _ADDRESS, Field("phone", Phone(), check=_number)),
        _submit,
        _describe,
    )
)
CALL = register(
    Form(
        "help_call",
        (
            Field("phone", OtherPhone()),
            *_ABOUT,
            Field("area", Area(), check=_in_reach),
            _ADDRESS,
        ),
        _submit_call,
        _describe,
        folder="help_ask",
        private=True,
        about=lambda turn, _key: care.list_subject(turn.work.person.id),
    )
)


# What whoever asked can do


@button("help.back", who=Who.ANYONE)
async def take_back(turn: Turn, request_id: int) -> Reply:
    await help_requests.cancel_own(turn.work, turn.account, request_id)
    return Show("help/taken_back_thanks")


@button("help.was", who=Who.ANYONE)
async def it_was_done(turn: Turn, request_id: int) -> Reply:
    request = await help_requests.say_whether_done(turn.work, turn.account, request_id, done=True)
    return Show("help/glad", {"request_id": request.id})


@button("help.wasnot", who=Who.ANYONE)
async def it_was_not_done(turn: Turn, request_id: int) -> Reply:
    await help_requests.say_whether_done(turn.work, turn.account, request_id, done=False)
    return Show("help/sorry")


@button("help.thank", who=Who.ANYONE)
async def thank(turn: Turn, request_id: int) -> Reply:
    await help_requests.thank(turn.work, turn.account, request_id)
    return Show("help/thanked")


# Coordinators


@button("help.list")
async def show_list(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await help_requests.listed(turn.work)
    return Show(
        "help/list",
        {
            "requests": [
                {
                    "request_id": one.request.id,
                    "kind": one.request.kind.value,
                    "state": one.request.state.value,
                    "area": one.organisation.place or one.organisation.names,
                    "asked_at": one.request.asked_at,
                }
                for one in found
            ]
        },
    )


@button("help.look")
async def show_request(turn: Turn, request_id: int) -> Reply:
    await forms.set_aside(turn)
    return await _request(turn, request_id)


async def _request(turn: Turn, request_id: int) -> Show:
    shown = await help_requests.look(turn.work, request_id)
    about = help_requests.subject(request_id)
    return Show("help/request", shown, private=True, fresh=True, about=about)


@button("help.find")
async def find(turn: Turn, request_id: int) -> Reply:
    await help_requests.coordinated(turn.work, request_id)
    return await start(turn, VOLUNTEERS, subject_id=request_id, answers={})


async def _near(asked: Asked) -> list[Option]:
    typed = asked.turn.incoming.text or asked.scratch.get("query") or ""
    found = await help_requests.candidates(asked.turn.work, asked.subject_id or 0, typed)
    return await volunteers_as_options(asked, found)


async def _ask_them(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await help_requests.ask_volunteers(turn.work, key, filled["people"])
    return [Toast("care/invited"), *parts_of(await _request(turn, key))]


VOLUNTEERS = register(
    Form("help_volunteers", (Field("people", PickMany(_near, least=1)),), _ask_them)
)


@button("help.choose")
async def choose(turn: Turn, request_id: int, person_id: int) -> Reply:
    await help_requests.choose(turn.work, request_id, person_id)
    return await _request(turn, request_id)


@button("help.closed")
async def close_done(turn: Turn, request_id: int) -> Reply:
    await help_requests.close_done(turn.work, request_id)
    return await _request(turn, request_id)


@button("help.cancel")
async def cancel(turn: Turn, request_id: int) -> Reply:
    await help_requests.cancel_for(turn.work, request_id)
    return await show_list(turn)


@button("help.plan")
async def plan_for(turn: Turn, request_id: int) -> Reply:
    """A new activity with what may be said in public; afterwards the request is put to it."""
    request = await help_requests.coordinated(turn.work, request_id)
    words = turn.around.words
    title = words.plain("help/kind_words", turn.language, kind=request.kind.value)
    answers = {"organisation": request.organisation_id, "title": title}
    return await start(turn, PLAN, answers=answers, at="field")


@button("help.activity")
async def choose_activity(turn: Turn, request_id: int) -> Reply:
    await help_requests.coordinated(turn.work, request_id)
    return await start(turn, ACTIVITY, subject_id=request_id, answers={})


async def _activities(asked: Asked) -> list[Option]:
    found = await activities.coming(asked.turn.work)
    return [Option(one.id, {"": one.title}, one.title.lower()) for one in found]


async def _into_activity(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await help_requests.into_activity(turn.work, key, filled["activity"])
    return await _request(turn, key)


ACTIVITY = register(Form("help_activity", (Field("activity", Pick(_activities)),), _into_activity))


@button("help.file")
async def choose_file(turn: Turn, request_id: int) -> Reply:
    await help_requests.coordinated(turn.work, request_id)
    return await start(turn, INTO_FILE, subject_id=request_id, answers={})


async def _files(asked: Asked) -> list[Option]:
    found = await care.files(asked.turn.work, size=FILES)
    return [
        Option(one.recipient.id, {"": one.name}, one.name.lower())
        for one in found
        if one.name is not None
    ]


async def _into_file(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await help_requests.into_pairing(turn.work, key, filled["file"])
    return await _request(turn, key)


INTO_FILE = register(Form("help_file", (Field("file", Pick(_files)),), _into_file))


# Volunteers


@button("help.yes")
async def i_can(turn: Turn, request_id: int) -> Reply:
    await help_requests.answer(turn.work, request_id, yes=True)
    return Show("help/yes_thanks")


@button("help.no")
async def i_cannot(turn: Turn, request_id: int) -> Reply:
    await help_requests.answer(turn.work, request_id, yes=False)
    return Show("pairings/declined_thanks")


@button("help.card")
async def show_card(turn: Turn, request_id: int) -> Reply:
    await forms.set_aside(turn)
    card = await help_requests.card(turn.work, request_id)
    about = help_requests.subject(request_id)
    return Show("help/yours", card, private=True, fresh=True, about=about)


@button("help.giveback")
async def give_back(turn: Turn, request_id: int) -> Reply:
    await help_requests.give_back(turn.work, request_id)
    return Show("help/given_back_thanks")


@button("help.done")
async def ask_minutes(turn: Turn, request_id: int) -> Reply:
    await help_requests.helped(turn.work, request_id)
    return await start(turn, DONE, subject_id=request_id, answers={})


async def _done(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await help_requests.done(turn.work, key, filled["minutes"], month_title(turn))
    minutes = min(filled["minutes"], turn.work.policy.care_longest_minutes)
    return Show("help/done_thanks", {"minutes": minutes})


DONE = register(Form("help_done", (Field("minutes", Duration(LENGTHS)),), _done))
