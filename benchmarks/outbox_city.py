"""People with accounts, by the hundred thousand, and a newsletter for them in the outbox."""

import json
from datetime import UTC, datetime

from sqlalchemy import func, select, text

from models import Account, Database, Lane, Person
from services import delivery
from services.delivery import NO_PARAMETERS, Post
from services.policy import Policy
from services.work import Work

TOKEN = "100200:benchmark-of-muster"
FIRST_CHAT = 5_000_000
EMERGENCY_CHAT = 9_000_000
LETTER = "本周六河岸植树，岐江公园北门集合，九点出发。" * 8


def letter(text_of_it: str = LETTER, lane: Lane = Lane.BROADCAST) -> Post:
    """A message with a text alone, as its template shows it."""
    return Post("approvals/refused", {"reason": text_of_it}, "newsletter", lane)


def body(chat_id: int) -> bytes:
    """About what Muster sends: text and a keyboard."""
    keyboard = {"inline_keyboard": [[{"text": "🏠 主菜单", "callback_data": "menu"}]]}
    fields = {"text": LETTER, "parse_mode": "HTML", "reply_markup": keyboard, "chat_id": chat_id}
    return json.dumps(fields, ensure_ascii=False).encode()


async def people(database: Database, count: int) -> None:
    """`count` active volunteers of the first organisation, each with an account."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    counted = (
        "WITH RECURSIVE series(n) AS"
        f" (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {count})"
    )
    async with database.write() as session:
        await session.execute(
            text(
                "INSERT INTO person (standing, organisation_id, language, name, name_search,"
                f" phone_verified, availability, emergency_opt_in, applied_at) {counted}"
                " SELECT 'active', (SELECT min(id) FROM organisation), 'zh_Hans', 'X', 'x',"
                f" true, 0, false, '{now}' FROM series"
            )
        )
        await session.execute(
            text(
                "INSERT INTO account (telegram_id, person_id, language, language_chosen,"
                f" first_seen_at, last_seen_at) SELECT {FIRST_CHAT} + id, id, 'zh_Hans', true,"
                f" '{now}', '{now}' FROM person WHERE NOT EXISTS"
                " (SELECT 1 FROM account WHERE account.person_id = person.id)"
            )
        )


async def newsletter(database: Database, count: int) -> int:
    """Posts the letter to the first `count` people; answers how many it is for."""
    async with database.write() as session:
        work = Work(session, datetime.now(UTC), Policy())
        readers = (
            select(
                Account.person_id,
                Account.telegram_id,
                func.coalesce(Person.language, Account.language),
                NO_PARAMETERS,
            )
            .join(Person, Person.id == Account.person_id)
            .order_by(Account.person_id)
            .limit(count)
        )
        return await delivery.tell_all(work, letter(), readers)


async def emergency(database: Database, count: int) -> None:
    """Posts a call to `count` other chats, in one transaction."""
    async with database.write() as session:
        work = Work(session, datetime.now(UTC), Policy())
        for number in range(count):
            post = letter("请到码头集合", Lane.EMERGENCY)
            await delivery.tell_chat(work, post, EMERGENCY_CHAT + number, "zh_Hans")
