"""Fields of forms: what a question takes for an answer, sent or pressed.

A kind has the answer, or stays at the question with some scratch (what is ticked, which page),
or refuses with a template that says what to do next. Answers are plain JSON values.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from handlers.routes import key_from
from handlers.turns import Turn
from services import money, phones, places
from services.errors import Gone, Refusal
from services.finding import rank
from services.formats import named
from services.moments import (
    MomentError,
    parse_day,
    parse_duration,
    parse_earlier,
    parse_moment,
    parse_span,
)

PAGE = 8
"""Options on one page; more do not fit a phone's screen."""
PARTS_OF_WEEK = 21
ENDS_AT = "23:59"
"""The time of day that makes a day a moment ahead, also today."""
AS_USUAL = {"usual": True}
"""The answer of who wants the usual words."""


@dataclass(frozen=True, slots=True)
class Answer:
    value: Any


@dataclass(frozen=True, slots=True)
class Stay:
    """The question is not answered yet; `scratch` is how far it has got."""

    scratch: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the middle of a form."""

    turn: Turn
    field: "Field"
    answers: dict[str, Any]
    scratch: dict[str, Any]
    subject_id: int | None


Check = Callable[[Asked, Any], Awaitable[Any]]
"""Looks at an answer, raises Refusal, or gives the value to keep."""


@dataclass(frozen=True, slots=True)
class Field:
    """`skip_if` looks at the answers so far; `check` is the rule for this field alone, and gives
    what is kept as its answer.
    """

    name: str
    kind: "Kind"
    optional: bool = False
    skip_if: Callable[[dict[str, Any]], bool] | None = None
    check: Check | None = None
    secret: bool = False
    """What is typed is taken off the chat at once."""


class Kind:
    """`partial` draws the keyboard (`templates/forms/kinds/`); `keys` replaces the phone's own."""

    partial: str = "plain"
    keys: str | None = None

    async def view(self, asked: Asked) -> dict[str, Any]:
        """Parameters of the partial."""
        return {}

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        raise Gone

    async def receive(self, asked: Asked) -> Answer | Stay:
        raise Refusal("form_use_buttons")

    def unfinished(self, scratch: dict[str, Any]) -> Any:
        """What is kept as the answer so far of who goes back from the question; None: nothing."""
        return None


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Typed words of `least` to `most` characters."""

    least: int = 1
    most: int = 64
    lines: bool = False
    """Whether line breaks may stay."""

    async def receive(self, asked: Asked) -> Answer | Stay:
        typed = typed_text(asked)
        text = typed if self.lines else " ".join(typed.split())
        if len(text) < self.least:
            raise Refusal("form_too_short", least=self.least)
        if len(text) > self.most:
            raise Refusal("form_too_long", most=self.most, length=len(text))
        return Answer(text)


@dataclass(frozen=True, slots=True)
class TextOrUsual(Text):
    """Typed words, or by a press those that are usual, whatever they are: `AS_USUAL`."""

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if what != "pick" or argument != "usual":
            raise Gone
        return Answer(AS_USUAL)


@dataclass(frozen=True, slots=True)
class Formatted(Kind):
    """A text with the formatting that the phone gave it, as Telegram HTML."""

    most: int

    async def receive(self, asked: Asked) -> Answer | Stay:
        typed = typed_text(asked)
        if len(typed) > self.most:
            raise Refusal("form_too_long", most=self.most, length=len(typed))
        return Answer((asked.turn.incoming.formatted or "").strip())


@dataclass(frozen=True, slots=True)
class Number(Kind):
    least: int
    most: int

    async def receive(self, asked: Asked) -> Answer | Stay:
        try:
            value = int(typed_text(asked))
        except ValueError:
            raise Refusal("form_not_a_number", least=self.least, most=self.most) from None
        if not self.least <= value <= self.most:
            raise Refusal("form_number_range", least=self.least, most=self.most)
        return Answer(value)

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        """The prompt may offer usual numbers as buttons: `pick(20)`."""
        if what != "pick":
            raise Gone
        value = key_from(argument)
        if not self.least <= value <= self.most:
            raise Gone
        return Answer(value)


@dataclass(frozen=True, slots=True)
class Money(Kind):
    """An amount as people write it (2万, 1,500元), in hundredths."""

    async def receive(self, asked: Asked) -> Answer | Stay:
        try:
            return Answer(money.cents(typed_text(asked)))
        except money.MoneyError:
            raise Refusal("form_money") from None


@dataclass(frozen=True, slots=True)
class Rows(Kind):
    """A list of things, typed one by one or a line each; a thing of a known name replaces it.

    `parse` makes a JSON object with a "name" of a line, and raises ValueError for what it can't
    read; the prompt shows `rows`. The fault names the line, and none of the message is taken then.
    """

    parse: Callable[[Asked, str], dict[str, Any]]
    fault: str
    """The refusal's code; it is given `line`, and `number` where several came at once."""
    least: int = 1
    most: int = 20
    partial: str = "rows"

    async def view(self, asked: Asked) -> dict[str, Any]:
        rows = self._rows(asked)
        return {"rows": rows, "enough": len(rows) >= self.least, "most": self.most}

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        rows = self._rows(asked)
        if what == "unsay_row" and rows:
            return Stay({"rows": rows[:-1]})
        if what != "done" or len(rows) < self.least:
            raise Gone
        return Answer(rows)

    async def receive(self, asked: Asked) -> Answer | Stay:
        rows = {row["name"]: row for row in self._rows(asked)}
        lines = [line.strip() for line in typed_text(asked).splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            try:
                row = self.parse(asked, line)
            except ValueError:
                which = number if len(lines) > 1 else 0
                raise Refusal(self.fault, line=line[:60], number=which) from None
            rows[row["name"]] = row
        if len(rows) > self.most:
            raise Refusal("form_rows_full", most=self.most)
        return Stay({"rows": list(rows.values())})

    def unfinished(self, scratch: dict[str, Any]) -> Any:
        return scratch.get("rows") or None

    def _rows(self, asked: Asked) -> list[dict[str, Any]]:
        """What was typed so far, or answered before."""
        return list(asked.scratch.get("rows", asked.answers.get(asked.field.name) or []))


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of a few codes; the prompt's own template draws the buttons with `pick(code)`."""

    codes: tuple[str, ...]

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if what != "pick" or argument not in self.codes:
            raise Gone
        return Answer(argument)


@dataclass(frozen=True, slots=True)
class Day(Kind):
    """A day as people write it; read back in full, and counted only when they say yes."""

    partial: str = "day"

    async def view(self, asked: Asked) -> dict[str, Any]:
        return {"proposed": asked.scratch.get("proposed")}

    async def receive(self, asked: Asked) -> Answer | Stay:
        work = asked.turn.work
        try:
            day = parse_day(typed_text(asked), now=work.now, zone=work.policy.zone)
        except MomentError as fault:
            raise Refusal("form_day", reason=fault.reason.value) from None
        if asked.field.check is not None:
            await asked.field.check(asked, day.isoformat())
        return Stay({"proposed": day.isoformat()})

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        return _confirm_proposed(asked, what)


@dataclass(frozen=True, slots=True)
class DayAhead(Day):
    """A day from today on: "12-31", "next Friday", or so many days from today by a press."""

    usual: tuple[int, ...] = ()

    async def receive(self, asked: Asked) -> Answer | Stay:
        work = asked.turn.work
        typed = f"{typed_text(asked)} {ENDS_AT}"
        try:
            moment = parse_moment(typed, now=work.now, zone=work.policy.zone)
        except MomentError as fault:
            raise Refusal("form_day_ahead", reason=fault.reason.value) from None
        return Stay({"proposed": moment.astimezone(work.policy.zone).date().isoformat()})

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if what != "pick":
            return _confirm_proposed(asked, what)
        days = key_from(argument)
        if days not in self.usual:
            raise Gone
        return Answer((asked.turn.work.today + timedelta(days=days)).isoformat())


@dataclass(frozen=True, slots=True)
class Span(Kind):
    """A start and an end: ["2026-12-05T06:00:00+00:00", ...]; read back before it counts."""

    partial: str = "span"

    async def view(self, asked: Asked) -> dict[str, Any]:
        return {"proposed": asked.scratch.get("proposed")}

    async def receive(self, asked: Asked) -> Answer | Stay:
        work = asked.turn.work
        try:
            start, end = parse_span(typed_text(asked), now=work.now, zone=work.policy.zone)
        except MomentError as fault:
            raise Refusal("form_moment", reason=fault.reason.value) from None
        proposed = [start.isoformat(), end.isoformat()]
        if asked.field.check is not None:
            await asked.field.check(asked, proposed)
        return Stay({"proposed": proposed})

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        return _confirm_proposed(asked, what)


@dataclass(frozen=True, slots=True)
class Instant(Kind):
    """A point in time, ahead or `earlier`, in ISO form; read back before it counts."""

    earlier: bool = False
    partial: str = "instant"

    async def view(self, asked: Asked) -> dict[str, Any]:
        return {"proposed": asked.scratch.get("proposed")}

    async def receive(self, asked: Asked) -> Answer | Stay:
        work = asked.turn.work
        try:
            parse = parse_earlier if self.earlier else parse_moment
            moment = parse(typed_text(asked), now=work.now, zone=work.policy.zone)
        except MomentError as fault:
            raise Refusal("form_moment", reason=fault.reason.value, earlier=self.earlier) from None
        if asked.field.check is not None:
            await asked.field.check(asked, moment.isoformat())
        return Stay({"proposed": moment.isoformat()})

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        return _confirm_proposed(asked, what)


def _confirm_proposed(asked: Asked, what: str) -> Answer | Stay:
    proposed = asked.scratch.get("proposed")
    if proposed is None:
        raise Gone
    if what == "yes":
        return Answer(proposed)
    if what == "no":
        return Stay({})
    raise Gone


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """Whole minutes, typed as people write durations, or one of the usual ones by a press."""

    usual: tuple[int, ...] = ()

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if what != "pick" or key_from(argument) not in self.usual:
            raise Gone
        return Answer(key_from(argument))

    async def receive(self, asked: Asked) -> Answer | Stay:
        try:
            return Answer(parse_duration(typed_text(asked)))
        except MomentError:
            raise Refusal("form_duration") from None


@dataclass(frozen=True, slots=True)
class Phone(Kind):
    """{"phone": "+8613800138000", "verified": bool}; verified if the own contact was shared."""

    keys: str | None = "forms/share_contact"

    async def receive(self, asked: Asked) -> Answer | Stay:
        incoming = asked.turn.incoming
        if incoming.contact is not None:
            if not incoming.contact.is_own:
                raise Refusal("form_contact_of_other")
            return Answer({"phone": _e164(asked, incoming.contact.phone), "verified": True})
        return Answer({"phone": _e164(asked, typed_text(asked)), "verified": False})


@dataclass(frozen=True, slots=True)
class OtherPhone(Kind):
    """Somebody else's number, typed or as a shared card, in E.164."""

    async def receive(self, asked: Asked) -> Answer | Stay:
        incoming = asked.turn.incoming
        text = incoming.contact.phone if incoming.contact else typed_text(asked)
        return Answer(_e164(asked, text))


def _e164(asked: Asked, text: str) -> str:
    return phones.e164(text, asked.turn.work.policy.country)


@dataclass(frozen=True, slots=True)
class Location(Kind):
    """{"latitude", "longitude"} in WGS-84 degrees: shared, typed, or a link to a map.

    A place that has a name, of a venue or a proposed one, keeps it as "address".
    """

    typed: bool = True
    """Whether what is typed counts; it doesn't prove that anybody is there."""
    proposals: "Callable[[Asked], Awaitable[list[Spot]]] | None" = None
    """Places with names, which are offered as buttons and found by typing their names."""
    partial: str = "spots"
    keys: str | None = "forms/share_location"

    async def view(self, asked: Asked) -> dict[str, Any]:
        spots = await self.proposals(asked) if self.proposals else []
        return {"spots": [spot for spot in spots if spot.shown]}

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        spots = await self.proposals(asked) if self.proposals else []
        return Answer(_at(_spot(spots, key_from(argument) if what == "spot" else None)))

    async def receive(self, asked: Asked) -> Answer | Stay:
        place = asked.turn.incoming.place
        if place is not None:
            named = {"address": place.title} if place.title else {}
            return Answer({"latitude": place.latitude, "longitude": place.longitude, **named})
        if not self.typed:
            raise Refusal("form_share_location")
        text = typed_text(asked)
        found = places.place_in(text)
        if found is not None:
            return Answer({"latitude": found.latitude, "longitude": found.longitude})
        spots = await self.proposals(asked) if self.proposals else []
        by_name = _found([spot.option for spot in spots], text) if "://" not in text else []
        if not by_name:
            raise Refusal("form_location")
        return Answer(_at(_spot(spots, by_name[0].id)))


@dataclass(frozen=True, slots=True)
class Spot:
    """A place that can be chosen by its name; `shown` ones have a button."""

    option: "Option"
    latitude: float
    longitude: float
    shown: bool = True


def _spot(spots: Sequence[Spot], key: int | None) -> Spot:
    """Raises Gone for one that is not offered any more."""
    found = next((spot for spot in spots if spot.option.id == key), None)
    if found is None:
        raise Gone
    return found


def _at(spot: Spot) -> dict[str, Any]:
    address = named(spot.option.names, "")
    return {"latitude": spot.latitude, "longitude": spot.longitude, "address": address}


@dataclass(frozen=True, slots=True)
class Photo(Kind):
    """A picture, as Telegram's file id."""

    async def receive(self, asked: Asked) -> Answer | Stay:
        picture = asked.turn.incoming.picture
        if picture is None:
            raise Refusal("form_photo")
        return Answer(picture.file_id)


@dataclass(frozen=True, slots=True)
class Photos(Kind):
    """Up to `most` pictures, sent one by one or as an album, as Telegram's file ids."""

    least: int = 1
    most: int = 9
    partial: str = "photos"

    async def view(self, asked: Asked) -> dict[str, Any]:
        sent = len(asked.scratch.get("photos", []))
        return {"sent": sent, "enough": sent >= self.least, "most": self.most}

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        sent = asked.scratch.get("photos", [])
        if what == "unsend":
            return Stay({"photos": sent[:-1]})
        if what != "done" or len(sent) < self.least:
            raise Gone
        return Answer(sent)

    async def receive(self, asked: Asked) -> Answer | Stay:
        picture = asked.turn.incoming.picture
        if picture is None:
            raise Refusal("form_photo")
        sent = [*asked.scratch.get("photos", []), picture.file_id]
        if len(sent) > self.most:
            raise Refusal("form_photos_full", most=self.most)
        return Answer(sent) if len(sent) == self.most else Stay({"photos": sent})


@dataclass(frozen=True, slots=True)
class Note(Text):
    """Words, typed or spoken: {"text": "..."} or {"voice": Telegram's file id, "seconds": 12}."""

    most: int = 1000
    lines: bool = True
    longest: int = 180
    """Seconds of a voice message."""

    async def receive(self, asked: Asked) -> Answer | Stay:
        spoken = asked.turn.incoming.voice
        if spoken is None:
            typed = await Text.receive(self, asked)
            return Answer({"text": typed.value}) if isinstance(typed, Answer) else typed
        if spoken.seconds > self.longest:
            raise Refusal("form_voice_too_long", minutes=self.longest // 60)
        return Answer({"voice": spoken.file_id, "seconds": spoken.seconds})


@dataclass(frozen=True, slots=True)
class Attachment(Kind):
    """A picture, a document or a place, as `models.Message.attachment`."""

    async def receive(self, asked: Asked) -> Answer | Stay:
        incoming = asked.turn.incoming
        if incoming.picture is not None:
            return Answer({"photo": incoming.picture.file_id})
        if incoming.document is not None:
            return Answer({"document": incoming.document.file_id})
        if incoming.place is None:
            raise Refusal("form_attachment")
        place = asdict(incoming.place)
        if place["title"]:
            return Answer({"venue": place})
        where = {"latitude": place["latitude"], "longitude": place["longitude"]}
        return Answer({"location": where})


@dataclass(frozen=True, slots=True)
class Option:
    """Something to pick. `search` is what typed words are compared with."""

    id: int
    names: dict[str, str]
    search: str = ""
    group: dict[str, str] | None = None
    emoji: str = ""


Options = Callable[[Asked], Awaitable[list[Option]]]


@dataclass(frozen=True, slots=True)
class Pick(Kind):
    """One of many, on pages, found also by typing a part of the name or its pinyin."""

    options: Options
    partial: str = "pick"

    async def view(self, asked: Asked) -> dict[str, Any]:
        return _page(await self.options(asked), asked.scratch)

    async def receive(self, asked: Asked) -> Answer | Stay:
        return _search(await self.options(asked), asked)

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if what == "pick":
            return Answer(_known(await self.options(asked), argument))
        return _turn_page(asked, what, argument)


@dataclass(frozen=True, slots=True)
class PickMany(Kind):
    """Any number of many; the answer is a list of ids in the order of the options.

    `as_picked` keeps the order in which they were picked.
    """

    options: Options
    least: int = 0
    as_picked: bool = False
    partial: str = "pick_many"

    async def view(self, asked: Asked) -> dict[str, Any]:
        options = await self.options(asked)
        ticked = self._ticked(asked)
        chosen = self._chosen(options, ticked)
        return {**_page(options, asked.scratch), "ticked": ticked, "chosen": chosen}

    async def receive(self, asked: Asked) -> Answer | Stay:
        found = _search(await self.options(asked), asked)
        return Stay({**found.scratch, "ticked": self._ticked(asked)})

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        ticked = self._ticked(asked)
        options = await self.options(asked)
        if what == "pick":
            key = _known(options, argument)
            changed = [k for k in ticked if k != key] if key in ticked else [*ticked, key]
            return Stay({**asked.scratch, "ticked": changed})
        if what == "done":
            if len(ticked) < self.least:
                raise Refusal("form_pick_more", least=self.least)
            return Answer([option.id for option in self._chosen(options, ticked)])
        return Stay({**_turn_page(asked, what, argument).scratch, "ticked": ticked})

    def _chosen(self, options: list[Option], ticked: list[int]) -> list[Option]:
        chosen = [option for option in options if option.id in ticked]
        return sorted(chosen, key=lambda one: ticked.index(one.id)) if self.as_picked else chosen

    def _ticked(self, asked: Asked) -> list[int]:
        """What is ticked now, or was answered before."""
        before = asked.answers.get(asked.field.name) or []
        return list(asked.scratch.get("ticked", before))


def _page(options: list[Option], scratch: dict[str, Any]) -> dict[str, Any]:
    query = scratch.get("query", "")
    found = _found(options, query) if query else options
    pages = max(1, -(-len(found) // PAGE))
    page = min(int(scratch.get("page", 0)), pages - 1)
    return {
        "shown": found[page * PAGE : (page + 1) * PAGE],
        "page": page,
        "pages": pages,
        "query": query,
        "total": len(options),
    }


def _found(options: list[Option], typed: str) -> list[Option]:
    return list(rank(options, typed))


def _search(options: list[Option], asked: Asked) -> Stay:
    typed = typed_text(asked)
    if not _found(options, typed):
        raise Refusal("form_nothing_found", query=typed)
    return Stay({**asked.scratch, "query": typed, "page": 0})


def _turn_page(asked: Asked, what: str, argument: str) -> Stay:
    if what == "page":
        return Stay({**asked.scratch, "page": key_from(argument)})
    if what == "all":
        return Stay({k: v for k, v in asked.scratch.items() if k not in ("query", "page")})
    raise Gone


def _known(options: list[Option], argument: str) -> int:
    key = key_from(argument)
    if key not in {option.id for option in options}:
        raise Gone
    return key


@dataclass(frozen=True, slots=True)
class Week(Kind):
    """When somebody is free: 21 bits, bit 3 * weekday + part of the day."""

    partial: str = "week"

    async def view(self, asked: Asked) -> dict[str, Any]:
        return {"bits": self._bits(asked)}

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        bits = self._bits(asked)
        if what == "done":
            if not bits:
                raise Refusal("form_pick_more", least=1)
            return Answer(bits)
        number = key_from(argument)
        if what == "toggle" and number < PARTS_OF_WEEK:
            return Stay({"bits": bits ^ (1 << number)})
        if what == "set" and number < 1 << PARTS_OF_WEEK:
            return Stay({"bits": number})
        raise Gone

    def _bits(self, asked: Asked) -> int:
        return int(asked.scratch.get("bits", asked.answers.get(asked.field.name) or 0))


@dataclass(frozen=True, slots=True)
class Hours(Kind):
    """Hours of the day as [from, until] in minutes, typed "22:00-7:00" or picked."""

    partial: str = "plain"
    presets: tuple[str, ...] = field(default=())

    async def receive(self, asked: Asked) -> Answer | Stay:
        return Answer(self._parse(typed_text(asked)))

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if what != "pick" or argument not in self.presets:
            raise Gone
        start, end = argument.split("-")
        return Answer([int(start), int(end)])

    def _parse(self, text: str) -> list[int]:
        folded = text.replace("：", ":").replace("到", "-").replace("至", "-")
        for dash in "–—~～":
            folded = folded.replace(dash, "-")
        try:
            start, end = (_minutes(part) for part in folded.split("-"))
        except ValueError:
            raise Refusal("form_hours") from None
        if start == end:
            raise Refusal("form_hours")
        return [start, end]


def _minutes(text: str) -> int:
    hours, _, minutes = text.strip().partition(":")
    value = int(hours) * 60 + int(minutes or 0)
    if not (0 <= int(hours) <= 24 and 0 <= int(minutes or 0) < 60 and value <= 24 * 60):
        raise ValueError(text)
    return value % (24 * 60)


def typed_text(asked: Asked) -> str:
    """What was typed. Raises Refusal if something else was sent."""
    text = asked.turn.incoming.text
    if text is None or not text.strip():
        raise Refusal("form_type_it")
    return text.strip()
