"""One person, two Telegram accounts: a registration moves to another account, never doubles."""

from sqlalchemy import select

from models import Account, Person, Standing
from models.sealed import keyring
from services import audit, delivery, roles, sessions, traits
from services.errors import Gone, Refusal
from services.signup import with_phone
from services.work import Work

SIGNATURE_LENGTH = 10


async def request(work: Work, account: Account, phone: str, *, verified: bool) -> bool:
    """Moves the registration with this phone to `account`; True if that is done.

    At once where Telegram itself vouches for the number; else the old account is asked, since
    anybody can type a number. Raises Refusal("move_unknown") or Refusal("move_unreachable").
    """
    person = await with_phone(work, phone)
    if person is None or account.person_id is not None:
        raise Refusal("move_unknown")
    if verified:
        await _move(work, person, account)
        return True
    old = await _account_of(work, person)
    if old is None or old.unreachable_since is not None:
        raise Refusal("move_unreachable")
    post = delivery.Post(
        "moving/asked",
        {"account_id": account.id, "signature": _signature(person.id, account.id)},
        kind="account",
    )
    await delivery.tell(work, post, [person.id])
    return False


async def allow(work: Work, account_id: int, signature: str) -> None:
    """The owner says from the old account that the new one is theirs. Raises Gone."""
    text = f"move:{work.person.id}:{account_id}"
    if not keyring().has_signed(text, SIGNATURE_LENGTH, signature):
        raise Gone
    account = await work.session.get(Account, account_id)
    if account is None or account.person_id is not None:
        raise Gone
    await _move(work, work.person, account)


async def _move(work: Work, person: Person, account: Account) -> None:
    old = await _account_of(work, person)
    if old is not None:
        post = delivery.Post("moving/moved_away", {"name": person.name}, kind="account")
        await delivery.tell_chat(work, post, old.telegram_id, person.language)
        old.person_id = None
        await sessions.end_all(work, person.id)
        roles.menu_changed(work.session, old.telegram_id)
        await work.session.flush()
    account.person_id = person.id
    account.language = person.language
    roles.menu_changed(work.session, account.telegram_id)
    await traits.renew(work, [person.id])
    post = delivery.Post("moving/moved_here", {"name": person.name}, kind="account")
    await delivery.tell(work, post, [person.id])
    audit.note(work, "account.moved", f"person:{person.id}")


async def _account_of(work: Work, person: Person) -> Account | None:
    if person.standing is Standing.ERASED:
        return None
    return await work.session.scalar(select(Account).where(Account.person_id == person.id))


def _signature(person_id: int, account_id: int) -> str:
    return keyring().sign(f"move:{person_id}:{account_id}", SIGNATURE_LENGTH)
