"""One of each thing that the console's addresses name, in the hands of one town."""

from sqlalchemy import select

from models import (
    Callout,
    CalloutState,
    ConsoleSession,
    Dispatch,
    DispatchState,
    Emergency,
    Event,
    Person,
    Token,
    Webhook,
)
from services import audiences, broadcasts
from services.audiences import Audience
from tests.certified import RECORD, issued
from tests.city import City
from tests.consoles import desk_of
from tests.importing import VOLUNTEERS, Bringing, written

SECRET = "欧阳石岐"
"""The name of whoever holds them: no page of others may show it."""


async def examples(city: City) -> dict[str, int]:
    """One of each thing in a town, by the name that paths give its key."""
    phone = await city.coordinator(SECRET, organisation="zs-shiqi")
    victim = await city.person(phone)
    async with desk_of(city, phone), city.database.read() as session:
        opened = await session.scalar(
            select(ConsoleSession.id).where(ConsoleSession.person_id == victim.id)
        )
    activity = await city.making.activity(victim, f"{SECRET}的活动")
    shift = await city.making.shift(activity)
    assert opened is not None
    bringing = Bringing(city.database, city.making, victim)
    file = await bringing.send(VOLUNTEERS, written(("姓名", "手机"), (SECRET, "13912345678")))
    await bringing.check(file)
    certificate = await issued(city.making, victim, RECORD)
    program, listener, sent = await _exchange(city, victim)
    written_to, described, called = await _said(city, victim)
    return {
        "person_id": victim.id,
        "organisation_id": victim.organisation_id,
        "session_id": opened,
        "activity_id": activity.id,
        "shift_id": shift.id,
        "certificate_id": certificate.id,
        "import_id": file,
        "token_id": program,
        "webhook_id": listener,
        "dispatch_id": sent,
        "broadcast_id": written_to,
        "audience_id": described,
        "callout_id": called,
    }


async def _said(city: City, victim: Person) -> tuple[int, int, int]:
    """A draft of a message, a saved audience and a call-out that runs."""
    home = victim.organisation_id or 0
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, victim.id))
        draft = await broadcasts.draft(work, home, "notice", f"{SECRET}的通知")
        kept = await audiences.save(work, home, f"{SECRET}的对象", Audience())
        callout = Callout(
            organisation_id=home, commander_id=victim.id, kind=Emergency.FLOOD, drill=False,
            state=CalloutState.ACTIVE, word="1234", address=f"{SECRET}广场", created_at=work.now,
            launched_at=work.now, latitude=22.5, longitude=113.4, radius=5000.0,
        )  # fmt: skip
        session.add(callout)
        await session.flush()
        return draft.id, kept.id, callout.id


async def _exchange(city: City, victim: Person) -> tuple[int, int, int]:
    """A token, a webhook and what was sent to it."""
    now, home = city.clock(), victim.organisation_id
    async with city.database.write() as session:
        token = Token(
            organisation_id=home, made_by_id=victim.id, name=SECRET, secret_hash="x", ending="abcd",
            scopes=[], made_at=now, expires_at=now,
        )  # fmt: skip
        webhook = Webhook(
            organisation_id=home, made_by_id=victim.id, name=SECRET, url="https://example.org",
            kinds=[], secret="x", made_at=now,
        )  # fmt: skip
        event = Event(name="x", organisation_id=home, kind="ping", data={}, at=now)
        session.add_all((token, webhook, event))
        await session.flush()
        dispatch = Dispatch(
            webhook_id=webhook.id, event_id=event.id, state=DispatchState.GIVEN_UP, due_at=now
        )
        session.add(dispatch)
        await session.flush()
        return token.id, webhook.id, dispatch.id
