"""Certificates and service records: issued, issued again, revoked, and the register of them.

What one says is taken from the ledger at the moment of issue and sealed in its row; nothing changes
it later. Measures on service records and certificates (order 67): made on application, free of
charge, by the organisation that records, and registered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased, defer

from models import (
    Activity,
    Certificate,
    CertificateCount,
    CertificateKind,
    CertificateLine,
    CertificateScope,
    CertificateState,
    Organisation,
    Person,
    RevocationReason,
    Standing,
)
from services import access, attesting, audit, delivery, events, listing, verifying
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice
from services.words import LANGUAGES
from services.work import Work

KIND = "certificate"
COUNTED = (CertificateCount.organisation_id, CertificateCount.year)
"""By what numbers are counted."""
LISTED = 8
DIGITS = 6
LONGEST_REMARKS = 200
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; days are local and both included, keys by scope."""

    kind: CertificateKind
    language: str
    scope: CertificateScope = CertificateScope.EVERYTHING
    from_day: date | None = None
    until_day: date | None = None
    field_id: int | None = None
    activity_id: int | None = None
    remarks: str = ""

    def checked(self, today: date) -> "Request":
        """Without what does not belong to its scope. Raises Gone or Refusal."""
        if self.language not in LANGUAGES or self.kind is CertificateKind.AWARD:
            raise Gone
        remarks = " ".join(self.remarks.split())[:LONGEST_REMARKS]
        bare = Request(self.kind, self.language, self.scope, remarks=remarks)
        if self.scope is CertificateScope.FIELD:
            return replace(bare, field_id=_given(self.field_id))
        if self.scope is CertificateScope.ACTIVITY:
            return replace(bare, activity_id=_given(self.activity_id))
        if self.scope is CertificateScope.EVERYTHING:
            return bare
        first, last = self.from_day, self.until_day
        if first is None or last is None:
            raise Gone
        check_period(first, last, today)
        return replace(bare, from_day=first, until_day=last)


def check_period(first: date, last: date, today: date) -> None:
    """Raises Refusal for a period that ends before it begins, or is not over."""
    if last < first:
        raise Refusal("certificate_order")
    if last > today:
        raise Refusal("certificate_ahead")


def _given(key: int | None) -> int:
    if key is None:
        raise Gone
    return key


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate in a list, and what the ledger says today of what it counts."""

    certificate: Certificate
    name: str
    """Of its holder."""
    body: dict[str, str]
    now: verifying.Present
    is_newest: bool


# Issuing


async def preview(work: Work, person_id: int, request: Request) -> attesting.Attested:
    """What would be certified now; writes nothing. Raises Gone, NotAllowed or Refusal."""
    _, body, asked = await _may_issue(work, person_id, request)
    return await attesting.gather(work, person_id, body, asked)


async def issue(work: Work, person_id: int, request: Request) -> Certificate:
    """A certificate of what the ledger holds now, with a number of its own.

    Whoever asks for the same again while nothing has changed gets the same one. Raises Gone,
    NotAllowed, Refusal("certificate_nothing") for no service at all, Refusal("certificate_many").
    """
    person, body, asked = await _may_issue(work, person_id, request)
    attested = await attesting.gather(work, person.id, body, asked)
    if not attested.lines and request.kind is CertificateKind.CERTIFICATE:
        raise Refusal("certificate_nothing")
    same = await _same(work, person, body, asked, attested)
    if same is not None:
        await _note_look(work, same)
        return same
    await _check_pace(work, person)
    sequence = await _next(work, body.id)
    certificate = await _write(work, person, asked, attested, _numbered(work, body, sequence))
    _note(work, "issued", certificate)
    await _note_look(work, certificate)
    await _share(work, events.Kind.CERTIFICATE_ISSUED, certificate)
    return certificate


async def _may_issue(
    work: Work, person_id: int, request: Request
) -> tuple[Person, Organisation, Request]:
    """Whose it is, the issuing body and what is asked for. Raises Gone, NotAllowed or Refusal.

    The body is the volunteer's organisation; for one activity, the one that holds it. A record
    tells more of the person, and is their own organisation's alone.
    """
    asked = request.checked(work.today)
    person = await _holder(work, person_id)
    body_id = person.organisation_id
    if asked.activity_id is not None and asked.kind is CertificateKind.CERTIFICATE:
        activity = await work.session.get(Activity, asked.activity_id)
        if activity is None:
            raise Gone
        body_id = activity.organisation_id
    body = await work.session.get_one(Organisation, body_id)
    if work.person.id != person.id:
        await _check_may_issue_for(work, person, body)
    return person, body, asked


async def _check_may_issue_for(work: Work, person: Person, body: Organisation) -> None:
    """Raises NotAllowed, Refusal("certificate_other_body") for one's volunteer elsewhere."""
    if not await access.may(work, Right.ISSUE_CERTIFICATES, body.id):
        await access.require(work, Right.ISSUE_CERTIFICATES, person.organisation_id)
        raise Refusal("certificate_other_body", body=body.names)


async def _holder(work: Work, person_id: int) -> Person:
    person = await work.session.get(Person, person_id)
    if person is None or person.standing not in (Standing.ACTIVE, Standing.WITHDRAWN):
        raise Gone
    return person


async def _same(
    work: Work, person: Person, body: Organisation, asked: Request, attested: attesting.Attested
) -> Certificate | None:
    """One that says the very same and still holds."""
    found = await work.session.scalars(
        select(Certificate)
        .where(
            Certificate.person_id == person.id,
            Certificate.organisation_id == body.id,
            Certificate.state == CertificateState.ISSUED,
            Certificate.kind == asked.kind,
            Certificate.scope == asked.scope,
            Certificate.language == asked.language,
            Certificate.from_day == asked.from_day,
            Certificate.until_day == asked.until_day,
            Certificate.field_id == asked.field_id,
            Certificate.activity_id == asked.activity_id,
            Certificate.minutes == attested.minutes,
        )
        .order_by(Certificate.id.desc())
        .limit(1)
    )
    newest = found.one_or_none()
    return newest if newest is not None and newest.content == attested.content else None


async def _check_pace(work: Work, person: Person) -> None:
    """Raises Refusal where somebody draws number after number for themselves."""
    if work.person.id != person.id:
        return
    midnight = work.now.astimezone(work.policy.zone).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    drawn = select(func.count()).select_from(Certificate).where(
        Certificate.issued_by_id == person.id, Certificate.issued_at >= midnight
    )  # fmt: skip
    most = work.policy.certificates_per_day
    if (await work.session.scalar(drawn) or 0) >= most:
        raise Refusal("certificate_many", most=most)


async def _next(work: Work, organisation_id: int, count: int = 1) -> int:
    """The last of the body's next `count` numbers of this year.

    One statement, which makes whoever else draws one wait for the end of this transaction, and
    which a transaction that fails takes back: numbers have neither gaps nor doubles, but for
    what `leave_out` has left out.
    """
    first = _insert(work).values(organisation_id=organisation_id, year=work.today.year, last=count)
    drawn = first.on_conflict_do_update(
        index_elements=COUNTED, set_={"last": CertificateCount.last + count}
    ).returning(CertificateCount.last)
    return int((await work.session.execute(drawn)).scalar_one())


async def leave_out(work: Work, count: int) -> None:
    """No body gives its next `count` numbers of this year: others may bear them."""
    bodies = select(
        Organisation.id, literal(work.today.year), literal(count), literal(count)
    ).where(true())
    first = _insert(work).from_select(["organisation_id", "year", "last", "left_out"], bodies)
    more = {
        "last": CertificateCount.last + count,
        "left_out": CertificateCount.left_out + count,
    }
    await work.session.execute(first.on_conflict_do_update(index_elements=COUNTED, set_=more))


def _insert(work: Work) -> Any:
    """Of a count, which there may be already."""
    dialect = postgresql if work.session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(CertificateCount)


@dataclass(frozen=True, slots=True)
class _Number:
    organisation_id: int
    year: int
    sequence: int
    number: str
    version: int = 1


def _numbered(work: Work, body: Organisation, sequence: int) -> _Number:
    year = work.today.year
    number = f"{body.code.upper()}-{year}-{sequence:0{DIGITS}}"
    return _Number(body.id, year, sequence, number)


async def _write(
    work: Work, person: Person, asked: Request, attested: attesting.Attested, number: _Number
) -> Certificate:
    code = verifying.new_code()
    certificate = Certificate(
        organisation_id=number.organisation_id,
        year=number.year,
        sequence=number.sequence,
        number=number.number,
        version=number.version,
        person_id=person.id,
        kind=asked.kind,
        scope=asked.scope,
        from_day=asked.from_day,
        until_day=asked.until_day,
        field_id=asked.field_id,
        activity_id=asked.activity_id,
        language=asked.language,
        minutes=attested.minutes,
        content=attested.content,
        code=code,
        code_hash=verifying.fingerprint(code),
        state=CertificateState.ISSUED,
        issued_at=work.now,
        issued_by_id=work.person.id,
    )
    work.session.add(certificate)
    await work.session.flush()
    if attested.lines:
        await work.session.execute(
            insert(CertificateLine),
            [
                {"certificate_id": certificate.id, "attendance_id": key, "minutes": minutes}
                for key, minutes in attested.lines.items()
            ],
        )
    return certificate


# Awards


@dataclass(frozen=True, slots=True)
class Award:
    """What is certified of somebody; `award` is what the paper says of it, plain JSON."""

    person: Person
    minutes: int
    award: dict[str, Any]


async def issue_awards(work: Work, body: Organisation, given: Sequence[Award]) -> list[Certificate]:
    """A certificate for each, under the body's next numbers. Whoever calls has asked for rights."""
    if not given:
        return []
    first = await _next(work, body.id, len(given)) - len(given) + 1
    issued = [
        _awarded(work, one, attesting.honoured(work, one.person, body, one.award), number)
        for one, number in zip(
            given, (_numbered(work, body, first + at) for at in range(len(given))), strict=True
        )
    ]
    work.session.add_all(issued)
    await work.session.flush()
    for certificate in issued:
        _note(work, "issued", certificate)
        await _share(work, events.Kind.CERTIFICATE_ISSUED, certificate)
    return issued


def _awarded(work: Work, one: Award, content: dict[str, Any], number: _Number) -> Certificate:
    code = verifying.new_code()
    language = one.person.language
    return Certificate(
        organisation_id=number.organisation_id,
        year=number.year,
        sequence=number.sequence,
        number=number.number,
        version=number.version,
        person_id=one.person.id,
        kind=CertificateKind.AWARD,
        scope=CertificateScope.EVERYTHING,
        language=language if language in LANGUAGES else LANGUAGES[0],
        minutes=one.minutes,
        content={**content, "minutes": one.minutes},
        code=code,
        code_hash=verifying.fingerprint(code),
        state=CertificateState.ISSUED,
        issued_at=work.now,
        issued_by_id=work.person.id,
    )


# Issuing again


async def again(work: Work, certificate_id: int) -> Certificate:
    """The same paper once more, for its holder or its issuer. Raises Gone, NotAllowed, Refusal."""
    certificate = await _own_or_issued(work, certificate_id)
    _check_holds(certificate)
    _note(work, "issued_again", certificate)
    await _note_look(work, certificate)
    return certificate


async def renew(work: Work, certificate_id: int) -> Certificate:
    """A further version under the same number, of what the ledger says now.

    The earlier one is replaced from then on. What was revoked only its issuer issues anew. Raises
    Gone, NotAllowed, Refusal("certificate_same") while it would say the very same.
    """
    old = await _own_or_issued(work, certificate_id, lock=True)
    if old.content is None or old.kind is CertificateKind.AWARD:
        raise Gone
    if await work.session.scalar(select(_has_newer()).where(Certificate.id == old.id)):
        raise Refusal("certificate_replaced")
    if old.state is CertificateState.REVOKED:
        await _check_may_issue(work, old)
    person = await _holder(work, old.person_id)
    if old.kind is CertificateKind.RECORD and person.id != work.person.id:
        await access.require(work, Right.ISSUE_CERTIFICATES, person.organisation_id)
    body = await work.session.get_one(Organisation, old.organisation_id)
    asked = Request(
        old.kind, old.language, old.scope, old.from_day, old.until_day, old.field_id,
        old.activity_id, old.content["remarks"],
    )  # fmt: skip
    attested = await attesting.gather(work, person.id, body, asked)
    if not attested.lines and old.kind is CertificateKind.CERTIFICATE:
        raise Refusal("certificate_nothing")
    if old.state is CertificateState.ISSUED:
        if _words(attested.content) == _words(old.content):
            raise Refusal("certificate_same")
        old.state = CertificateState.REPLACED
        old.replaced_at = work.now
        await work.session.flush()
    number = _Number(old.organisation_id, old.year, old.sequence, old.number, old.version + 1)
    certificate = await _write(work, person, asked, attested, number)
    _note(work, "renewed", certificate, version=certificate.version)
    await _note_look(work, certificate)
    await _share(work, events.Kind.CERTIFICATE_ISSUED, certificate)
    return certificate


def _words(content: dict[str, Any]) -> dict[str, Any]:
    """What it says, whoever issued it."""
    return {name: value for name, value in content.items() if name != "officer"}


def _check_holds(certificate: Certificate) -> None:
    if certificate.content is None:
        raise Gone
    if certificate.state is CertificateState.REVOKED:
        raise Refusal("certificate_revoked")
    if certificate.state is CertificateState.REPLACED:
        raise Refusal("certificate_replaced")


# Revoking


async def revoke(
    work: Work,
    certificate_id: int,
    category: RevocationReason,
    reason: str,
    *,
    with_award: bool = False,
) -> Certificate:
    """It no longer holds; its holder is told why. Raises Gone, NotAllowed or Refusal.

    That of an award falls only `with_award`, which `services.recognition` revokes.
    """
    certificate = await find(work, certificate_id, lock=True)
    if certificate.kind is CertificateKind.AWARD and not with_award:
        raise Refusal("certificate_of_award")
    await _check_may_issue(work, certificate)
    _check_holds(certificate)
    words = " ".join(reason.split())
    if not words:
        raise Refusal("certificate_reason")
    certificate.state = CertificateState.REVOKED
    certificate.revoked_at = work.now
    certificate.revoked_by_id = work.person.id
    certificate.revocation = category
    certificate.reason = words[:LONGEST_REASON]
    await work.session.flush()
    _note(work, "revoked", certificate, category=category.value)
    await _share(work, events.Kind.CERTIFICATE_REVOKED, certificate)
    post = delivery.Post(
        "certificates/revoked",
        {
            "kind": certificate.kind.value,
            "number": certificate.number,
            "category": category.value,
            "reason": certificate.reason,
        },
        kind=KIND,
        subject=f"certificate:{certificate.id}",
    )
    await delivery.tell(work, post, [certificate.person_id])
    return certificate


def _note(work: Work, action: str, certificate: Certificate, **details: Any) -> None:
    audit.note(
        work,
        f"certificate.{action}",
        f"certificate:{certificate.id}",
        organisation_id=certificate.organisation_id,
        number=certificate.number,
        **details,
    )


async def _note_look(work: Work, certificate: Certificate) -> None:
    """Whoever has a paper about somebody else reads their ID number."""
    if not await is_look(work, certificate):
        return
    person = await work.session.get_one(Person, certificate.person_id)
    audit.note(
        work,
        "person.looked_at",
        f"person:{person.id}",
        organisation_id=person.organisation_id,
        field="id_number",
    )


async def is_look(work: Work, certificate: Certificate) -> bool:
    """Whether its paper tells the actor somebody else's ID number."""
    if certificate.person_id == work.person.id or certificate.content is None:
        return False
    return bool(certificate.content["person"]["id_number"]) and await tells_all(work, certificate)


async def tells_all(work: Work, certificate: Certificate) -> bool:
    """Whether the paper has the ID number and the phone as a whole for the actor.

    The measures (art. 5) want them there; but another town, which certifies one activity, has no
    business with them.
    """
    if certificate.person_id == work.person.id:
        return True
    person = await work.session.get_one(Person, certificate.person_id)
    held = await access.rights_in(work, person.organisation_id)
    return bool(held & {Right.ISSUE_CERTIFICATES, Right.SEE_SENSITIVE})


async def _share(work: Work, kind: events.Kind, certificate: Certificate) -> None:
    """Other programs hear of it."""
    await events.note(
        work,
        kind,
        certificate.organisation_id,
        certificate_id=certificate.id,
        number=certificate.number,
        volunteer_id=certificate.person_id,
        paper=certificate.kind.value,
        state=certificate.state.value,
    )


async def _check_may_issue(work: Work, certificate: Certificate) -> None:
    """Raises NotAllowed, Refusal("certificate_own"): nobody decides on their own."""
    await access.require(work, Right.ISSUE_CERTIFICATES, certificate.organisation_id)
    if certificate.person_id == work.person.id:
        raise Refusal("certificate_own")


# Looking


async def find(work: Work, certificate_id: int, *, lock: bool = False) -> Certificate:
    """Whoever asks; with `lock` whoever else changes it waits. Raises Gone."""
    found = select(Certificate).where(Certificate.id == certificate_id)
    if lock:
        found = found.with_for_update().execution_options(populate_existing=True)
    certificate = await work.session.scalar(found)
    if certificate is None:
        raise Gone
    return certificate


async def _own_or_issued(work: Work, certificate_id: int, *, lock: bool = False) -> Certificate:
    certificate = await find(work, certificate_id, lock=lock)
    if certificate.person_id != work.person.id:
        await access.require(work, Right.ISSUE_CERTIFICATES, certificate.organisation_id)
    return certificate


async def entry(work: Work, certificate_id: int) -> Entry:
    """One, for its holder, its issuer, or the holder's organisation. Raises Gone or NotAllowed."""
    certificate = await find(work, certificate_id)
    whose = await work.session.get_one(Person, certificate.person_id)
    if whose.id != work.person.id and not await may_issue(work, certificate):
        await access.require(work, Right.ISSUE_CERTIFICATES, whose.organisation_id)
    rows = await work.session.execute(_whole(Certificate.id == certificate.id))
    return (await _with_present(work, rows.all()))[0]


async def may_issue(work: Work, certificate: Certificate) -> bool:
    """Whether the actor may revoke it, or issue it again."""
    return await access.may(work, Right.ISSUE_CERTIFICATES, certificate.organisation_id)


async def holder(work: Work, person_id: int) -> Person:
    """Somebody for whom the actor may issue. Raises Gone or NotAllowed."""
    person = await _holder(work, person_id)
    await access.require(work, Right.ISSUE_CERTIFICATES, person.organisation_id)
    return person


async def own(work: Work) -> list[Entry]:
    """The actor's newest ones, each in its newest version."""
    return await _entries(
        work, Certificate.person_id == work.person.id, ~_has_newer(), limit=LISTED
    )


async def of_person(work: Work, person_id: int) -> list[Entry]:
    """A volunteer's, all versions, whoever issued them. Raises Gone or NotAllowed."""
    person = await holder(work, person_id)
    return await _entries(work, Certificate.person_id == person.id)


async def register(work: Work, typed: str = "", page: int = 1) -> Slice[Entry]:
    """What the organisations issued for which the actor may, newest first, page by page.

    `typed` is a part of a number or of a holder's name, in characters or pinyin. Raises NotAllowed.
    """
    conditions = [await _in_reach(work)]
    wanted = "".join(typed.split())
    if wanted:
        holders = select(Person.id).where(
            Person.name_search.contains(wanted.lower(), autoescape=True)
        )
        conditions.append(
            or_(
                Certificate.number.contains(wanted.upper(), autoescape=True),
                Certificate.person_id.in_(holders),
            )
        )
    found = await listing.of(work, _listed(*conditions), page)
    return replace(found, rows=await _with_present(work, found.rows))


def _has_newer() -> ColumnElement[bool]:
    newer = aliased(Certificate)
    return exists().where(newer.number == Certificate.number, newer.version > Certificate.version)


async def _in_reach(work: Work) -> ColumnElement[bool]:
    if not await access.organisations_with(work, Right.ISSUE_CERTIFICATES):
        raise NotAllowed
    return await access.within_reach(work, Right.ISSUE_CERTIFICATES, Certificate.organisation_id)


def _whole(*conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The newest first, with what `Entry` needs beside."""
    return (
        select(Certificate, Person.name, Organisation.names, ~_has_newer())
        .join(Person, Person.id == Certificate.person_id)
        .join(Organisation, Organisation.id == Certificate.organisation_id)
        .where(*conditions)
        .order_by(Certificate.issued_at.desc(), Certificate.id.desc())
    )


def _listed(*conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """For a list: what is sealed stays so, since a record may be as long as a volunteer's life."""
    sealed = (Certificate.content, Certificate.code)
    return _whole(*conditions).options(*(defer(column, raiseload=True) for column in sealed))


async def _entries(
    work: Work, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[Entry]:
    rows = await work.session.execute(_listed(*conditions).limit(limit))
    return await _with_present(work, rows.all())


async def _with_present(work: Work, rows: Sequence[Any]) -> list[Entry]:
    now = await verifying.present(work, [row[0].id for row in rows])
    return [
        Entry(certificate, name, body, now.get(certificate.id, verifying.NOTHING), bool(newest))
        for certificate, name, body, newest in rows
    ]


# Erasing


async def erase(work: Work, person_id: int) -> None:
    """Takes away what certificates say of somebody; numbers, and that there were some, remain."""
    await work.session.execute(
        update(Certificate)
        .where(Certificate.person_id == person_id, Certificate.erased_at.is_(None))
        .values(content=None, code=None, reason=None, erased_at=work.now)
        .execution_options(synchronize_session=False)
    )
