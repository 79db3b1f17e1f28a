"""Anyone verifies a paper by its code: genuine or not, what it says, and no more of the holder."""

import re
from html import unescape
from typing import Any

import aiohttp
import pytest

from models import Certificate, Person, RevocationReason
from services import certificates, hours, verifying
from tests.browser import DESKTOP, PHONE, blank, browser, visit
from tests.certified import ID_NUMBER, act, issued, served
from tests.city import City
from web.verify import LOOKS

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
"""What the page asks of the database is tested on both where certificates are."""


class Papers:
    """Chen's certificate, which Wang's town has issued."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.wang: Person
        self.chen: Person
        self.certificate: Certificate
        self.attendance: int

    async def prepare(self) -> "Papers":
        making = self.city.making
        self.wang = await making.coordinator("王强")
        self.chen = await making.volunteer("陈晓丽", id_number=ID_NUMBER)
        self.attendance = await served(making, self.wang, self.chen, 170)
        self.certificate = await issued(making, self.chen)
        return self

    @property
    def path(self) -> str:
        return f"/verify/{self.certificate.code}"

    async def act(self, verb: Any, *given: Any) -> Any:
        return await act(self.city.making, self.wang, verb, *given)

    async def correct(self) -> None:
        await self.act(hours.correct, self.attendance, 90, "早退")


@pytest.fixture
async def papers(city: City) -> Papers:
    return await Papers(city).prepare()


async def said(web: aiohttp.ClientSession, path: str, **more: Any) -> tuple[int, str]:
    """The status of a page and its words."""
    async with web.get(path, **more) as answer:
        text = await answer.text()
        return answer.status, re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text)))


async def test_a_paper_is_genuine_then_corrected_then_revoked(papers: Papers) -> None:
    base = f"http://127.0.0.1:{papers.city.program.web_port}"
    async with browser() as running, blank(running) as page:
        async with visit(page, f"{base}/verify", PHONE):
            typed = verifying.grouped(papers.certificate.code or "").lower().replace("-", " ")
            await page.get_by_label("二维码下方的核验码").fill(typed)
            await page.get_by_role("button", name="核验").click()
            await page.get_by_role("heading", name="真实有效").wait_for()
            assert await page.get_by_text("陈*丽").count() == 1
            assert await page.get_by_role("note").count() == 0
        await papers.correct()
        async with visit(page, base + papers.path):
            await page.get_by_role("heading", name="真实有效").wait_for()
            assert "现为 1.5 小时（1小时30分）" in await page.get_by_role("note").inner_text()
            grounds = set()
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                for size in (DESKTOP, PHONE):
                    await page.set_viewport_size({"width": size[0], "height": size[1]})
                    wide = await page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= size[0]
                ground = "getComputedStyle(document.body).backgroundColor"
                grounds.add(await page.evaluate(ground))
            assert len(grounds) == 2
        await papers.act(
            certificates.revoke, papers.certificate.id, RevocationReason.MISUSE, "被冒用"
        )
        async with visit(page, base + papers.path):
            await page.get_by_role("heading", name="已撤销").wait_for()
            verdict = await page.get_by_role("status").inner_text()
            assert "2026年11月23日" in verdict and "被不当使用" in verdict
            assert "被冒用" not in await page.content()


async def test_the_holder_is_masked_and_the_page_is_kept_out_of_searches(
    papers: Papers, web: aiohttp.ClientSession
) -> None:
    async with web.get(papers.path, headers={"Accept-Language": "en"}) as answer:
        page = await answer.text()
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for words in ("Genuine", "陈*丽", f"****{ID_NUMBER[-4:]}", "2.8 hours", "2 h 50 min"):
        assert words in page, words
    number = papers.chen.number or "?"
    for secret in ("陈晓丽", ID_NUMBER, ID_NUMBER[6:14], number, papers.chen.phone or "?", "王强"):
        assert secret not in page
    assert "<script" not in page and "style=" not in page


async def test_unknown_and_malformed_codes_are_answered_alike(
    papers: Papers, web: aiohttp.ClientSession
) -> None:
    code = papers.certificate.code or ""
    other = verifying.new_code()
    answers = set()
    for wrong in (
        other, code[:-1], code + "0", code[::-1], "x", "1", "a/b", "骨", "'%20or%201=1",
        "K" * 5000, str(papers.certificate.id), papers.certificate.number,
    ):  # fmt: skip
        status, words = await said(web, f"/verify/{wrong}")
        answers.add((status, words))
    assert len(answers) == 1
    ((status, words),) = answers
    assert status == 404 and "查无此码" in words
    assert (await said(web, "/verify?code=x"))[0] == 404
    assert len({verifying.new_code() for _ in range(100)}) == 100
    assert len(verifying.ALPHABET) ** verifying.CODE_LENGTH >= 2**100


async def test_a_code_is_read_however_it_was_typed(
    papers: Papers, web: aiohttp.ClientSession
) -> None:
    code = papers.certificate.code or ""
    slips = code.translate(str.maketrans("01", "oI"))
    for typed in (code.lower(), verifying.grouped(code), f" {slips} "):
        status, words = await said(web, "/verify", params={"code": typed})
        assert status == 200 and "真实有效" in words


async def test_asking_too_often_is_refused_by_address(
    papers: Papers, web: aiohttp.ClientSession
) -> None:
    for number in range(LOOKS.most):
        header = {"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.7"}
        assert (await said(web, "/verify/x", headers=header))[0] == 404
    here = {"X-Forwarded-For": "203.0.113.7"}
    status, words = await said(web, papers.path, headers=here)
    assert status == 429 and "请一分钟后再试" in words and "陈" not in words
    elsewhere = {"X-Forwarded-For": "203.0.113.8"}
    assert (await said(web, papers.path, headers=elsewhere))[0] == 200
    papers.city.clock.forward(seconds=61)
    assert (await said(web, papers.path, headers=here))[0] == 200
    for number in range(LOOKS.most):  # a household has billions of addresses
        header = {"X-Forwarded-For": f"2001:db8:1:2::{number:x}"}
        assert (await said(web, "/verify/x", headers=header))[0] == 404
    header = {"X-Forwarded-For": "2001:db8:1:2:ffff::1"}
    assert (await said(web, "/verify/x", headers=header))[0] == 429


async def test_a_replaced_and_an_erased_one_say_so(
    papers: Papers, web: aiohttp.ClientSession
) -> None:
    await papers.correct()
    new = await papers.act(certificates.renew, papers.certificate.id)
    status, words = await said(web, papers.path)
    assert status == 200 and "已换发" in words and "请索取新的文件" in words and "2.8 小时" in words
    assert "1.5 小时" in (await said(web, f"/verify/{new.code}"))[1]
    await act(
        papers.city.making, papers.chen, lambda work: certificates.erase(work, work.person.id)
    )
    for code in (papers.certificate.code, new.code):
        status, words = await said(web, f"/verify/{code}")
        assert status == 200 and "已无存档" in words and papers.certificate.number in words
        assert "陈" not in words and "小时" not in words
