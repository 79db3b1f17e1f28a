"""How organisations do: indicators of a period, beside others of their kind, and a plain score."""

import pytest

from models import EnrolmentState, Organisation, Person
from services import hours, performance, ratings
from services.errors import NotAllowed
from services.performance import Indicator
from services.policy import INDICATORS, Policy
from services.statistics import Period, Span
from services.work import Work
from tests.attending import place, propose
from tests.certified import act
from tests.city import City
from tests.consoles import desk_of
from tests.making import Making


async def held(making: Making, coordinator: Person, came: int, absent: int, stars: int) -> None:
    """One activity in a town with people of it, who rate it."""
    activity = await making.activity(coordinator)
    quota = came + absent
    shift = await making.shift(activity, "2026-11-18 09:00", quota=quota, taken=quota)
    home = {"organisation": f"zs-{coordinator.name}"}
    for number in range(came):
        person = await making.volunteer(f"到场{number}", **home)
        attendance = await propose(making, shift, person, 120)
        await act(making, person, ratings.rate, attendance, stars)
    for number in range(absent):
        person = await making.volunteer(f"缺席{number}", **home)
        await place(making, shift, person, EnrolmentState.NO_SHOW)
    await act(making, coordinator, hours.confirm_all, shift.id)


async def test_a_town_sees_its_indicators_and_score_beside_the_others(city: City) -> None:
    city.clock.go_to("2026-11-19 09:00")
    phones = {}
    for town, came, absent, stars in (
        ("shiqi", 3, 1, 5), ("dongqu", 3, 0, 4), ("xiaolan", 4, 4, 3), ("nanqu", 3, 1, 2)
    ):  # fmt: skip
        phones[town] = await city.coordinator(town, organisation=f"zs-{town}")
        await held(city.making, await city.person(phones[town]), came, absent, stars)
    await city.forward(hours=1)
    wang = await city.person(phones["shiqi"])
    async with city.database.read() as session:
        work = city.making.work(session, await session.get_one(Person, wang.id))
        seen = await performance.of(work, wang.organisation_id, Period.MONTH)
        by_name = {one.name: one for one in seen.indicators}
        assert (by_name["rating"].value, by_name["rating"].count) == (5.0, 3)
        assert by_name["rating"].middle == 3.0, "the median of 4, 3 and 2"
        assert by_name["shown_up"].value == 0.75
        assert by_name["plan"].value is None and by_name["answered"].value is None
        assert seen.others >= 3 and seen.middle is not None
        assert seen.score == performance.score(seen.indicators)
        other = await city.making.organisation("zs-dongqu")
        with pytest.raises(NotAllowed):
            await performance.of(work, other.id, Period.MONTH)
    await phones["shiqi"].say("/performance")
    shown = await phones["shiqi"].sees("满分 100")
    assert "活动评分: 5.0 ⭐ (3.0 ⭐)" in shown.words
    await phones["shiqi"].press("月")
    async with desk_of(city, phones["shiqi"]) as desk:
        page = await desk.open("/feedback/performance?period=month")
        assert "同类中位数" in page.words and "活动评分" in page.words and "75%" in page.words
        assert (await desk.open(f"/feedback/performance/{other.id}")).status == 403


def test_what_has_no_value_counts_neither_way() -> None:
    def one(name: str, part: float | None, weight: float = 10.0) -> Indicator:
        return Indicator(name, part, part, weight, 1.0)

    assert performance.score([]) is None
    assert performance.score([one("hours", None)]) is None
    assert performance.score([one("hours", 0.5), one("plan", None)]) == 50
    assert performance.score([one("hours", 1.0, 30.0), one("filled", 0.0, 10.0)]) == 75


def test_each_indicator_counts_from_nothing_to_all() -> None:
    full = dict(zip(INDICATORS, Policy().performance_full, strict=True))
    for name in INDICATORS:
        best = performance._counts(name, full[name], full[name])
        assert best == 1.0, name
        assert 0 <= performance._counts(name, full[name] * 100, full[name]) <= 1
    assert performance._counts("prompt", 144.0, 72.0) == 0.5
    assert performance._counts("rating", 1.0, 5.0) == 0.0
    assert performance._counts("rating", 3.0, 5.0) == 0.5


async def test_plans_say_how_far_they_are_by_the_seam(
    making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    wang = await making.coordinator("王强")

    async def half(work: Work, ones: list[Organisation], shown: Span) -> dict[int, float]:
        return {one.id: 0.5 for one in ones}

    monkeypatch.setattr(performance, "PLANS", (half,))
    async with making.database.read() as session:
        work = making.work(session, await session.get_one(Person, wang.id))
        seen = await performance.of(work, wang.organisation_id, Period.YEAR)
    (plan,) = [one for one in seen.indicators if one.name == "plan"]
    assert (plan.value, plan.part, plan.middle) == (0.5, 0.5, 0.5)
