"""Links with which somebody answers a message without Telegram: signed, expiring, for one person.

A link names a delivery, which is one message to one person, and nothing else. It may fall into
other hands: it opens no screen of the person's, only the answers that a handler lets be given so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update

from models import Account, Delivery, Message, Person
from models.sealed import keyring
from services.delivery import unsealed
from services.errors import Gone, Refusal
from services.words import TEMPLATES, Button, Rendered, Words
from services.work import Work

SIGNATURE = 20
HOME = frozenset({"distance", "metres"})
"""Parameters of templates that tell how far away the reader lives."""
HAN = range(0x4E00, 0xA000)
COMPOUND = tuple((TEMPLATES / "answers" / "family_names.txt").read_text("utf-8").split())
"""Family names of two characters that are in use."""

OnPage = Callable[[str], bool]
"""Whether a button with this callback data may be pressed on a page."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as its page shows it."""

    delivery_id: int
    person: Person
    account: Account
    """One that is not kept: what is asked in a chat can't be answered here."""
    language: str
    rendered: Rendered


def first_name(name: str) -> str:
    """All that the page says of the person: it may be read over a shoulder."""
    if not all(ord(character) in HAN for character in name):
        return name.replace("·", " ").split(" ")[0]
    family = 2 if len(name) > 3 or (len(name) == 3 and name.startswith(COMPOUND)) else 1
    return name[family:] or name


def token(delivery_id: int, expires_at: datetime) -> str:
    """What stands at the end of the link."""
    until = int(expires_at.timestamp())
    signature = keyring().sign(_signed(delivery_id, until), SIGNATURE)
    return f"{delivery_id}-{until}-{signature}"


def _signed(delivery_id: int, until: int) -> str:
    return f"answer:{delivery_id}:{until}"


def read(given: str, now: datetime) -> int:
    """The key of the delivery that a link names.

    Raises Gone for a link that was not made here, Refusal("answer_link_expired").
    """
    parts = given.split("-")
    if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        raise Gone
    delivery_id, until = int(parts[0]), int(parts[1])
    if not keyring().has_signed(_signed(delivery_id, until), SIGNATURE, parts[2]):
        raise Gone
    if datetime.fromtimestamp(until, UTC) <= now:
        raise Refusal("answer_link_expired")
    return delivery_id


def impersonal(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a stranger who holds the link must not learn."""
    return {name: None if name in HOME else value for name, value in parameters.items()}


async def open_letter(work: Work, delivery_id: int, words: Words) -> Letter:
    """Raises Gone where it no longer exists, Refusal("only_in_chat")."""
    row = (
        await work.session.execute(
            select(Delivery, Message, Person)
            .join(Message, Message.id == Delivery.message_id)
            .join(Person, Person.id == Delivery.person_id)
            .where(Delivery.id == delivery_id)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    delivery, message, person = row
    parameters = impersonal(unsealed({**message.parameters, **(delivery.parameters or {})}))
    rendered = words.render(message.template, delivery.language, **parameters)
    if rendered.keyboard.only_in_chat:
        raise Refusal("only_in_chat")
    return Letter(delivery.id, person, _stand_in(person, work.now), delivery.language, rendered)


def _stand_in(person: Person, now: datetime) -> Account:
    return Account(
        telegram_id=0, person_id=person.id, language=person.language, language_chosen=True,
        first_seen_at=now, last_seen_at=now,
    )  # fmt: skip


# What can be pressed


def offered(rendered: Rendered, on_page: OnPage) -> list[Button]:
    """The buttons of a message that a page shows."""
    return [
        button
        for row in rendered.keyboard.buttons
        for button in row
        if button.url or on_page(button.action or "")
    ]


def steps(letter: Letter, shown: Sequence[Rendered], on_page: OnPage) -> list[Button]:
    """The buttons of an answer, such as "Yes, cancel", signed for this link."""
    known = {button.action for button in offered(letter.rendered, on_page)}
    return [
        Button(button.label, f"{button.action}~{_step(letter.delivery_id, button.action or '')}")
        for one in shown
        for button in offered(one, on_page)
        if button.action and button.action not in known
    ]


def pressed(letter: Letter, value: str, on_page: OnPage) -> str | None:
    """The callback data of a button of the message, or of a step that its page has shown."""
    action, _, signature = value.partition("~")
    if not action or not on_page(action):
        return None
    if not signature:
        known = {button.action for button in offered(letter.rendered, on_page)}
        return action if action in known else None
    genuine = keyring().has_signed(_step_of(letter.delivery_id, action), SIGNATURE, signature)
    return action if genuine else None


def _step(delivery_id: int, action: str) -> str:
    return keyring().sign(_step_of(delivery_id, action), SIGNATURE)


def _step_of(delivery_id: int, action: str) -> str:
    return f"step:{delivery_id}:{action}"


async def answered(work: Work, delivery_id: int) -> None:
    """They have pressed a button: a sign of life, by whatever channels the message came."""
    one = select(Delivery.message_id, Delivery.person_id).where(Delivery.id == delivery_id)
    message_id, person_id = (await work.session.execute(one)).one()
    await work.session.execute(
        update(Delivery)
        .where(
            Delivery.message_id + 0 == message_id,
            Delivery.person_id == person_id,
            Delivery.seen_at.is_(None),
        )
        .values(seen_at=work.now)
        .execution_options(synchronize_session=False)
    )
