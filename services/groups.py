"""Groups and channels that belong to an organisation and hear of its activities."""

from sqlalchemy import select, update

from models import Account, Group, Organisation, Person
from models.sealed import keyring
from services import access, audit, organisations
from services.errors import Gone
from services.words import LANGUAGES
from services.work import Work

CODE_LENGTH = 10


def binding_code(organisation_id: int) -> str:
    """What a coordinator types in a group to bind it: "<organisation>-<signature>"."""
    return f"{organisation_id}-{keyring().sign(f'bind:{organisation_id}', CODE_LENGTH)}"


async def bind(
    work: Work,
    code: str,
    *,
    bot_id: int,
    chat_id: int,
    title: str,
    language: str,
    telegram_id: int,
) -> Organisation:
    """Binds a group, in which that bot announces.

    Raises Gone for a wrong code, NotAllowed without the right.
    """
    organisation_id, _, signature = code.partition("-")
    if not organisation_id.isdecimal():
        raise Gone
    if not keyring().has_signed(f"bind:{int(organisation_id)}", CODE_LENGTH, signature):
        raise Gone
    actor = await work.session.scalar(
        select(Person)
        .join(Account, Account.person_id == Person.id)
        .where(Account.telegram_id == telegram_id)
    )
    work = work.acting_as(actor)
    await access.require(work, access.Right.REGISTER_GROUPS, int(organisation_id))
    await organisations.require_open(work, int(organisation_id))
    group = await work.session.scalar(select(Group).where(Group.chat_id == chat_id))
    if group is None:
        group = Group(chat_id=chat_id, title=title, language=language)
        work.session.add(group)
    group.organisation_id, group.bot_id = int(organisation_id), bot_id
    group.title, group.language, group.left_at = title, language, None
    group.registered_by_id, group.bound_at = work.person.id, work.now
    await work.session.flush()
    audit.note(work, "group.bound", f"group:{group.id}", organisation_id=group.organisation_id)
    return await work.session.get_one(Organisation, group.organisation_id)


async def bound_to(work: Work, organisation_id: int) -> list[Group]:
    """The groups in which the organisation is heard. Raises NotAllowed."""
    await access.require(work, access.Right.REGISTER_GROUPS, organisation_id)
    found = await work.session.scalars(
        select(Group)
        .where(Group.organisation_id == organisation_id, Group.left_at.is_(None))
        .order_by(Group.title, Group.id)
    )
    return list(found)


async def unbind(work: Work, group_id: int) -> int:
    """Ends a binding; answers which organisation it was bound to. Raises Gone or NotAllowed."""
    group = await work.session.get(Group, group_id)
    if group is None or group.organisation_id is None:
        raise Gone
    organisation_id = group.organisation_id
    await access.require(work, access.Right.REGISTER_GROUPS, organisation_id)
    group.organisation_id = None
    await work.session.flush()
    audit.note(work, "group.unbound", f"group:{group_id}", organisation_id=organisation_id)
    return organisation_id


async def choose_language(work: Work, group_id: int, language: str) -> int:
    """In which language it is written to; answers whose group it is. Raises Gone or NotAllowed."""
    group = await work.session.get(Group, group_id)
    if group is None or group.organisation_id is None or language not in LANGUAGES:
        raise Gone
    await access.require(work, access.Right.REGISTER_GROUPS, group.organisation_id)
    group.language = language
    await work.session.flush()
    audit.note(work, "group.changed", f"group:{group_id}", organisation_id=group.organisation_id)
    return group.organisation_id


async def leave(work: Work, chat_id: int, bot_id: int) -> None:
    """The bot was removed: nothing is announced there any more."""
    await work.session.execute(
        update(Group)
        .where(Group.chat_id == chat_id, Group.bot_id == bot_id)
        .values(left_at=work.now)
    )
