"""Help that somebody asks for, registered or not: told to the area's coordinators, matched, done.

A volunteer who is asked reads what kind of help it is and about where; the name, the address and
the number only once they have said yes and were chosen. Whoever asked hears of each step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update

from models import (
    Account,
    Activity,
    Delivery,
    HelpAnswer,
    HelpAsk,
    HelpFor,
    HelpKind,
    HelpRequest,
    HelpState,
    Message,
    Organisation,
    Person,
    Standing,
)
from models.sealed import keyring
from services import (
    access,
    activities,
    audit,
    care,
    care_hours,
    delivery,
    geo,
    lengths,
    organisations,
    pairings,
)
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.pairings import Near, Where
from services.work import Work

KIND = "help"
"""The kind of all messages about requests for help."""
LENGTHS = {"name": (1, 64), "what": (2, 500), "when": (1, 100), "address": (2, 200)}
ASKED_AT_ONCE = 10
SHOWN = 30
PORTION = 200
LIVE = (HelpState.OPEN, HelpState.MATCHED, HelpState.DONE)
ASKING_AGAIN = timedelta(hours=24)
"""The time in which requests of one chat are counted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for. The phone in E.164, degrees WGS-84."""

    organisation_id: int
    kind: HelpKind
    whom: HelpFor
    name: str
    what: str
    when: str
    address: str
    phone: str
    latitude: float | None = None
    longitude: float | None = None


def subject(request_id: int) -> str:
    return f"help:{request_id}"


def question(request_id: int) -> str:
    """Of the messages that ask volunteers."""
    return f"help_ask:{request_id}"


# Asking


async def ask(work: Work, account: Account, said: Asked) -> HelpRequest:
    """Anyone asks in chat. Raises Refusal: for what is said, or one too many."""
    await check_may_ask(work, account)
    return await _add(work, said, account_id=account.id, person_id=account.person_id)


async def check_may_ask(work: Work, account: Account) -> None:
    """Raises Refusal("help_too_many")."""
    since = work.now - ASKING_AGAIN
    recent = select(func.count()).where(
        HelpRequest.account_id == account.id, HelpRequest.asked_at > since
    )
    most = work.policy.help_requests_per_day
    if (await work.session.scalar(recent) or 0) >= most:
        raise Refusal("help_too_many", most=most)


async def take_call(work: Work, said: Asked) -> HelpRequest:
    """A coordinator notes a phone call; a registered caller is told by their own channel.

    Raises NotAllowed, Refusal.
    """
    await access.require(work, Right.CARE, said.organisation_id)
    caller = await work.session.scalar(
        select(Person.id).where(
            Person.phone_hash.in_(keyring().fingerprints(said.phone)),
            Person.phone_verified,
            Person.standing == Standing.ACTIVE,
        )
    )
    request = await _add(work, said, person_id=caller, noted_by_id=work.person.id)
    if caller is not None:
        await _tell_asker(work, request, "help/received")
    return request


async def _add(work: Work, said: Asked, **who: Any) -> HelpRequest:
    for what, length in LENGTHS.items():
        lengths.check(what, getattr(said, what), length)
    if await work.session.get(Organisation, said.organisation_id) is None:
        raise Gone
    place: tuple[float | None, float | None] = (None, None)
    if said.latitude is not None and said.longitude is not None:
        place = geo.rounded(said.latitude, said.longitude)
    request = HelpRequest(
        organisation_id=said.organisation_id,
        kind=said.kind,
        whom=said.whom,
        details={name: getattr(said, name) for name in (*LENGTHS, "phone")},
        latitude=place[0],
        longitude=place[1],
        state=HelpState.OPEN,
        asked_at=work.now,
        **who,
    )
    work.session.add(request)
    await work.session.flush()
    _note(work, "asked", request)
    await _tell_coordinators(work, request, "help/to_see_to")
    return request


# Finding


async def coordinated(work: Work, request_id: int, *, lock: bool = False) -> HelpRequest:
    """A request in the actor's reach. Raises Gone, NotAllowed."""
    query = select(HelpRequest).where(HelpRequest.id == request_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    request = await work.session.scalar(query)
    if request is None:
        raise Gone
    await access.require(work, Right.CARE, request.organisation_id)
    return request


async def look(work: Work, request_id: int) -> dict[str, Any]:
    """All that it says, for a coordinator; the look is written down. Raises Gone, NotAllowed."""
    request = await coordinated(work, request_id)
    if request.details is not None:
        _note(work, "looked", request)
    return await shown(work, request)


async def shown(work: Work, request: HelpRequest) -> dict[str, Any]:
    """As a coordinator's screen takes it."""
    helper = await work.session.get(Person, request.helper_id) if request.helper_id else None
    activity = (
        await work.session.get(Activity, request.activity_id) if request.activity_id else None
    )
    rows = await work.session.execute(
        select(HelpAsk, Person.name)
        .join(Person, Person.id == HelpAsk.person_id)
        .where(HelpAsk.request_id == request.id)
        .order_by(HelpAsk.answered_at, HelpAsk.person_id)
    )
    return {
        **await told(work, request),
        **_details(request),
        "state": request.state.value,
        "by_phone": request.noted_by_id is not None,
        "reached": _has_way(request),
        "helper": helper.name if helper else None,
        "recipient_id": request.recipient_id,
        "activity_id": request.activity_id,
        "activity": activity.title if activity else None,
        "confirmed": request.confirmed,
        "minutes": request.minutes,
        "asks": [
            {"person_id": one.person_id, "name": name, "answer": one.answer.value}
            for one, name in rows
        ],
    }


async def told(work: Work, request: HelpRequest) -> dict[str, Any]:
    """What names nobody: what kind of help, in which area, since when."""
    home = await work.session.get_one(Organisation, request.organisation_id)
    return {
        "request_id": request.id,
        "kind": request.kind.value,
        "whom": request.whom.value,
        "area": organisations.area_names(home),
        "asked_at": request.asked_at,
    }


def _details(request: HelpRequest) -> dict[str, Any]:
    details = request.details or {}
    return {name: details.get(name, "") for name in (*LENGTHS, "phone")}


def _has_way(request: HelpRequest) -> bool:
    """Whether whoever asked can be written to; else a coordinator calls them back."""
    return request.account_id is not None or request.person_id is not None


# Matching


async def candidates(work: Work, request_id: int, typed: str = "") -> list[Near]:
    """Volunteers who could be asked, the nearest first. Raises Gone, NotAllowed."""
    request = await coordinated(work, request_id)
    asked = select(HelpAsk.person_id).where(HelpAsk.request_id == request.id)
    return await pairings.near(work, await _where(work, request), asked, typed)


async def _where(work: Work, request: HelpRequest) -> Where:
    if request.latitude is not None:
        return Where(request.latitude, request.longitude)
    home = await work.session.get_one(Organisation, request.organisation_id)
    return Where(home.latitude, home.longitude)


async def ask_volunteers(work: Work, request_id: int, person_ids: Sequence[int]) -> int:
    """Asks whether they can help; answers how many. Raises Gone, NotAllowed, Refusal."""
    request = await _open(work, request_id)
    if not 1 <= len(person_ids) <= ASKED_AT_ONCE:
        raise Refusal("care_invite_some", most=ASKED_AT_ONCE)
    await pairings.check_may_be_asked(work, person_ids)
    known = set(
        await work.session.scalars(
            select(HelpAsk.person_id).where(HelpAsk.request_id == request.id)
        )
    )
    new = sorted(set(person_ids) - known)
    work.session.add_all(
        HelpAsk(request_id=request.id, person_id=key, answer=HelpAnswer.ASKED, asked_at=work.now)
        for key in new
    )
    await work.session.flush()
    post = Post("help/can_you", await told(work, request), kind=KIND, subject=question(request.id))
    await delivery.tell(work, post, new)
    _note(work, "volunteers_asked", request, count=len(new))
    return len(new)


async def answer(work: Work, request_id: int, *, yes: bool) -> HelpRequest:
    """The actor can help, or can't. Raises Gone, Refusal("help_over")."""
    asked = await work.session.get(HelpAsk, (request_id, work.person.id))
    if asked is None:
        raise Gone
    request = await work.session.get_one(HelpRequest, request_id)
    if request.state is not HelpState.OPEN or asked.answer is HelpAnswer.TOLD_OFF:
        raise Refusal("help_over")
    before = asked.answer
    asked.answer = HelpAnswer.YES if yes else HelpAnswer.NO
    asked.answered_at = work.now
    await work.session.flush()
    if yes and before is not HelpAnswer.YES:
        about = {**await told(work, request), "who": work.person.name}
        await _tell_coordinators(work, request, "help/somebody_can", about)
    return request


async def choose(work: Work, request_id: int, person_id: int) -> HelpRequest:
    """One of those who said yes goes, and learns for whom. Raises Gone, NotAllowed, Refusal."""
    request = await _open(work, request_id)
    asked = await work.session.get(HelpAsk, (request_id, person_id))
    helper = await work.session.get_one(Person, person_id) if asked else None
    if (
        asked is None
        or helper is None
        or asked.answer is not HelpAnswer.YES
        or helper.standing is not Standing.ACTIVE
    ):
        raise Gone
    request.helper_id = person_id
    await _is_matched(work, request)
    about = {**await told(work, request), **_details(request)}
    await delivery.tell(work, _sealed("help/yours", about, request), [person_id])
    await _tell_asker(work, request, "help/matched", helper=helper.name)
    return request


async def into_pairing(work: Work, request_id: int, recipient_id: int) -> HelpRequest:
    """It becomes a file whose circle sees to it from now on. Raises Gone, NotAllowed, Refusal."""
    request = await _open(work, request_id)
    recipient = await care.open_to(work, recipient_id)
    request.recipient_id = recipient.id
    await _is_matched(work, request)
    await _tell_asker(work, request, "help/into_pairing")
    return request


async def into_activity(work: Work, request_id: int, activity_id: int) -> HelpRequest:
    """An activity sees to it. Raises Gone, NotAllowed, Refusal."""
    request = await _open(work, request_id)
    activity = await activities.planned(work, activity_id)
    request.activity_id = activity.id
    await _is_matched(work, request)
    await _tell_asker(work, request, "help/into_activity", title=activity.title)
    return request


async def _open(work: Work, request_id: int) -> HelpRequest:
    """Raises Gone, NotAllowed, Refusal("help_over") for one that is not open."""
    request = await coordinated(work, request_id, lock=True)
    if request.state is not HelpState.OPEN:
        raise Refusal("help_over")
    return request


async def _is_matched(work: Work, request: HelpRequest) -> None:
    request.state, request.matched_at = HelpState.MATCHED, work.now
    await work.session.flush()
    await _tell_off(work, request)
    _note(work, "matched", request)
    await _seen_to(work, request)


async def _tell_off(work: Work, request: HelpRequest) -> None:
    """Whoever else was asked need not think of it any more."""
    others = [HelpAsk.request_id == request.id, HelpAsk.answer != HelpAnswer.NO]
    if request.helper_id is not None:
        others.append(HelpAsk.person_id != request.helper_id)
    told_off = await work.session.scalars(
        update(HelpAsk)
        .where(*others)
        .values(answer=HelpAnswer.TOLD_OFF)
        .returning(HelpAsk.person_id)
        .execution_options(synchronize_session=False)
    )
    keys = told_off.all()
    over = Post("help/not_needed", await told(work, request), kind=KIND)
    which = select(Person.id).where(Person.id.in_(keys))
    await delivery.correct(work, question(request.id), over, people=which)


# Done, confirmed, thanked


async def helped(work: Work, request_id: int) -> HelpRequest:
    """The request that the actor was chosen for. Raises Gone, Refusal("help_over")."""
    request = await work.session.get(HelpRequest, request_id)
    if request is None or request.helper_id != work.person.id:
        raise Gone
    if request.state is not HelpState.MATCHED:
        raise Refusal("help_over")
    return request


async def card(work: Work, request_id: int) -> dict[str, Any]:
    """What the chosen volunteer needs to know; the look is written down. Raises as `helped`."""
    request = await helped(work, request_id)
    _note(work, "looked", request)
    return {**await told(work, request), **_details(request)}


async def mine(work: Work) -> list[dict[str, Any]]:
    """What the actor was chosen for and has not done yet, without names."""
    found = await work.session.scalars(
        select(HelpRequest)
        .where(HelpRequest.helper_id == work.person.id, HelpRequest.state == HelpState.MATCHED)
        .order_by(HelpRequest.matched_at)
    )
    return [await told(work, one) for one in found.all()]


async def done(work: Work, request_id: int, minutes: int, title: str) -> HelpRequest:
    """The chosen volunteer has helped. Raises as `helped`. `title` as of `care_hours.propose`."""
    request = await helped(work, request_id)
    request.minutes = minutes
    request.attendance_id = await care_hours.propose(
        work, request.organisation_id, minutes, work.now, title
    )
    await _is_done(work, request)
    await _unsay_to_helper(work, request)
    return request


async def close_done(work: Work, request_id: int) -> HelpRequest:
    """A coordinator says that it is done: by the circle, the activity, or told by telephone.

    Raises Gone, NotAllowed, Refusal("help_over").
    """
    request = await coordinated(work, request_id, lock=True)
    if request.state is not HelpState.MATCHED:
        raise Refusal("help_over")
    await _is_done(work, request)
    await _unsay_to_helper(work, request)
    return request


async def _is_done(work: Work, request: HelpRequest) -> None:
    changed = await work.session.execute(
        update(HelpRequest)
        .where(HelpRequest.id == request.id, HelpRequest.state == HelpState.MATCHED)
        .values(state=HelpState.DONE, done_at=work.now)
        .execution_options(synchronize_session=False)
    )
    if not getattr(changed, "rowcount", 0):
        raise Refusal("help_over")
    await work.session.refresh(request, ["state", "done_at"])
    _note(work, "done", request)
    await _tell_asker(work, request, "help/was_it_done")


async def give_back(work: Work, request_id: int) -> HelpRequest:
    """The chosen volunteer can't after all; it is open again. Raises as `helped`."""
    request = await helped(work, request_id)
    await _unsay_to_helper(work, request)
    await _open_again(work, request)
    about = {**await told(work, request), "who": work.person.name}
    await _tell_coordinators(work, request, "help/given_back", about)
    return request


async def _open_again(work: Work, request: HelpRequest) -> None:
    request.state = HelpState.OPEN
    request.helper_id = request.recipient_id = request.activity_id = None
    request.matched_at = request.done_at = request.waiting_told_at = None
    request.minutes = request.attendance_id = None
    await work.session.execute(delete(HelpAsk).where(HelpAsk.request_id == request.id))
    await work.session.flush()


async def say_whether_done(
    work: Work, account: Account, request_id: int, *, done: bool
) -> HelpRequest:
    """Whoever asked says whether it was done; if not, it is open again.

    Raises Gone, Refusal("help_over").
    """
    request = await own(work, account, request_id)
    if request.state is not HelpState.DONE or request.confirmed is not None:
        raise Refusal("help_over")
    request.ended_at = work.now
    if done:
        request.confirmed = True
        await work.session.flush()
        return request
    about = await told(work, request)
    await care_hours.take_back(work, request.attendance_id)
    await _open_again(work, request)
    request.ended_at = None
    await work.session.flush()
    await _tell_coordinators(work, request, "help/not_done", about)
    return request


async def thank(work: Work, account: Account, request_id: int) -> HelpRequest:
    """Whoever asked thanks, once; the volunteer reads it. Raises Gone, Refusal("help_over")."""
    request = await own(work, account, request_id)
    if request.state is HelpState.THANKED:
        return request
    if request.state is not HelpState.DONE:
        raise Refusal("help_over")
    request.confirmed = True
    request.state = HelpState.THANKED
    request.thanked_at = request.ended_at = work.now
    await work.session.flush()
    post = Post("help/thanks", await told(work, request), kind=KIND)
    await delivery.tell(work, post, await _thanked(work, request))
    return request


async def _thanked(work: Work, request: HelpRequest) -> list[int]:
    """Whom thanks reach: who helped, or the circle that did."""
    if request.helper_id is not None:
        return [request.helper_id]
    if request.recipient_id is not None:
        return await pairings.members(work, request.recipient_id)
    return []


async def cancel(work: Work, request: HelpRequest) -> HelpRequest:
    """It is not needed any more. Raises Refusal("help_over")."""
    if request.state not in (HelpState.OPEN, HelpState.MATCHED):
        raise Refusal("help_over")
    request.state, request.ended_at = HelpState.CANCELLED, work.now
    await work.session.flush()
    await _tell_off(work, request)
    _note(work, "cancelled", request)
    await _seen_to(work, request)
    if request.helper_id is not None:
        await _unsay_to_helper(work, request)
        post = Post("help/cancelled", await told(work, request), kind=KIND)
        await delivery.tell(work, post, [request.helper_id])
    return request


async def cancel_own(work: Work, account: Account, request_id: int) -> HelpRequest:
    """By whoever asked. Raises Gone, Refusal("help_over")."""
    request = await cancel(work, await own(work, account, request_id))
    await _tell_coordinators(work, request, "help/taken_back")
    return request


async def cancel_for(work: Work, request_id: int) -> HelpRequest:
    """By a coordinator who can't help, or was told so. Raises Gone, NotAllowed, Refusal."""
    request = await cancel(work, await coordinated(work, request_id, lock=True))
    await _tell_asker(work, request, "help/closed")
    return request


async def _unsay_to_helper(work: Work, request: HelpRequest) -> None:
    """For whom it was and where leaves the volunteer's phone."""
    which = select(Person.id).where(Person.id == request.helper_id)
    await _unsay(work, request, which)


async def _unsay(work: Work, request: HelpRequest, people: Select[int] | None = None) -> None:
    """Who asked and where they live leaves the phones: of these people, or of everyone."""
    gone = Post("help/unsaid", await told(work, request), kind=KIND)
    await delivery.correct(work, subject(request.id), gone, people=people)


async def _unsay_to(work: Work, person_id: int) -> None:
    """All that somebody's phone shows of any request."""
    named = Message.subject.startswith(subject(0)[:-1])
    shown_to = select(Message.subject).join(Delivery, Delivery.message_id == Message.id)
    found = await work.session.scalars(
        shown_to.where(Delivery.person_id == person_id, named).distinct()
    )
    keys = [int((one or "").partition(":")[2]) for one in found]
    requests = await work.session.scalars(select(HelpRequest).where(HelpRequest.id.in_(keys)))
    for request in requests.all():
        await _unsay(work, request, select(Person.id).where(Person.id == person_id))


async def unsay_all(work: Work, requests: Sequence[HelpRequest]) -> None:
    """Nothing of these requests is left on the phones, nor in what was sent."""
    for request in requests:
        await _unsay(work, request)
    await _blank_messages(work, [one.id for one in requests])


async def _seen_to(work: Work, request: HelpRequest) -> None:
    """The coordinators' messages need not be pressed any more."""
    await delivery.close(work, _waiting(request.id), kind=KIND)


# Whoever asked


async def own(work: Work, account: Account, request_id: int) -> HelpRequest:
    """A request of that chat. Raises Gone."""
    request = await work.session.scalar(
        select(HelpRequest)
        .where(HelpRequest.id == request_id, _asked_by(account))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if request is None:
        raise Gone
    return request


async def asked_by(work: Work, account: Account) -> list[dict[str, Any]]:
    """What that chat asked for and is not over, the newest first."""
    found = await work.session.scalars(
        select(HelpRequest)
        .where(_asked_by(account), HelpRequest.state.in_(LIVE))
        .order_by(HelpRequest.id.desc())
    )
    return [{**await told(work, one), "state": one.state.value} for one in found.all()]


def _asked_by(account: Account) -> ColumnElement[bool]:
    """In that chat; or by whom it belongs to, whose call was noted."""
    in_chat = HelpRequest.account_id == account.id
    if account.person_id is None:
        return in_chat
    called = and_(HelpRequest.account_id.is_(None), HelpRequest.person_id == account.person_id)
    return or_(in_chat, called)


def _asked_by_person(person_id: int) -> ColumnElement[bool]:
    """Also before they had signed up, in the chat that is theirs now."""
    chats = select(Account.id).where(Account.person_id == person_id)
    return or_(HelpRequest.person_id == person_id, HelpRequest.account_id.in_(chats))


async def _tell_asker(work: Work, request: HelpRequest, template: str, **more: Any) -> None:
    """In their chat, or by their channels; without either a coordinator is asked to call."""
    about = {**await told(work, request), **more}
    post = Post(template, about, kind=KIND)
    if request.account_id is not None:
        account = await work.session.get_one(Account, request.account_id)
        if account.person_id is None:
            await delivery.tell_chat(work, post, account.telegram_id, account.language)
        else:
            await delivery.tell(work, post, [account.person_id])
    elif request.person_id is not None:
        await delivery.tell(work, post, [request.person_id])
    elif request.noted_by_id is not None:
        step = template.rpartition("/")[2]
        call = _sealed("help/call_back", {**about, **_details(request), "step": step}, request)
        await delivery.tell(work, call, [request.noted_by_id])


def _sealed(template: str, about: dict[str, Any], request: HelpRequest) -> Post:
    return Post(template, delivery.sealed(about), kind=KIND, subject=subject(request.id))


def _waiting(request_id: int) -> str:
    return f"help_waits:{request_id}"


async def _tell_coordinators(
    work: Work, request: HelpRequest, template: str, about: dict[str, Any] | None = None
) -> None:
    """Those of the area, or of the level above where it has none; not whoever did it."""
    about = about or await told(work, request)
    post = Post(template, about, kind=KIND, subject=_waiting(request.id))
    holders = await access.holders(work, Right.CARE, request.organisation_id)
    me = work.actor.id if work.actor and template == "help/to_see_to" else None
    await delivery.tell(work, post, [one for one in holders if one != me])


# Lists and the clock


@dataclass(frozen=True, slots=True)
class Line:
    request: HelpRequest
    organisation: Organisation


async def listed(work: Work, *, over: bool = False, limit: int = SHOWN) -> list[Line]:
    """Those in the actor's reach that are not over, or those that are. Raises NotAllowed."""
    if Right.CARE not in await access.rights(work):
        raise NotAllowed
    live = HelpRequest.state.in_(LIVE)
    rows = await work.session.execute(
        select(HelpRequest, Organisation)
        .join(Organisation, Organisation.id == HelpRequest.organisation_id)
        .where(
            await access.within_reach(work, Right.CARE, HelpRequest.organisation_id),
            ~live if over else live,
        )
        .order_by(
            HelpRequest.state != HelpState.OPEN,
            HelpRequest.id.desc() if over else HelpRequest.id,
        )
        .limit(limit)
    )
    return [Line(row[0], row[1]) for row in rows]


async def waiting(work: Work) -> int:
    """How many open requests wait for the actor."""
    count = select(func.count()).where(
        HelpRequest.state == HelpState.OPEN,
        await access.within_reach(work, Right.CARE, HelpRequest.organisation_id),
    )
    return await work.session.scalar(count) or 0


async def remind(work: Work) -> int:
    """Sweep: the coordinators hear once more of a request that nobody has seen to."""
    before = work.now - timedelta(minutes=work.policy.help_waits_minutes)
    found = await work.session.scalars(
        select(HelpRequest.id)
        .where(
            HelpRequest.state == HelpState.OPEN,
            HelpRequest.waiting_told_at.is_(None),
            HelpRequest.asked_at <= before,
        )
        .limit(PORTION)
    )
    keys = found.all()
    if not keys:
        return 0
    claimed = await work.session.scalars(
        update(HelpRequest)
        .where(HelpRequest.id.in_(keys), HelpRequest.waiting_told_at.is_(None))
        .values(waiting_told_at=work.now)
        .returning(HelpRequest)
    )
    due = claimed.all()
    for request in due:
        await _tell_coordinators(work, request, "help/still_waits")
    return len(due)


async def let_go(work: Work) -> int:
    """Sweep: what somebody promised who is no volunteer any more is open again."""
    found = await work.session.scalars(
        select(HelpRequest)
        .join(Person, Person.id == HelpRequest.helper_id)
        .where(HelpRequest.state == HelpState.MATCHED, Person.standing != Standing.ACTIVE)
        .order_by(HelpRequest.id)
        .limit(PORTION)
        .with_for_update(of=HelpRequest)
    )
    promised = found.all()
    for request in promised:
        await _helper_is_gone(work, request)
    return len(promised)


async def _helper_is_gone(work: Work, request: HelpRequest) -> None:
    await _unsay_to_helper(work, request)
    await _open_again(work, request)
    await _tell_coordinators(work, request, "help/still_waits")


async def forget(work: Work) -> int:
    """Sweep: what a request said is erased once it has been over for long."""
    before = work.now - timedelta(days=work.policy.help_keep_days)
    over = func.coalesce(HelpRequest.ended_at, HelpRequest.done_at)
    erased = await work.session.scalars(
        update(HelpRequest)
        .where(HelpRequest.details.is_not(None), ~HelpRequest.state.in_(LIVE[:2]), over <= before)
        .values(details=None, latitude=None, longitude=None)
        .returning(HelpRequest)
    )
    over_long = erased.all()
    await unsay_all(work, over_long)
    return len(over_long)


async def _blank_messages(work: Work, request_ids: Sequence[int]) -> None:
    await work.session.execute(
        update(Message)
        .where(Message.subject.in_([subject(key) for key in request_ids]))
        .values(parameters={})
        .execution_options(synchronize_session=False)
    )


def _note(work: Work, what: str, request: HelpRequest, **details: Any) -> None:
    audit.note(
        work,
        f"help.{what}",
        subject(request.id),
        organisation_id=request.organisation_id,
        **details,
    )


# What is held about people


def rows_about(person_id: int) -> dict[str, Select[Any]]:
    """As `services.personal_data` asks every topic."""
    mine = _asked_by_person(person_id)
    return {
        "help_asked_for": select(HelpRequest).where(mine, HelpRequest.noted_by_id.is_(None)),
        "help_asked_of_me": select(HelpAsk).where(HelpAsk.person_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """What they asked for is about nobody any more; what they promised is open again."""
    await _unsay_to(work, person_id)
    theirs = _asked_by_person(person_id)
    found = await work.session.scalars(select(HelpRequest).where(theirs))
    await unsay_all(work, found.all())
    await work.session.execute(
        update(HelpRequest)
        .where(theirs)
        .values(details=None, latitude=None, longitude=None, person_id=None, account_id=None)
        .execution_options(synchronize_session=False)
    )
    promised = await work.session.scalars(
        select(HelpRequest).where(
            HelpRequest.helper_id == person_id, HelpRequest.state == HelpState.MATCHED
        )
    )
    for request in promised.all():
        await _helper_is_gone(work, request)
    await work.session.execute(delete(HelpAsk).where(HelpAsk.person_id == person_id))
