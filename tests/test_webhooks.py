"""Webhooks: what happens reaches other programs, signed, once it is true, until they take it."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from standardwebhooks.webhooks import Webhook as Verifier

from bot.settings import ExchangeSettings
from bot.webhooks import is_public
from models import (
    Activity,
    CertificateKind,
    Dispatch,
    DispatchState,
    Event,
    Person,
    RevocationReason,
    RoleKind,
    Webhook,
)
from services import approvals, certificates, enrolment, events, hours, planning, profile, webhooks
from services.errors import Gone, NotAllowed, Refusal
from services.events import Kind
from services.webhooks import WAITS, wait_after
from tests.attending import propose
from tests.city import City
from tests.programs import Receiver, receiver

EVERYTHING = [kind.value for kind in events.SUBSCRIBABLE]


class Subscribed:
    """A city in which the administrator of Shiqi has a webhook to somewhere."""

    def __init__(self, city: City, there: Receiver) -> None:
        self.city = city
        self.there = there
        self.boss: Person
        self.key: int
        self.secret: str

    async def prepare(self, kinds: list[str] = EVERYTHING, *, private: bool = True) -> "Subscribed":
        self.city.exchange = ExchangeSettings(private_webhooks=private)
        await self.city.start_again()
        self.boss = await self.city.making.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
        home = self.boss.organisation_id
        webhook, self.secret = await self.act(
            self.boss, webhooks.make, home, "省平台", self.there.url, kinds, private=True
        )
        self.key = webhook.id
        return self

    async def act(self, who: Person, verb: Any, *given: Any, **named: Any) -> Any:
        async with self.city.database.write() as session:
            actor = await session.get_one(Person, who.id)
            return await verb(self.city.making.work(session, actor), *given, **named)

    async def turn(self) -> None:
        await self.city.program.webhooks.turn()

    async def dispatches(self) -> list[Dispatch]:
        async with self.city.database.read() as session:
            return list(await session.scalars(select(Dispatch).order_by(Dispatch.id)))

    def said(self) -> list[tuple[str, dict[str, Any]]]:
        bodies = [json.loads(one.body) for one in self.there.received]
        return [(body["type"], body["data"]) for body in bodies]


async def test_what_happens_arrives_signed(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        chen = await city.making.volunteer("陈晓丽")
        activity = await city.making.activity(at.boss)
        shift = await city.making.shift(activity)
        own = await at.act(chen, enrolment.enrol, shift.id)
        await at.act(chen, enrolment.cancel, own.id)
        other = await city.making.shift(activity, "2026-11-29 09:00")
        attendance = await propose(city.making, other, chen, 90)
        await at.act(at.boss, hours.confirm, attendance)
        await at.act(at.boss, hours.correct, attendance, 80, "算错了")
        await at.act(at.boss, planning.call_off, activity.id, "台风")
        await at.act(chen, profile.withdraw)
        assert there.received == [], "nothing is sent by whoever acts"
        await at.turn()
        place = {"enrolment_id": own.id, "volunteer_id": chen.id, "shift_id": shift.id,
                 "activity_id": activity.id}  # fmt: skip
        served = {"attendance_id": attendance, "volunteer_id": chen.id, "shift_id": other.id,
                  "activity_id": activity.id}  # fmt: skip
        assert sorted(at.said(), key=by_kind) == sorted(
            [
                (Kind.ENROLMENT_CONFIRMED, {**place, "state": "confirmed"}),
                (Kind.ENROLMENT_CANCELLED, {**place, "state": "cancelled"}),
                (Kind.HOURS_CONFIRMED, {**served, "minutes": 90}),
                (Kind.HOURS_CORRECTED, {**served, "minutes": 80}),
                (Kind.ACTIVITY_CANCELLED, {"activity_id": activity.id, "state": "cancelled",
                                           "organisation_id": activity.organisation_id}),
                (Kind.VOLUNTEER_WITHDRAWN, {"volunteer_id": chen.id, "number": chen.number,
                                            "standing": "withdrawn", "paused_until": None,
                                            "organisation_id": chen.organisation_id}),
            ],
            key=by_kind,
        )  # fmt: skip
        for one in there.received:
            verify(at.secret, one.headers, one.body, city)
            assert one.headers["Content-Type"] == "application/json"
        assert len({one.headers["webhook-id"] for one in there.received}) == 6
        assert {one.state for one in await at.dispatches()} == {DispatchState.TAKEN}
        await at.turn()
        assert len(there.received) == 6, "what was taken is not sent again"


def by_kind(said: tuple[str, dict[str, Any]]) -> str:
    return str(said[0])


def verify(secret: str, headers: dict[str, str], body: bytes, city: City) -> None:
    """By the specification's own library, whose clock is not the city's."""
    at = headers["webhook-timestamp"]
    assert int(at) == int(city.clock().timestamp())
    signer = Verifier(secret)
    signed = signer.sign(headers["webhook-id"], city.clock(), body.decode())
    assert signed in headers["webhook-signature"].split(" ")


async def test_what_is_not_committed_is_never_sent(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        chen = await city.making.volunteer("陈晓丽")
        with pytest.raises(ZeroDivisionError):
            async with city.database.write() as session:
                await profile.withdraw(city.making.work(session, chen))
                raise ZeroDivisionError
        await at.turn()
        assert there.received == []


async def test_registering_publishing_and_changing_are_events(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        chen = await city.making.volunteer("陈晓丽")
        activity = await city.making.activity(at.boss)
        await city.making.shift(activity)
        async with city.database.write() as session:
            work = city.making.work(session, at.boss)
            person = await session.get_one(Person, chen.id)
            await approvals.activate(work, person)
            held = await session.get_one(Activity, activity.id)
            plan = planning.plan_of(held)
            await planning.change(work, activity.id, plan, "https://t.me/x")
            copy = await planning.copy(work, activity.id, city.clock.at("2026-12-05 09:00"))
            await planning.publish(work, copy.id, "https://t.me/x")
        await at.turn()
        assert sorted(kind for kind, _ in at.said()) == [
            Kind.ACTIVITY_CHANGED, Kind.ACTIVITY_PUBLISHED, Kind.VOLUNTEER_REGISTERED,
        ]  # fmt: skip


async def test_certificates_issued_and_revoked_are_events(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        chen = await city.making.volunteer("陈晓丽")
        shift = await city.making.shift(await city.making.activity(at.boss))
        await at.act(at.boss, hours.confirm, await propose(city.making, shift, chen, 90))
        asked = certificates.Request(CertificateKind.CERTIFICATE, "zh_Hans")
        made = await at.act(chen, certificates.issue, chen.id, asked)
        reason = RevocationReason.HOURS
        await at.act(at.boss, certificates.revoke, made.id, reason, "时长有误")
        await at.turn()
        said = {kind: data["state"] for kind, data in at.said() if kind.startswith("certificate")}
        assert said == {Kind.CERTIFICATE_ISSUED: "issued", Kind.CERTIFICATE_REVOKED: "revoked"}
        assert {data["number"] for _, data in at.said() if "number" in data} == {made.number}


async def test_one_hears_of_ones_own_subtree_and_of_what_one_asked_for(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare([Kind.VOLUNTEER_WITHDRAWN.value])
        near = await city.making.volunteer("陈晓丽")
        far = await city.making.volunteer("李敏", organisation="zs-xiaolan")
        for person in (near, far):
            await at.act(person, profile.pause, city.clock().date().replace(day=30))
            await at.act(person, profile.withdraw)
        await at.turn()
        assert [data["volunteer_id"] for _, data in at.said()] == [near.id]
        async with city.database.read() as session:
            assert await session.scalar(select(func.count()).select_from(Event)) == 1, (
                "what nobody asked for is not kept"
            )


async def test_what_is_not_taken_comes_again_for_three_days_and_is_then_given_up(
    city: City,
) -> None:
    """The endpoint took nothing at all, so it is switched off, and its administrators hear it."""
    he = await city.coordinator("何秘书", role=RoleKind.ADMINISTRATOR)
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        there.always = (503, "busy " * 100)
        await at.act(await city.making.volunteer("陈晓丽"), profile.withdraw)
        for number, wait in enumerate(WAITS, start=1):
            await at.turn()
            (sent,) = await at.dispatches()
            assert (sent.attempts, sent.state, sent.status) == (number, DispatchState.WAITING, 503)
            assert sent.answer is not None and len(sent.answer) == 200
            assert 0.8 * wait <= sent.due_at - city.clock() <= 1.2 * wait
            await at.turn()
            assert len(there.received) == number, "not before its time"
            city.clock.now = sent.due_at
        await at.turn()
        (sent,) = await at.dispatches()
        assert sent.state is DispatchState.GIVEN_UP and len(there.received) == len(WAITS) + 1
        assert len({one.headers["webhook-id"] for one in there.received}) == 1
        async with city.database.read() as session:
            webhook = await session.get_one(Webhook, at.key)
            assert not webhook.enabled and webhook.disabled_at == city.clock()
        await city.sent()
        await he.sees("省平台")
        await he.sees("已停用")
        await at.act(at.boss, webhooks.switch, at.key, on=True)
        there.always = (200, "ok")
        await at.act(at.boss, webhooks.retry, sent.id)
        await at.turn()
        (sent,) = await at.dispatches()
        assert (sent.state, sent.status, sent.answer) == (DispatchState.TAKEN, 200, "ok")


async def test_a_receiver_that_wants_nothing_any_more_is_left_alone(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        there.always = (410, "gone")
        await at.act(await city.making.volunteer("陈晓丽"), profile.withdraw)
        await at.turn()
        await at.act(await city.making.volunteer("李敏"), profile.withdraw)
        await at.turn()
        assert len(there.received) == 1


def test_the_waits_add_up_to_three_days_and_spread() -> None:
    assert sum(wait.total_seconds() for wait in WAITS) / 3600 == pytest.approx(71.6, abs=0.1)
    assert wait_after(1, 0.5) == WAITS[0] and wait_after(len(WAITS) + 1, 0.5) is None
    assert wait_after(3, 0.0) == WAITS[2] * 0.8 and wait_after(3, 1.0) == WAITS[2] * 1.2


async def test_a_redirect_is_not_followed(city: City) -> None:
    async with receiver() as there, receiver() as elsewhere:
        at = await Subscribed(city, there).prepare()
        there.always = (307, elsewhere.url)
        await at.act(await city.making.volunteer("陈晓丽"), profile.withdraw)
        await at.turn()
        assert len(there.received) == 1 and elsewhere.received == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_no_webhook_leads_into_the_own_network(city: City, host: str) -> None:
    """Looked at when it is connected to: whatever a name said when it was checked."""
    async with receiver() as there:
        there.url = there.url.replace("127.0.0.1", host)
        at = await Subscribed(city, there).prepare(private=False)
        await at.act(await city.making.volunteer("陈晓丽"), profile.withdraw)
        await at.turn()
        (sent,) = await at.dispatches()
        assert there.received == [] and sent.status is None
        assert sent.state is DispatchState.WAITING
        if host != "localhost":
            assert sent.answer == "PrivateAddressError"


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "172.16.0.9", "169.254.169.254", "127.0.0.1", "0.0.0.0", "::1",
     "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "224.0.0.1",
     "100.64.0.1", "240.0.0.1", "::"],
)  # fmt: skip
def test_addresses_of_own_networks_are_known(address: str) -> None:
    assert not is_public(address)


def test_addresses_of_everybody_are_known() -> None:
    assert is_public("93.184.216.34") and is_public("2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "ftp://example.org/", "https://", "https://user:pw@example.org/",
     "javascript:alert(1)", "https://example.org:99999/", "x" * 600, "https://[::1"],
)  # fmt: skip
def test_only_addresses_with_tls_and_without_a_user_are_taken(url: str) -> None:
    with pytest.raises(Refusal, match="webhook_url"):
        webhooks.checked_url(url, private=False)


async def test_a_new_secret_and_the_one_before_both_sign_for_a_day(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        _, fresh = await at.act(at.boss, webhooks.rotate, at.key)
        for hours_later in (0, 25):
            city.clock.forward(hours=hours_later)
            await at.act(at.boss, webhooks.ping, at.key)
            await at.turn()
        during, after = there.received
        for secret in (at.secret, fresh):
            verify_at(secret, during.headers, during.body)
        verify_at(fresh, after.headers, after.body)
        assert len(after.headers["webhook-signature"].split(" ")) == 1
        assert json.loads(after.body)["type"] == Kind.TEST


def verify_at(secret: str, headers: dict[str, str], body: bytes) -> None:
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signed = Verifier(secret).sign(headers["webhook-id"], at, body.decode())
    assert signed in headers["webhook-signature"].split(" ")


async def test_what_was_under_way_at_a_crash_goes_out_again(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        await at.act(at.boss, webhooks.ping, at.key)
        async with city.database.write() as session:
            (letter,) = await webhooks.claim(session, city.clock(), 10, 10, {})
        assert letter.attempts == 1
        await at.turn()
        assert there.received == [], "it is somebody's"
        city.drives_webhooks = False
        await city.start_again()
        await there.has(1)


async def test_a_receiver_that_hangs_does_not_hold_up_the_programs_end(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        there.hangs = True
        city.drives_webhooks = False
        await city.start_again()
        await at.act(at.boss, webhooks.ping, at.key)
        await there.has(1)
        city.drives_webhooks = True
        async with asyncio.timeout(10):
            await city.start_again()
        (sent,) = await at.dispatches()
        assert sent.state is not DispatchState.TAKEN, "it goes out again after the start"


async def test_only_administrators_manage_webhooks(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        home = at.boss.organisation_id
        sent = await at.act(at.boss, webhooks.ping, at.key)
        wang = await city.making.coordinator("王强", role=RoleKind.COMMANDER)
        far = await city.making.coordinator(
            "梁会长", organisation="zs-xiaolan", role=RoleKind.ADMINISTRATOR
        )
        for who in (wang, far):
            for verb, given in (
                (webhooks.listed, (home,)), (webhooks.rotate, (at.key,)),
                (webhooks.ping, (at.key,)), (webhooks.remove, (at.key,)),
                (webhooks.latest, (at.key,)), (webhooks.retry, (sent.id,)),
                (webhooks.subscribe, (at.key, EVERYTHING)),
            ):  # fmt: skip
                with pytest.raises(NotAllowed):
                    await at.act(who, verb, *given)
            with pytest.raises(NotAllowed):
                await at.act(who, webhooks.switch, at.key, on=False)
        with pytest.raises(Gone):
            await at.act(at.boss, webhooks.retry, 999)
        with pytest.raises(Refusal, match="webhook_kinds"):
            await at.act(at.boss, webhooks.subscribe, at.key, ["webhook.test"])
        await at.act(at.boss, webhooks.remove, at.key)
        await at.turn()
        assert there.received == []


async def test_events_of_long_ago_are_forgotten(city: City) -> None:
    async with receiver() as there:
        at = await Subscribed(city, there).prepare()
        await at.act(at.boss, webhooks.ping, at.key)
        await at.turn()
        city.clock.forward(days=31)
        await city.catch_up()
        assert await at.dispatches() == []
