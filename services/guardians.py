"""The guardian of a minor: named at sign-up, agrees with a code from their own chat."""

import secrets

from sqlalchemy import delete, select, update

from models import Account, Consent, ConsentKind, Guardian, Person, Standing
from models.sealed import keyring
from services import approvals, audit, delivery, traits
from services.errors import Gone, Refusal
from services.work import Work

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 10


async def name(work: Work, person: Person, guardian_name: str, phone: str) -> str:
    """Keeps who must agree; answers the code, of which only the hash is kept."""
    await work.session.execute(delete(Guardian).where(Guardian.person_id == person.id))
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    work.session.add(
        Guardian(
            person_id=person.id,
            name=guardian_name,
            phone=phone,
            code_hash=keyring().fingerprint(code),
        )
    )
    await work.session.flush()
    return code


async def new_code(work: Work) -> str:
    """The actor has lost the code. Raises Gone if no guardian is awaited."""
    guardian = await work.session.scalar(
        select(Guardian).where(Guardian.person_id == work.person.id)
    )
    if guardian is None or work.person.standing is not Standing.AWAITING_GUARDIAN:
        raise Gone
    return await name(work, work.person, guardian.name, guardian.phone)


async def asked(work: Work, code: str, telegram_id: int) -> tuple[Guardian, Person]:
    """Who the code stands for. Raises Refusal: unknown, used, or from the minor's own account."""
    tidy = "".join(c for c in code.upper() if c in ALPHABET)
    row = (
        await work.session.execute(
            select(Guardian, Person)
            .join(Person, Person.id == Guardian.person_id)
            .where(Guardian.code_hash.in_(keyring().fingerprints(tidy)))
        )
    ).one_or_none()
    if row is None or row[1].standing is not Standing.AWAITING_GUARDIAN:
        raise Refusal("guardian_code")
    own = await work.session.scalar(
        select(Account.id).where(Account.person_id == row[1].id, Account.telegram_id == telegram_id)
    )
    if own is not None:
        raise Refusal("guardian_own_chat")
    return row[0], row[1]


async def agree(work: Work, code: str, telegram_id: int) -> Person:
    """The guardian consents; the minor's registration goes on. Raises Refusal."""
    _, person = await asked(work, code, telegram_id)
    done = await work.session.execute(
        update(Guardian)
        .where(Guardian.person_id == person.id, Guardian.confirmed_at.is_(None))
        .values(confirmed_at=work.now, confirmed_by_telegram_id=telegram_id)
        .execution_options(synchronize_session=False)
    )
    if not getattr(done, "rowcount", 0):
        raise Refusal("guardian_code")
    work.session.add(
        Consent(
            person_id=person.id,
            kind=ConsentKind.GUARDIAN,
            version=work.policy.privacy_version,
            given_at=work.now,
        )
    )
    _note(work, "guardian.agreed", person)
    await approvals.let_in(work.acting_as(person), person)
    await delivery.tell(
        work,
        delivery.Post(
            "guardians/agreed", {"standing": person.standing.value, "name": person.name},
            kind="registration",
        ),
        [person.id],
    )  # fmt: skip
    return person


async def agree_for_own(work: Work, minor: Person, telegram_id: int) -> None:
    """The actor registers their own child, and consents as the guardian from their own chat."""
    parent = work.person
    code = await name(work, minor, parent.name, parent.phone or "")
    await work.session.execute(
        update(Guardian)
        .where(Guardian.code_hash.in_(keyring().fingerprints(code)))
        .values(confirmed_at=work.now, confirmed_by_telegram_id=telegram_id)
        .execution_options(synchronize_session=False)
    )
    work.session.add_all(
        Consent(
            person_id=minor.id, kind=kind, version=work.policy.privacy_version, given_at=work.now
        )
        for kind in (ConsentKind.PRIVACY, ConsentKind.GUARDIAN)
    )
    _note(work, "guardian.agreed", minor)


async def refuse(work: Work, code: str, telegram_id: int) -> Person:
    """The guardian does not agree: the registration ends. Raises Refusal."""
    _, person = await asked(work, code, telegram_id)
    person.standing = Standing.REFUSED
    await traits.renew(work, [person.id])
    _note(work, "guardian.refused", person)
    post = delivery.Post("guardians/refused", {"name": person.name}, kind="registration")
    await delivery.tell(work, post, [person.id])
    return person


def _note(work: Work, action: str, person: Person) -> None:
    audit.note(work, action, f"person:{person.id}", organisation_id=person.organisation_id)
