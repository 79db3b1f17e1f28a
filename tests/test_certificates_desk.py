"""Certificates at the console: issued for a volunteer, downloaded, revoked, issued anew, found."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from models import AuditEntry, CertificateScope, Person, RoleKind
from services import certificates, hours
from services.certificates import Request
from tests.browser import DESKTOP, PHONE, barriers
from tests.certified import CERTIFICATE, ID_NUMBER, act, issued, rows, served, words_of
from tests.city import City, Phone
from tests.consoles import Desk, desk_of, screen_of
from web.console import looks
from web.limits import Rate


async def prepared(city: City) -> tuple[Phone, Person, Person, int]:
    """Wang's phone, Wang, Chen, and what Chen was at."""
    phone = await city.coordinator("王强")
    wang = await city.person(phone)
    chen = await city.making.volunteer("陈晓丽", id_number=ID_NUMBER)
    return phone, wang, chen, await served(city.making, wang, chen, 170)


ASKED = {
    "kind": "certificate", "language": "zh_Hans", "scope": "everything", "from_day": "",
    "until_day": "", "remarks": "升学  用",
}  # fmt: skip


async def test_a_coordinator_issues_downloads_revokes_and_issues_anew(city: City) -> None:
    phone, wang, chen, attendance = await prepared(city)
    async with desk_of(city, phone) as desk:
        page = f"/volunteers/{chen.id}/certificates"
        assert "还没有出具过" in (await desk.open(page)).words
        refused = await desk.send(page, {**ASKED, "scope": "period", "from_day": "2026-1"})
        assert refused.status == 400 and "请填写开始和结束日期" in refused.words
        assert 'value="升学  用"' in refused.text
        shown = await desk.send(page, ASKED)
        assert shown.status == 200 and "已出具。请下载 PDF" in shown.words
        (row,) = await rows(city.database)
        where = f"/certificates/{row.id}"
        async with desk.session.post(f"/console{where}/paper", data={"token": desk.token}) as got:
            assert got.content_type == "application/pdf"
            assert row.number in got.headers["Content-Disposition"]
            text = words_of(await got.read())
        for words in ("陈晓丽", ID_NUMBER, "2小时50分", "备注升学用", "经办人王强"):
            assert words in text
        await act(city.making, wang, hours.correct, attendance, 90, "早退")
        assert "时长后有更正" in (await desk.open(where)).words
        renewed = await desk.send(f"{where}/renew")
        assert "第2版" in renewed.words and "1小时30分" in renewed.words
        assert "已换发" in (await desk.open(where)).words
        empty = await desk.send(f"{renewed.path[8:]}/revoke", {"category": "hours", "reason": " "})
        assert empty.status == 400 and "请简单说明原因" in empty.words
        gone = await desk.send(f"{renewed.path[8:]}/revoke", {"category": "x", "reason": "y"})
        assert gone.status == 404
        revoked = await desk.send(
            f"{renewed.path[8:]}/revoke", {"category": "hours", "reason": "名单有误"}
        )
        assert "已撤销" in revoked.words and "名单有误" in revoked.words
        anew = await desk.send(f"{renewed.path[8:]}/renew")
        assert "第3版" in anew.words and row.number in anew.words


async def test_an_id_number_on_paper_is_a_look_that_is_logged_and_counted(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "LOOKS", Rate("reveals", most=2, seconds=3600.0))
    phone, _, chen, _ = await prepared(city)
    async with desk_of(city, phone) as desk:
        await desk.open("/certificates")
        await desk.send(f"/volunteers/{chen.id}/certificates", ASKED)
        (row,) = await rows(city.database)
        assert ID_NUMBER in await paper(desk, row.id)
        assert ID_NUMBER not in await paper(desk, row.id), "that was one too many"
    assert await looked_at(city) == [(f"person:{chen.id}", {"field": "id_number"})] * 2


async def test_another_town_has_no_whole_id_number_on_its_paper(city: City) -> None:
    phone = await city.coordinator("吴芳", organisation="zs-dongqu")
    wu = await city.person(phone)
    _, _, chen, _ = await prepared(city)
    activity = await city.making.activity(wu, "东区图书馆")
    await served(city.making, wu, chen, 75, "2026-11-20 09:00", activity)
    scope = CertificateScope.ACTIVITY
    request = replace(CERTIFICATE, scope=scope, activity_id=activity.id)
    found = await act(city.making, wu, certificates.issue, chen.id, request)
    async with desk_of(city, phone) as desk:
        await desk.open("/certificates")
        text = await paper(desk, found.id)
    assert "陈晓丽" in text and ID_NUMBER not in text and f"****{ID_NUMBER[-4:]}" in text
    assert await looked_at(city) == []
    boss = await city.coordinator("何市长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    async with desk_of(city, boss) as desk:
        await desk.open("/certificates")
        assert ID_NUMBER in await paper(desk, found.id)


async def paper(desk: Desk, certificate_id: int) -> str:
    """What the PDF says; of a page nothing."""
    path = f"/console/certificates/{certificate_id}/paper"
    async with desk.session.post(path, data={"token": desk.token}) as got:
        return words_of(await got.read()) if got.content_type == "application/pdf" else ""


async def looked_at(city: City) -> list[tuple[str, dict[str, object]]]:
    async with city.database.read() as session:
        found = await session.scalars(
            select(AuditEntry).where(AuditEntry.action == "person.looked_at")
        )
        return [(entry.subject, entry.details) for entry in found]


async def test_the_register_is_searched_and_paged(city: City) -> None:
    phone, wang, chen, _ = await prepared(city)
    first = await issued(city.making, chen)
    for month in range(1, 11):
        async with city.database.write() as session:
            for day in range(1, 6):
                request = Request(CERTIFICATE.kind, "en", remarks=f"{month}-{day}")
                await certificates.issue(city.making.work(session, wang), chen.id, request)
    async with desk_of(city, phone) as desk:
        newest = await desk.open("/certificates")
        assert newest.words.count("ZS-SHIQI-2026-") == 50 and first.number not in newest.words
        assert first.number in (await desk.open("/certificates?page=2")).words
        found = await desk.open("/certificates?q=000001")
        assert re.findall(r"ZS-SHIQI-2026-\d+", found.words) == [first.number]
        assert "没有找到" in (await desk.open("/certificates?q=%25")).words


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_pages_are_fit_for_a_phone_and_a_screen_reader(city: City) -> None:
    phone, _, chen, _ = await prepared(city)
    first = await issued(city.making, chen)
    async with screen_of(city, phone, f"/volunteers/{chen.id}/certificates") as page:
        await page.get_by_label("备注").fill("入党材料")
        await page.get_by_role("button", name="确认出具").click()
        await page.get_by_text("已出具").wait_for()
        await page.get_by_role("link", name="证明登记簿").click()
        await page.get_by_role("heading", name="证明登记簿").wait_for()
        for path in (
            "certificates",
            f"certificates/{first.id}",
            f"volunteers/{chen.id}/certificates",
        ):
            await page.goto(page.url.split("/console")[0] + f"/console/{path}")
            for size in (DESKTOP, PHONE):
                await page.set_viewport_size({"width": size[0], "height": size[1]})
                assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
            assert await barriers(page) == []
