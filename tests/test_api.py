"""The JSON API as other programs use it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from models import AuditEntry, Person, Role, RoleKind, Token
from services import tokens
from services.errors import NotAllowed
from services.policy import Policy
from tests.city import City
from tests.programs import ALL, BUT_PERSONAL, client, token_of

PLAN: dict[str, Any] = {
    "title": "河岸植树",
    "description": "一起在岐江边种树。",
    "address": "岐江公园北门",
    "latitude": 22.53,
    "longitude": 113.38,
    "shift": {"starts_at": "2026-11-28T09:00:00+08:00", "ends_at": "2026-11-28T12:00:00+08:00",
              "quota": 2},
}  # fmt: skip


async def administrator(city: City, organisation: str = "zs-shiqi") -> Person:
    return await city.making.coordinator(
        "何会长", organisation=organisation, role=RoleKind.ADMINISTRATOR
    )


async def test_a_volunteer_goes_from_the_register_through_a_shift_to_confirmed_hours(
    city: City,
) -> None:
    """All of it from another program; the person reads what becomes of them."""
    he = await administrator(city)
    chen = await city.volunteer("陈晓丽")
    secret = await token_of(city.making, he)
    async with client(city, secret) as program:
        field = (await program.get("/terms?kind=fields")).json["items"][0]["id"]
        plan = {**PLAN, "organisation_id": he.organisation_id, "field_id": field}
        made = await program.post("/activities", plan)
        assert made.status == 201 and made.json["state"] == "draft", made.json
        activity, shift = made.json["id"], made.json["shifts"][0]["id"]
        opened = await program.post(f"/activities/{activity}/publish")
        assert opened.status == 200 and opened.json["state"] == "published"
        moved = await program.ask("PATCH", f"/activities/{activity}", {"bring": "手套"})
        assert moved.status == 200 and moved.json["bring"] == "手套", moved.json

        person = (await city.person(chen)).id
        own = await program.post(f"/shifts/{shift}/enrolments", {"volunteer_id": person})
        assert own.status == 201 and own.json["state"] == "confirmed", own.json
        await city.sent()
        await chen.sees("协调员已为你报名“河岸植树”")
        again = await program.post(f"/shifts/{shift}/enrolments", {"volunteer_id": person})
        assert again.status == 409 and again.code == "enrol_already"

        city.clock.go_to("2026-11-28 09:05")
        place = f"/enrolments/{own.json['id']}"
        there = await program.post(place + "/check-in")
        assert there.json["state"] == "attended", there.json
        city.clock.go_to("2026-11-28 11:30")
        left = await program.post(place + "/check-out")
        assert left.json["attendance"]["minutes"] == 150, left.json
        attendance = left.json["attendance"]["id"]
        confirmed = await program.post(f"/attendances/{attendance}/confirm")
        assert confirmed.json["state"] == "confirmed"
        corrected = await program.post(
            f"/attendances/{attendance}/correct", {"minutes": 140, "reason": "算错了"}
        )
        assert corrected.json["minutes"] == 140, corrected.json
        entries = await program.everything("/hours")
        assert [entry["minutes"] for entry in entries] == [150, -10]
        assert {entry["volunteer_id"] for entry in entries} == {person}
        assert await program.everything(f"/attendances?volunteer_id={person}") == [corrected.json]
    async with city.database.read() as session:
        marks = await session.scalars(select(AuditEntry).where(AuditEntry.actor_id == he.id))
        said = {mark.action: mark.details for mark in marks}
    assert {"activity.drafted", "enrolment.made", "hours.corrected"} <= set(said)
    assert all("token" in said[name] for name in ("activity.drafted", "hours.corrected"))


async def test_an_activity_is_cancelled_and_a_place_given_back(city: City) -> None:
    he = await administrator(city)
    chen = await city.volunteer("陈晓丽")
    activity = await city.making.activity(he)
    shift = await city.making.shift(activity)
    person = (await city.person(chen)).id
    async with client(city, await token_of(city.making, he)) as program:
        own = await program.post(f"/shifts/{shift.id}/enrolments", {"volunteer_id": person})
        gone = await program.post(f"/enrolments/{own.json['id']}/cancel", {"reason": "人手够了"})
        assert gone.json["state"] == "cancelled", gone.json
        await city.sent()
        await chen.sees("协调员已把你移出“河岸植树”的名单")
        more = await program.post(
            f"/activities/{activity.id}/shifts",
            {**PLAN["shift"], "starts_at": "2026-11-29T09:00:00+08:00",
             "ends_at": "2026-11-29T10:00:00+08:00"},
        )  # fmt: skip
        assert more.status == 201, more.json
        more = await program.ask("PATCH", f"/shifts/{more.json['id']}", {"quota": 7})
        assert more.json["quota"] == 7
        dropped = await program.ask("DELETE", f"/shifts/{more.json['id']}")
        assert (dropped.status, dropped.json) == (204, None)
        off = await program.post(f"/activities/{activity.id}/cancel", {"reason": "台风"})
        assert off.json["state"] == "cancelled" and off.json["cancel_reason"] == "台风"


async def test_somebody_is_registered_beforehand_approved_and_paused(city: City) -> None:
    """Like an applicant: without a consent, and never called out before they speak themselves."""
    he = await administrator(city)
    new = {"organisation_id": he.organisation_id, "name": "周敏", "phone": "+8613912345678",
           "birth_date": "1991-02-03", "language": "zh_Hans"}  # fmt: skip
    async with client(city, await token_of(city.making, he)) as program:
        made = await program.post("/volunteers", new)
        assert made.status == 201 and made.json["standing"] == "awaiting_approval", made.json
        assert made.json["phone"] == "**********5678" and made.json["birth_date"] is None
        assert (await program.post("/volunteers", new)).code == "signup_phone_known"
        young = {**new, "birth_date": "2015-02-03", "phone": "+8613912345679"}
        assert (await program.post("/volunteers", young)).code == "preregister_minor"
        for none in ("+89050123486350", "+8612345678"):
            unknown = await program.post("/volunteers", {**new, "phone": none})
            assert unknown.code == "preregister_phone"
        key = made.json["id"]
        assert (await program.post(f"/volunteers/{key}/pause", {"until": "2026-12-24"})).code == (
            "volunteer_not_active"
        )
        approved = await program.post(f"/volunteers/{key}/approve")
        assert approved.json["standing"] == "active" and approved.json["number"], approved.json
        paused = await program.post(f"/volunteers/{key}/pause", {"until": "2026-12-24"})
        assert paused.json["paused_until"] == "2026-12-24"
        assert (await program.post(f"/volunteers/{key}/resume")).json["paused_until"] is None
        assert (await program.post(f"/volunteers/{key}/refuse", {"reason": "重复"})).code == (
            "approval_decided"
        )
    async with city.database.read() as session:
        person = await session.get_one(Person, key)
        assert not person.emergency_opt_in and not person.phone_verified


async def test_personal_data_needs_its_scope_and_each_look_is_written_down(city: City) -> None:
    he = await administrator(city)
    chen = await city.making.volunteer("陈晓丽", id_number="440105199005011239")
    async with client(city, await token_of(city.making, he)) as program:
        seen = (await program.get(f"/volunteers/{chen.id}")).json
        assert seen["phone"].startswith("****") and seen["phone"][-4:] == (chen.phone or "")[-4:]
        assert seen["id_number"] == "*" * 14 + "1239" and seen["email"] is None
    async with client(city, await token_of(city.making, he, ALL)) as program:
        seen = (await program.get(f"/volunteers/{chen.id}")).json
        assert (seen["phone"], seen["id_number"]) == (chen.phone, "440105199005011239")
        listed = await program.everything("/volunteers")
        assert {one["phone"] for one in listed} == {he.phone, chen.phone}
    async with city.database.read() as session:
        looks = select(AuditEntry.subject).where(AuditEntry.action == "person.seen")
        assert sorted(await session.scalars(looks)) == sorted(
            [f"person:{chen.id}"] * 2 + [f"person:{he.id}"]
        )


async def test_lists_come_in_parts_that_neither_double_nor_hide_a_row(city: City) -> None:
    he = await administrator(city)
    await city.making.crowd(7)
    async with client(city, await token_of(city.making, he)) as program:
        first = (await program.get("/volunteers?limit=3")).json
        await city.making.crowd(2)
        rest = (await program.get(f"/volunteers?limit=200&cursor={first['next']}")).json
        keys = [one["id"] for one in first["items"] + rest["items"]]
        assert len(keys) == len(set(keys)) == 10 and keys == sorted(keys)
        assert rest["next"] is None
        assert (await program.get("/activities?cursor=" + first["next"])).code == "api_cursor"
        assert (await program.get("/volunteers?cursor=bm8.x")).code == "api_cursor"
        since = "/volunteers?updated_since=2026-11-23T00:00:00Z"
        mixed = await program.get(f"{since}&cursor={first['next']}")
        assert mixed.code == "api_cursor"
        assert len(await program.everything(since, 2)) == 10


async def test_only_what_changed_since_then_is_listed(city: City) -> None:
    he = await administrator(city)
    chen = await city.volunteer("陈晓丽")
    activity = await city.making.activity(he)
    await city.making.shift(activity)
    city.clock.forward(hours=1)
    since = "updated_since=2026-11-23T11:00:00%2B08:00"
    async with client(city, await token_of(city.making, he)) as program:
        assert await program.everything(f"/volunteers?{since}") == []
        person = (await city.person(chen)).id
        await program.post(f"/volunteers/{person}/pause", {"until": "2026-12-24"})
        await program.ask("PATCH", f"/activities/{activity.id}", {"title": "江边植树"})
        (changed,) = await program.everything(f"/volunteers?{since}")
        assert changed["id"] == person
        (changed,) = await program.everything(f"/activities?{since}&state=published")
        assert changed["title"] == "江边植树"


async def test_a_repeated_request_makes_nothing_twice(city: City) -> None:
    he = await administrator(city)
    new = {"organisation_id": he.organisation_id, "name": "周敏", "phone": "+8613912345678",
           "birth_date": "1991-02-03", "language": "zh_Hans"}  # fmt: skip
    async with client(city, await token_of(city.making, he)) as program:
        first = await program.post("/volunteers", new, Idempotency_Key="k1")
        second = await program.post("/volunteers", new, Idempotency_Key="k1")
        assert (first.status, first.json) == (second.status, second.json) == (201, first.json)
        assert "Idempotency-Replayed" not in first.headers
        assert second.headers["Idempotency-Replayed"] == "true"
        other = {**new, "phone": "+8613912345679"}
        assert (await program.post("/volunteers", other, Idempotency_Key="k1")).code == (
            "api_key_reused"
        )
        assert (await program.post("/volunteers", new, Idempotency_Key="k2")).code == (
            "signup_phone_known"
        )
        city.clock.forward(hours=24)
        await city.settle()
        late = await program.post("/volunteers", new, Idempotency_Key="k1")
        assert late.code == "signup_phone_known"


async def test_the_same_request_at_the_same_time_is_done_once(city: City) -> None:
    he = await administrator(city)
    new = {"organisation_id": he.organisation_id, "name": "周敏", "phone": "+8613912345678",
           "birth_date": "1991-02-03", "language": "zh_Hans"}  # fmt: skip
    async with client(city, await token_of(city.making, he)) as program:
        answers = await asyncio.gather(
            *(program.post("/volunteers", new, Idempotency_Key="k1") for _ in range(6))
        )
        assert {(one.status, one.json["id"]) for one in answers} == {(201, answers[0].json["id"])}
        assert sum("Idempotency-Replayed" in one.headers for one in answers) == 5


async def test_too_many_requests_are_told_when_to_go_on(city: City) -> None:
    limit = 20
    city.policy = Policy(api_per_minute=limit)
    await city.start_again()
    he = await administrator(city)
    async with client(city, await token_of(city.making, he)) as program:
        first = await program.get("/terms?kind=skills")
        assert first.headers["RateLimit-Policy"] == f'"token";q={limit};w=60'
        assert first.headers["RateLimit"] == f'"token";r={limit - 1};t=60'
        city.clock.forward(seconds=10)
        for _ in range(limit - 1):
            assert (await program.get("/nowhere")).status == 404  # asked of nobody, not counted
            wrong = await program.get("/terms?kind=wrong")
            assert wrong.status == 422 and wrong.headers["RateLimit"].startswith('"token";r=')
        refused = await program.get("/terms?kind=skills")
        assert refused.status == 429 and refused.code == "api_fast"
        assert refused.headers["Retry-After"] == "50"
        city.clock.forward(seconds=50)
        assert (await program.get("/terms?kind=skills")).status == 200


async def test_what_does_not_fit_is_named(city: City) -> None:
    he = await administrator(city)
    async with client(city, await token_of(city.making, he)) as program:
        plan = {**PLAN, "organisation_id": he.organisation_id, "field_id": 1, "shift": {}}
        wrong = await program.post("/activities", {**plan, "titel": "x", "latitude": "22"})
        assert wrong.status == 422 and wrong.code == "api_invalid"
        assert {fault["where"] for fault in wrong.json["errors"]} == {
            "/titel", "/latitude", "/shift/starts_at", "/shift/ends_at", "/shift/quota",
        }  # fmt: skip
        assert "detail" in wrong.json and wrong.json["title"] and wrong.json["status"] == 422
        assert (await program.get("/volunteers?limit=0")).status == 422
        assert (await program.get("/volunteers?limit=1&limit=2")).status == 422
        assert (await program.get("/volunteers?page=2")).status == 422
        assert (await program.get("/volunteers/99999999999999999999")).code == "gone"
        assert (await program.get("/volunteers/x")).code == "gone"
        assert (await program.get("/nothing")).code == "gone"
        deleted = await program.ask("DELETE", "/volunteers")
        assert deleted.code == "api_method" and deleted.headers["Allow"] == "GET, POST"
        async with program.session.post("/api/v1/activities", data=b"{") as answer:
            assert answer.status == 415
        json = {"Content-Type": "application/json"}
        async with program.session.post("/api/v1/activities", data=b"{", headers=json) as answer:
            assert answer.status == 400
        big = b'"' + b"x" * 70_000 + b'"'
        async with program.session.post("/api/v1/activities", data=big, headers=json) as answer:
            assert answer.status == 413
        bad_key = await program.post("/volunteers", {}, Idempotency_Key="nicht möglich")
        assert bad_key.status == 422


async def test_a_token_is_shown_once_and_kept_as_a_hash(city: City) -> None:
    he = await administrator(city)
    secret = await token_of(city.making, he)
    async with client(city, secret) as program:
        assert (await program.get("/organisations")).status == 200
    async with city.database.read() as session:
        (token,) = await session.scalars(select(Token))
        row = {c.name: getattr(token, c.name) for c in Token.__table__.columns}
    assert secret not in str(row) and token.ending == secret[-4:]
    assert token.last_used_at == city.clock()


async def test_a_coordinator_makes_no_token_and_nobody_one_for_elsewhere(city: City) -> None:
    wang = await city.making.coordinator("王强")
    with pytest.raises(NotAllowed):
        await token_of(city.making, wang)
    he = await administrator(city)
    other = await city.making.organisation("zs-xiaolan")
    with pytest.raises(NotAllowed):
        await token_of(city.making, he, organisation_id=other.id)


async def test_a_token_reaches_no_further_than_its_organisation(city: City) -> None:
    """Though its maker does: what a federation's administrator gives a town stays in the town."""
    boss = await administrator(city, "zs")
    town = await city.making.organisation("zs-shiqi")
    near = await city.making.volunteer("陈晓丽")
    far = await city.making.volunteer("李敏", organisation="zs-xiaolan")
    async with client(city, await token_of(city.making, boss, organisation_id=town.id)) as program:
        names = {one["code"] for one in await program.everything("/organisations")}
        assert "zs-shiqi" in names and not {"zs", "zs-xiaolan"} & names
        assert [one["id"] for one in await program.everything("/volunteers")] == [near.id]
        assert (await program.get(f"/volunteers/{far.id}")).status == 404
        assert (await program.get(f"/organisations/{far.organisation_id}")).status == 404
        elsewhere = {**PLAN, "organisation_id": far.organisation_id, "field_id": 1}
        assert (await program.post("/activities", elsewhere)).status == 403


async def test_the_document_and_its_page_are_open_to_everyone(city: City) -> None:
    async with client(city, None) as program:
        written = await program.get("/openapi.json")
        assert written.status == 200 and written.json["openapi"] == "3.1.0"
        async with program.session.get("/api") as answer:
            page = await answer.text()
            assert answer.status == 200 and "<script" not in page
        for path, methods in written.json["paths"].items():
            for operation in methods.values():
                assert path in page and f'id="{operation["operationId"]}"' in page


async def test_a_token_dies_with_its_makers_role(city: City) -> None:
    he = await administrator(city)
    secret = await token_of(city.making, he)
    async with city.database.write() as session:
        role = (await session.scalars(select(Role).where(Role.person_id == he.id))).one()
        role.kind = RoleKind.COORDINATOR
    async with client(city, secret) as program:
        refused = await program.get("/volunteers")
        assert refused.status == 401 and refused.code == "token_orphaned"
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_expired_or_revoked_token_opens_nothing(city: City) -> None:
    he = await administrator(city)
    secret, other = await token_of(city.making, he, days=7), await token_of(city.making, he)
    async with city.database.write() as session:
        work = city.making.work(session, he)
        ((newest, maker), _) = await tokens.listed(work, he.organisation_id)
        assert maker.id == he.id and newest.scopes == list(BUT_PERSONAL)
        await tokens.revoke(work, newest.id)
    city.clock.forward(days=7)
    async with client(city, secret) as program:
        assert (await program.get("/terms?kind=skills")).code == "token_expired"
    async with client(city, other) as program:
        assert (await program.get("/terms?kind=skills")).code == "token_revoked"
