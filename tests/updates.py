"""Random updates out of the Bot API's types, as python-telegram-bot declares them.

Most are as Telegram would send them, from people of a city; others lack what they must have, carry
the wrong type, or what no phone would send. Every choice is `random`'s, so a seed tells all.
"""

import inspect
import random
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import telegram

from handlers.forms import FORMS
from handlers.routes import BUTTONS, COMMANDS, LINKS

KINDS = {
    "message": telegram.Message,
    "edited_message": telegram.Message,
    "callback_query": telegram.CallbackQuery,
    "my_chat_member": telegram.ChatMemberUpdated,
}
"""What Muster asks for."""
OTHERS = {
    "channel_post": telegram.Message,
    "inline_query": telegram.InlineQuery,
    "poll": telegram.Poll,
    "message_reaction": telegram.MessageReactionUpdated,
    "chat_join_request": telegram.ChatJoinRequest,
}
"""What it does not, and might get."""
DEEPEST = 4
EXTRAS = (
    "photo", "document", "voice", "video", "video_note", "audio", "animation", "sticker",
    "contact", "location", "venue", "poll", "dice", "story", "paid_media", "game", "invoice",
    "reply_to_message", "forward_origin", "quote", "link_preview_options", "new_chat_members",
    "left_chat_member", "pinned_message", "migrate_to_chat_id", "successful_payment",
    "web_app_data", "users_shared", "giveaway", "reply_markup", "caption", "entities", "via_bot",
)  # fmt: skip
LARGE = (0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**30)
WEIRD = (
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e",
    "\u200b" * 50,
    "é" * 3,
    "👩‍👩‍👧‍👦",
    "A" * 5000,
    "\n\n\n",
    "<b>",
    "&amp;",
    "{{ 7*7 }}",
    "{% raw %}",
    "%s%(x)s",
    "'; DROP TABLE person; --",
    "=1+1",
    "../../etc/passwd",
    "NaN",
    "1e999",
    "²",
    "١٢٣",
    "Robert\r\n2026 ERROR",
    "\U000e0041",
    "﷽" * 20,
)
WORDS = (
    "陈晓丽", "13800138000", "1990-05-01", "1990", "明天下午2点", "周六 9:00-11:30",
    "22.51, 113.39", "跳过", "2小时", "ZS000001", "石岐", "Chen Xiaoli", "+86 138 0013 8000",
    "2/30/2026", "8", "1000", "442000199005011234", "https://maps.example/@22.5,113.3",
    "12-24", "昨天", "25:61", "三棵树",
)  # fmt: skip
NEEDED = frozenset({"persistent_id", "allows_revoting", "members_only"})
"""Of polls, whatever their signatures say."""
NUMBER = re.compile(r"\b(int|float)\b")


class Updates:
    """Draws updates; `people` are the Telegram ids of those who may send them."""

    def __init__(self, seed: int, people: Sequence[int]) -> None:
        self.chance = random.Random(seed)
        self.people = list(people)
        self._numbers = 10**8

    def draw(self) -> dict[str, Any]:
        """One that is told from all others by its number."""
        chance = self.chance
        self._numbers += 1
        number = chance.random()
        if number < 0.45:
            kind, body = "callback_query", self._press()
        elif number < 0.85:
            kind, body = "message", self._message()
        elif number < 0.95:
            kind = chance.choice(list(KINDS))
            body = self._of(KINDS[kind])
            self._address(body)
        else:
            kind = chance.choice(list(OTHERS))
            body = self._of(OTHERS[kind])
        if chance.random() < 0.1:
            for _ in range(chance.randint(1, 3)):
                self._spoil(body)
        return {"update_id": self._numbers, kind: body}

    # What people do

    def _press(self) -> dict[str, Any]:
        body = self._of(telegram.CallbackQuery, sparse=True)
        body["data"] = self._data()
        body["message"] = self._of(telegram.Message, sparse=True)
        body["message"]["message_id"] = self.chance.randint(1, 500)
        self._address(body["message"], self._address(body))
        del body["chat"]  # that of the message
        return body

    def _data(self) -> str:
        chance = self.chance
        if chance.random() < 0.3:
            form = chance.choice(list(FORMS.values()))
            field = chance.choice(form.fields).name
            what = chance.choice(
                ("pick", "back", "skip", "send", "edit", "stop", "unsay", "yes", "no", "done",
                 "more", "page", "day", "hour", "month", "toggle", "all", "clear", "x")
            )  # fmt: skip
            return f"f:{field}:{what}:{self._argument()}"[:64]
        action = chance.choice(list(BUTTONS))
        route = BUTTONS[action]
        count = chance.randint(route.required, len(route.converters))
        if chance.random() < 0.05:
            count += chance.choice((-1, 1))
        return ":".join([action, *(self._argument() for _ in range(count))])[:64]

    def _argument(self) -> str:
        chance = self.chance
        number = chance.random()
        if number < 0.8:
            return str(chance.randint(1, 12))
        return str(chance.choice(LARGE)) if number < 0.9 else chance.choice(WEIRD + WORDS)

    def _message(self) -> dict[str, Any]:
        chance = self.chance
        body = self._of(telegram.Message, sparse=True)
        sender = self._address(body)
        number = chance.random()
        if number < 0.75:
            body["text"] = self._text()
            body["entities"] = [
                self._of(telegram.MessageEntity) for _ in range(chance.choice((0, 0, 0, 1, 3)))
            ]
        elif number < 0.82:
            body["contact"] = {"phone_number": self._text(), "first_name": "x", "user_id": sender}
        elif number < 0.9:
            body["location"] = {
                "latitude": chance.uniform(-95, 95), "longitude": chance.uniform(-190, 190)
            }  # fmt: skip
        else:
            name = chance.choice(EXTRAS)
            body[name] = self._value(_parameters(telegram.Message)[name][0], 0)
        return body

    def _text(self) -> str:
        chance = self.chance
        number = chance.random()
        if number < 0.2:
            return "/" + chance.choice(list(COMMANDS))
        if number < 0.3:
            rest = "-".join(self._argument() for _ in range(chance.randint(0, 4)))
            return f"/start {chance.choice(list(LINKS))}-{rest}"
        if number < 0.35:
            return f"/{chance.choice([*COMMANDS, 'bind'])} {chance.choice(WEIRD + WORDS)}"
        if number < 0.75:
            return chance.choice(WORDS)
        return chance.choice(WEIRD) + chance.choice(("", chance.choice(WORDS)))

    def _address(self, body: dict[str, Any], sender: int | None = None) -> int:
        """Comes from one of the people, mostly in their private chat."""
        chance = self.chance
        sender = sender if sender is not None else chance.choice(self.people)
        body["from"] = {
            "id": sender, "is_bot": False, "first_name": "晓丽",
            "language_code": chance.choice(("zh-hans", "en", "de", "", "x" * 40)),
        }  # fmt: skip
        body["chat"] = {"id": sender, "type": "private", "first_name": "晓丽"}
        if chance.random() < 0.05:
            kind = chance.choice(("group", "supergroup", "channel"))
            body["chat"] = {"id": -(10**12) - chance.randint(1, 9), "type": kind, "title": "组"}
        return sender

    # By type

    def _of(self, kind: type, depth: int = 0, *, sparse: bool = False) -> dict[str, Any]:
        """All that must be there, and some of what may."""
        likely = 0.0 if sparse else 0.5 / (depth + 1) ** 2
        return {
            "from" if name == "from_user" else name: self._value(annotation, depth + 1)
            for name, (annotation, required) in _parameters(kind).items()
            if required or name in NEEDED or self.chance.random() < likely
        }

    def _value(self, annotation: str, depth: int) -> Any:
        """Something of the type that an annotation names."""
        chance = self.chance
        inner = re.fullmatch(r"(?:Sequence|tuple|list)\[(.*?)(?:, \.\.\.)?\]", annotation)
        if inner:
            count = chance.choice((0, 1, 2)) if depth < DEEPEST else 0
            return [self._value(inner.group(1), depth + 1) for _ in range(count)]
        found = getattr(telegram, annotation, None)
        if inspect.isclass(found) and issubclass(found, telegram.TelegramObject):
            return self._of(found, depth) if depth < DEEPEST else {}
        if "bool" in annotation:
            return chance.random() < 0.5
        if annotation.startswith(("datetime", "timedelta")) or "TimePeriod" in annotation:
            return 1_790_000_000 if chance.random() < 0.98 else chance.choice(LARGE)
        if NUMBER.search(annotation):
            return chance.randint(1, 100) if chance.random() < 0.98 else chance.choice(LARGE)
        return chance.choice(WORDS + WEIRD)

    def _spoil(self, body: dict[str, Any]) -> None:
        """Takes something out somewhere, or puts there what does not belong."""
        chance = self.chance
        inside = [body]
        for one in inside:
            inside += [value for value in one.values() if isinstance(value, dict)]
        target = chance.choice([one for one in inside if one])
        name = chance.choice(list(target))
        if chance.random() < 0.3:
            del target[name]
            return
        wrong = (
            None,
            [],
            {},
            True,
            chance.choice(LARGE),
            -0.5,
            chance.choice(WEIRD),
            [[[]]],
            {"id": 1},
        )
        target[name] = chance.choice(wrong)


@cache
def _parameters(kind: type) -> dict[str, tuple[str, bool]]:
    """Name -> annotation and whether it must be given, as the library declares a type."""
    found = {}
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        if name in ("api_kwargs", "kwargs", "args"):
            continue
        annotation = str(parameter.annotation).removesuffix(" | None").replace("'", "")
        plain = re.sub(r"<class (.*)>", r"\1", re.sub(r"ForwardRef\((.*)\)", r"\1", annotation))
        plain = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", plain)
        found[name] = plain, parameter.default is inspect.Parameter.empty
    return found
