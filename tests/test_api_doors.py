"""Whom the API lets in: every route of its table, at each of the boundaries."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select

from models import Base, Person, Role, RoleKind
from services import tokens
from services.tokens import Scope
from tests.attending import place, propose
from tests.city import City
from tests.making import Making
from tests.programs import ALL, Answered, Client, client, token_of
from web.api.declaring import Route
from web.api.pages import DECLARED

STAYS = {"api_token", "audit_entry"}
"""Tables that looking may write to."""


class Town:
    """What there is in a town, by the names that keys have in paths."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.boss: Person
        self.other: Person
        """Administers another town."""
        self.keys: dict[str, int]

    async def build(self) -> "Town":
        making = self.making
        self.boss = await making.coordinator("何会长", role=RoleKind.ADMINISTRATOR)
        self.other = await making.coordinator(
            "梁会长", organisation="zs-xiaolan", role=RoleKind.ADMINISTRATOR
        )
        chen = await making.volunteer("陈晓丽")
        activity = await making.activity(self.boss)
        shift = await making.shift(activity)
        own = await place(making, shift, chen)
        there = await propose(making, await making.shift(activity), chen)
        self.keys = {
            "organisation_id": self.boss.organisation_id,
            "volunteer_id": chen.id,
            "activity_id": activity.id,
            "shift_id": shift.id,
            "enrolment_id": own.id,
            "attendance_id": there,
            "callout_id": 1,
        }
        return self

    async def ask(self, program: Client, route: Route) -> Answered:
        """A request that would be done if it were let in, as far as the shape is concerned."""
        path = route.path.format(**self.keys)
        if route.query is not None and "kind" in route.query.model_fields:
            path += "?kind=skills"
        body = None if route.body is None else self._body(route.body.__name__)
        return await program.ask(route.method, path, body)

    def _body(self, shape: str) -> dict[str, Any]:
        shift = {"starts_at": "2026-11-28T09:00:00+08:00", "ends_at": "2026-11-28T12:00:00+08:00",
                 "quota": 2}  # fmt: skip
        home = self.keys["organisation_id"]
        return {
            "Reasoned": {"reason": "别的原因"},
            "Pause": {"until": "2026-12-24"},
            "Correction": {"minutes": 60, "reason": "别的原因"},
            "NewEnrolment": {"volunteer_id": self.keys["volunteer_id"]},
            "NewShift": shift,
            "ShiftChange": {"quota": 5},
            "ActivityChange": {"title": "换个名字"},
            "NewVolunteer": {"organisation_id": home, "name": "周敏", "phone": "+8613912345678",
                             "birth_date": "1991-02-03", "language": "zh_Hans"},
            "NewActivity": {"organisation_id": home, "field_id": 1, "title": "河岸植树",
                            "description": "一起种树。", "address": "岐江公园", "latitude": 22.5,
                            "longitude": 113.4, "shift": shift},
        }[shape]  # fmt: skip


@pytest.fixture
async def town(city: City) -> AsyncIterator[Town]:
    """Nothing has been written to it at the end."""
    built = await Town(city.making).build()
    before = await rows(city)
    yield built
    assert await rows(city) == before


async def rows(city: City) -> dict[str, int]:
    """How many each table has, and a mark of what could be changed in place."""
    counts: dict[str, int] = {}
    async with city.database.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in STAYS:
                found = await session.scalar(select(func.count()).select_from(table))
                counts[table.name] = found or 0
        for name in ("activity", "enrolment", "attendance", "person"):
            table = Base.metadata.tables[name]
            kept = await session.execute(select(table).order_by(table.c.id))
            counts[f"{name}:"] = hash(str([tuple(row) for row in kept]))
    return counts


async def statuses(town: Town, program: Client, routes: list[Route]) -> dict[str, int]:
    return {route.name: (await town.ask(program, route)).status for route in routes}


@pytest.mark.parametrize("secret", [None, "mst_wrong", "x y", "mst_" + "a" * 43])
async def test_nobody_is_let_in(city: City, town: Town, secret: str | None) -> None:
    async with client(city, secret) as program:
        assert set((await statuses(town, program, DECLARED)).values()) == {401}


async def test_another_towns_token_reaches_nothing(city: City, town: Town) -> None:
    secret = await token_of(city.making, town.other, ALL)
    async with client(city, secret) as program:
        named = [route for route in DECLARED if route.keys or route.writes]
        found = await statuses(town, program, named)
        assert set(found.values()) <= {403, 404}, found
        for route in DECLARED:
            if not route.keys and not route.writes and route.name != "list_terms":
                answered = await town.ask(program, route)
                assert str(town.boss.name) not in str(answered.json)
                assert {one["id"] for one in answered.json["items"]} <= own(town, route), route.name


def own(town: Town, route: Route) -> set[int]:
    """Keys that the other town may find in a list."""
    if route.name == "list_organisations":
        return set(range(1000)) - {town.boss.organisation_id}
    return {town.other.id} if route.name == "list_volunteers" else set()


async def test_without_its_scope_a_token_is_refused(city: City, town: Town) -> None:
    for scope in Scope:
        rest = [one for one in ALL if one != scope]
        async with client(city, await token_of(city.making, town.boss, rest)) as program:
            for route in DECLARED:
                if route.scope is scope:
                    answered = await town.ask(program, route)
                    assert (answered.status, answered.code) == (403, "api_scope"), route.name


async def test_a_token_that_has_ended_is_refused(city: City, town: Town) -> None:
    revoked = await token_of(city.making, town.boss, ALL)
    async with city.database.write() as session:
        work = city.making.work(session, town.boss)
        ((token, _),) = await tokens.listed(work, town.boss.organisation_id)
        await tokens.revoke(work, token.id)
    expired = await token_of(city.making, town.boss, ALL, days=7)
    city.clock.forward(days=7)
    for secret in (revoked, expired):
        city.clock.forward(minutes=1)  # wrong tokens are few a minute
        async with client(city, secret) as program:
            assert set((await statuses(town, program, DECLARED)).values()) == {401}


async def test_a_token_whose_maker_lost_the_role_is_refused(city: City, town: Town) -> None:
    secret = await token_of(city.making, town.boss, ALL)
    async with city.database.write() as session:
        role = (await session.scalars(select(Role).where(Role.person_id == town.boss.id))).one()
        role.kind = RoleKind.COMMANDER
    async with client(city, secret) as program:
        assert set((await statuses(town, program, DECLARED)).values()) == {401}
