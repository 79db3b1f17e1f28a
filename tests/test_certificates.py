"""Certificates and service records: numbered, frozen, revoked, renewed; the ledger's minutes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from models import (
    AuditEntry,
    Certificate,
    CertificateCount,
    CertificateKind,
    CertificateScope,
    CertificateState,
    Database,
    Delivery,
    LedgerEntry,
    Message,
    Person,
    RevocationReason,
    RoleKind,
    ServiceField,
)
from services import certificates, hours, invariants, ledger, organisations, restoring
from services.certificates import Request
from services.errors import Gone, NotAllowed, Refusal
from services.verifying import Verdict
from tests.certified import (
    CERTIFICATE,
    ID_NUMBER,
    RECORD,
    act,
    issued,
    look,
    rows,
    served,
)
from tests.making import POLICY, Making


@pytest.fixture(autouse=True)
async def _the_ledger_verifies_after_each_test(database: Database) -> AsyncIterator[None]:
    yield
    async with database.read() as session:
        assert await ledger.verify(session) == []


async def refused(making: Making, who: Person, verb: Any, *given: Any) -> str:
    with pytest.raises(Refusal) as refusal:
        await act(making, who, verb, *given)
    return refusal.value.code


class Planted:
    """Chen served for Wang's town and for the federation, in two fields, over two years."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.wang: Person
        self.boss: Person
        self.chen: Person
        self.attendances: dict[str, int]
        self.fields: list[int]
        self.boss_activity: int

    async def prepare(self) -> "Planted":
        making = self.making
        self.wang = await making.coordinator("王强")
        self.boss = await making.coordinator(
            "何会长", organisation="zs", role=RoleKind.ADMINISTRATOR
        )
        self.chen = await making.volunteer("陈晓丽", id_number=ID_NUMBER)
        async with making.database.read() as session:
            tops = await session.scalars(
                select(ServiceField.id)
                .where(ServiceField.parent_id.is_(None))
                .order_by(ServiceField.id)
            )
            self.fields = list(tops)[:2]
        first, second = self.fields
        run = await making.activity(self.boss, "马拉松", field_id=second)
        self.boss_activity = run.id
        self.attendances = {
            "last_year": await served(
                making, self.wang, self.chen, 61, "2025-12-31 22:00", field_id=first
            ),
            "new_year": await served(
                making, self.wang, self.chen, 90, "2026-01-01 00:00", field_id=first
            ),
            "run": await served(making, self.boss, self.chen, 240, "2026-05-01 06:00", run),
        }
        return self


@pytest.fixture
async def planted(making: Making) -> Planted:
    return await Planted(making).prepare()


def scopes(planted: Planted) -> dict[str, tuple[Request, int]]:
    """What can be asked for, and what the ledger has of it."""
    first, second = planted.fields
    field = {"scope": CertificateScope.FIELD}
    period = {"scope": CertificateScope.PERIOD}
    activity = {"scope": CertificateScope.ACTIVITY, "activity_id": planted.boss_activity}
    return {
        "everything": (CERTIFICATE, 391),
        "2025": (
            replace(CERTIFICATE, **period, from_day=date(2025, 1, 1), until_day=date(2025, 12, 31)),
            61,
        ),
        "a day": (
            replace(CERTIFICATE, **period, from_day=date(2026, 1, 1), until_day=date(2026, 1, 1)),
            90,
        ),
        "a field": (replace(CERTIFICATE, **field, field_id=first), 151),
        "the other": (replace(CERTIFICATE, **field, field_id=second), 240),
        "an activity": (replace(CERTIFICATE, **activity), 240),
    }


async def test_hours_are_those_of_the_ledger_to_the_minute_whatever_is_asked(
    planted: Planted,
) -> None:
    making = planted.making
    for name, (request, minutes) in scopes(planted).items():
        found = await issued(making, planted.chen, request)
        assert found.content is not None
        rows_of = [row["minutes"] for row in found.content["service"]]
        assert (found.minutes, found.content["minutes"], sum(rows_of)) == (minutes,) * 3, name
        assert sum(one["minutes"] for one in found.content["fields"]) == minutes, name


async def test_corrections_before_count_and_those_after_are_seen(planted: Planted) -> None:
    making, run = planted.making, planted.attendances["run"]
    await act(making, planted.boss, hours.correct, run, 180, "提前离开")
    found = await issued(making, planted.chen)
    assert found.minutes == 331
    assert (await look(making, found))["now"].changed_at is None
    making.clock.forward(days=3)
    await served(making, planted.wang, planted.chen, 55, "2026-11-22 09:00")
    assert (await look(making, found))["now"].changed_at is None  # new service changes nothing
    await act(making, planted.boss, hours.correct, run, 200, "更正")
    said = await look(making, found)
    assert (said["verdict"], said["minutes"]) == (Verdict.GENUINE, 331)
    assert (said["now"].minutes, said["now"].changed_at) == (351, making.clock())
    async with making.database.read() as session:
        total = await session.scalar(
            select(func.sum(LedgerEntry.minutes)).where(LedgerEntry.person_id == planted.chen.id)
        )
    assert (await issued(making, planted.chen)).minutes == total == 406


async def test_the_body_is_ones_own_organisation_or_the_one_that_held_it(planted: Planted) -> None:
    making = planted.making
    activity = scopes(planted)["an activity"][0]
    town = await issued(making, planted.chen)
    city = await issued(making, planted.chen, activity)
    record = await issued(making, planted.chen, replace(activity, kind=CertificateKind.RECORD))
    assert [one.organisation_id for one in (town, city, record)] == [
        planted.wang.organisation_id,
        planted.boss.organisation_id,
        planted.wang.organisation_id,
    ]
    assert [one.number for one in (town, city, record)] == [
        "ZS-SHIQI-2026-000001",
        "ZS-2026-000001",
        "ZS-SHIQI-2026-000002",
    ]


async def test_the_same_again_has_the_same_number_and_a_day_has_its_limit(
    planted: Planted,
) -> None:
    making = planted.making
    first = await issued(making, planted.chen)
    assert (await issued(making, planted.chen)).id == first.id
    assert (await issued(making, planted.chen, RECORD)).id != first.id
    with pytest.raises(Refusal) as refusal:
        await _third(making, planted.chen, planted.chen)
    assert refusal.value.code == "certificate_many"
    by_wang = await _third(making, planted.wang, planted.chen)
    assert by_wang.content is not None and by_wang.content["officer"] == "王强"
    making.clock.forward(days=1)
    assert (await _third(making, planted.chen, planted.chen)).sequence == 4


async def _third(making: Making, who: Person, whose: Person) -> Certificate:
    """In English, where two papers a day are the limit."""
    policy = POLICY.model_copy(update={"certificates_per_day": 2})
    async with making.database.write() as session:
        work = replace(making.work(session, who), policy=policy)
        return await certificates.issue(work, whose.id, replace(CERTIFICATE, language="en"))


# Numbers


async def test_numbers_have_neither_gaps_nor_doubles_when_many_ask_at_once(
    planted: Planted,
) -> None:
    making = planted.making
    people = [await making.volunteer(f"志愿者{n}") for n in range(8)]

    async def ask(number: int, person: Person) -> None:
        async with making.database.write() as session:
            await certificates.issue(making.work(session, person), person.id, RECORD)
            if number % 4 == 3:
                raise ZeroDivisionError

    done = await asyncio.gather(
        *(ask(number, person) for number, person in enumerate(people)), return_exceptions=True
    )
    assert sum(isinstance(one, ZeroDivisionError) for one in done) == 2
    assert sum(one is None for one in done) == 6
    found = [row.sequence for row in await rows(making.database)]
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    making.clock.go_to("2027-01-02 09:00")
    last = await issued(making, await making.volunteer("明年"), RECORD)
    assert last.number == "ZS-SHIQI-2027-000001"
    async with making.database.read() as session:
        counts = await session.execute(select(CertificateCount.year, CertificateCount.last))
        assert sorted((row[0], row[1]) for row in counts) == [(2026, 6), (2027, 1)]


async def test_a_restored_backup_gives_no_number_that_may_be_out_already(planted: Planted) -> None:
    """Neither to a body that had given some, nor to one whose first came after the backup."""
    making = planted.making
    await issued(making, planted.chen)
    async with making.database.write() as session:
        await restoring.settle(making.work(session))
    lin = await making.volunteer("林志明")
    zhang = await making.volunteer("张小榄", organisation="zs-xiaolan")
    found = [(await issued(making, person, RECORD)).number for person in (lin, zhang)]
    assert found == ["ZS-SHIQI-2026-001002", "ZS-XIAOLAN-2026-001001"]
    async with making.database.read() as session:
        broken = await session.execute(invariants.numbers_without_a_gap(making.work(session)))
        assert broken.all() == []


async def test_of_two_who_renew_at_once_one_does(planted: Planted) -> None:
    making = planted.making
    old = await issued(making, planted.chen)
    await act(making, planted.boss, hours.correct, planted.attendances["run"], 10, "更正")

    async def renew() -> str:
        try:
            async with making.database.write() as session:
                await certificates.renew(making.work(session, planted.chen), old.id)
        except Refusal as refusal:
            return refusal.code
        return "done"

    done = await asyncio.gather(renew(), renew())
    assert sorted(done) == ["certificate_replaced", "done"]
    assert [row.version for row in await rows(making.database)] == [1, 2]


# Who may


async def test_nobody_issues_sees_or_revokes_for_others_without_the_right(
    planted: Planted,
) -> None:
    making = planted.making
    found = await issued(making, planted.chen)
    elsewhere = await making.coordinator("别人", organisation="zs-xiaolan")
    leader = await making.coordinator("队长", role=RoleKind.TEAM_LEADER)
    li = await making.volunteer("李敏")
    for who in (elsewhere, leader, li):
        for verb, given in (
            (certificates.issue, (planted.chen.id, CERTIFICATE)),
            (certificates.preview, (planted.chen.id, CERTIFICATE)),
            (certificates.again, (found.id,)),
            (certificates.renew, (found.id,)),
            (certificates.entry, (found.id,)),
            (certificates.revoke, (found.id, RevocationReason.OTHER, "不行")),
            (certificates.of_person, (planted.chen.id,)),
            (organisations.describe_body, (planted.wang.organisation_id,)),
        ):
            with pytest.raises(NotAllowed):
                await act(making, who, verb, *given)
        assert await act(making, who, certificates.own) == []
    assert (await act(making, elsewhere, certificates.register)).rows == []
    for who in (leader, li):
        with pytest.raises(NotAllowed):
            await act(making, who, certificates.register)


async def test_only_the_holding_body_certifies_its_activity_and_tells_no_more_of_a_person(
    planted: Planted,
) -> None:
    making = planted.making
    wu = await making.coordinator("吴芳", organisation="zs-dongqu")
    activity = await making.activity(wu, "东区图书馆")
    await served(making, wu, planted.chen, 75, "2026-11-20 09:00", activity)
    request = replace(CERTIFICATE, scope=CertificateScope.ACTIVITY, activity_id=activity.id)
    found = await act(making, wu, certificates.issue, planted.chen.id, request)
    assert (found.organisation_id, found.minutes) == (wu.organisation_id, 75)
    code = await refused(making, planted.wang, certificates.issue, planted.chen.id, request)
    assert code == "certificate_other_body"
    record = replace(request, kind=CertificateKind.RECORD)
    with pytest.raises(NotAllowed):
        await act(making, wu, certificates.issue, planted.chen.id, record)
    nobody = await making.volunteer("李敏")
    code = await refused(making, wu, certificates.issue, nobody.id, request)
    assert code == "certificate_nothing"
    assert [one.certificate.id for one in (await act(making, wu, certificates.register)).rows] == [
        found.id
    ]


async def test_requests_that_make_no_sense_are_gone(planted: Planted) -> None:
    making, chen = planted.making, planted.chen
    field, period = CertificateScope.FIELD, CertificateScope.PERIOD
    for request in (
        replace(CERTIFICATE, language="xx"),
        replace(CERTIFICATE, scope=field),
        replace(CERTIFICATE, scope=period),
        replace(CERTIFICATE, scope=CertificateScope.ACTIVITY, activity_id=10**9),
    ):
        with pytest.raises(Gone):
            await issued(making, chen, request)
    with pytest.raises(Gone):
        await act(making, planted.boss, certificates.issue, 10**9, CERTIFICATE)


async def test_the_register_is_searched_by_number_and_name(planted: Planted) -> None:
    making = planted.making
    li = await making.volunteer("李敏", name_search="李敏 limin lm")
    await issued(making, planted.chen)
    record = await issued(making, li, RECORD)
    search = certificates.register
    for typed, expected in (
        ("", 2),
        ("limin", 1),
        ("李", 1),
        ("000002", 1),
        ("zs-shiqi", 2),
        ("%", 0),
    ):
        assert len((await act(making, planted.wang, search, typed)).rows) == expected, typed
    (found,) = (await act(making, planted.boss, search, "李敏")).rows
    assert (found.certificate.id, found.name, found.is_newest) == (record.id, "李敏", True)


# Revoking and erasing


async def test_what_was_revoked_is_issued_anew_by_its_issuer_under_the_same_number(
    planted: Planted,
) -> None:
    making = planted.making
    found = await issued(making, planted.chen)
    revoke = (found.id, RevocationReason.HOURS, "名单有误")
    revoked = await act(making, planted.wang, certificates.revoke, *revoke)
    assert revoked.state is CertificateState.REVOKED
    assert (
        await refused(making, planted.wang, certificates.revoke, *revoke) == "certificate_revoked"
    )
    assert (
        await refused(making, planted.chen, certificates.again, found.id) == "certificate_revoked"
    )
    with pytest.raises(NotAllowed):
        await act(making, planted.chen, certificates.renew, found.id)
    said = await look(making, found)
    assert (said["verdict"], said["revocation"]) == (Verdict.REVOKED, "hours")
    new = await act(making, planted.wang, certificates.renew, found.id)
    assert (new.number, new.version) == (found.number, 2)
    assert (await look(making, found))["newer_at"] == making.clock()
    async with making.database.read() as session:
        actions = await session.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.action.startswith("certificate."))
            .order_by(AuditEntry.id)
        )
        assert list(actions) == ["certificate.issued", "certificate.revoked", "certificate.renewed"]
        told = await session.scalars(
            select(Message.parameters)
            .join(Delivery, Delivery.message_id == Message.id)
            .where(Message.template == "certificates/revoked")
        )
        assert [one["reason"] for one in told] == ["名单有误"]


async def test_a_body_that_somebody_left_does_not_renew_their_record(planted: Planted) -> None:
    making = planted.making
    record = await issued(making, planted.chen, RECORD)
    elsewhere = await making.organisation("zs-dongqu")
    async with making.database.write() as session:
        person = await session.get_one(Person, planted.chen.id)
        person.organisation_id, person.phone = elsewhere.id, "+8613900000000"
    with pytest.raises(NotAllowed):
        await act(making, planted.wang, certificates.renew, record.id)
    assert (await act(making, planted.wang, certificates.again, record.id)).id == record.id


async def test_nobody_revokes_their_own_and_nothing_is_renewed_unchanged(
    planted: Planted,
) -> None:
    making = planted.making
    await served(making, planted.boss, planted.wang, 60, "2026-11-20 09:00")
    own = await issued(making, planted.wang)
    revoke = (own.id, RevocationReason.OTHER, "不要了")
    assert await refused(making, planted.wang, certificates.revoke, *revoke) == "certificate_own"
    assert await refused(making, planted.wang, certificates.renew, own.id) == "certificate_same"
    assert await refused(making, planted.boss, certificates.renew, own.id) == "certificate_same"
