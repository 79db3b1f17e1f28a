"""Certificates in the chat: asked for by presses, sent as files, revoked, renewed, erased."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from models import (
    CertificateLine,
    CertificateScope,
    CertificateState,
    Organisation,
    Person,
    RevocationReason,
    RoleKind,
)
from playground.phone import labels
from services import certificates, hours, verifying
from services.errors import Gone
from services.verifying import Verdict
from tests.certified import ID_NUMBER, act, fonts_of, issued, look, rows, served, words_of
from tests.city import City, Phone


async def somebody(city: City, language: str = "zh_Hans") -> tuple[Phone, Person, Person]:
    """Chen's phone, Chen who served twice, and the coordinator Wang."""
    wang = await city.person(await city.coordinator("王强"))
    chen = await city.volunteer("欧阳𬱖㛃", language=language, id_number=ID_NUMBER)
    person = await city.person(chen)
    await served(city.making, wang, person, 170, "2025-12-20 09:00", title="慰问独居老人")
    await served(city.making, wang, person, 185, "2026-11-21 09:00", title="河岸植树")
    return chen, person, wang


async def paper(chen: Phone, words: str) -> bytes:
    sent = await chen.sees(words)
    assert sent.document is not None
    return sent.document.content


async def test_a_volunteer_gets_a_certificate_as_a_file_by_presses_alone(city: City) -> None:
    chen, person, _ = await somebody(city)
    async with city.database.write() as session:
        await session.execute(
            update(Organisation)
            .where(Organisation.code == "zs-shiqi")
            .values(head="李国华", contact="0760-88321234")
        )
    await chen.say("/record")
    await chen.press("证明和记录")
    await chen.press("志愿服务证明")
    await chen.press("至今全部服务")
    await chen.press("简体中文")
    preview = await chen.sees("由石岐街道志愿服务协会出具")
    assert "2 次 · 5.9 小时（5小时55分）" in preview.words
    assert ID_NUMBER not in preview.words and ID_NUMBER[-4:] in preview.words
    assert await rows(city.database) == []
    await chen.press("确认出具")
    pdf = await paper(chen, "可以打印盖章了")
    text = words_of(pdf)
    (row,) = await rows(city.database)
    for words in (
        "志愿服务证明", "欧阳𬱖㛃", ID_NUMBER, person.number or "", "5.9小时", "5小时55分",
        "慰问独居老人", "2小时50分", "河岸植树", "3小时5分", "李国华", "0760-88321234",
        "编号：ZS-SHIQI-2026-000001", "2026年11月23日", "盖章处", "备注无", "经办人",
        verifying.grouped(row.code or ""),
    ):  # fmt: skip
        assert words in text, words
    fonts = fonts_of(pdf)
    assert all(fonts.values())
    assert any("NotoSerifSC" in name for name in fonts)
    assert not any("CJK" in name for name in fonts)  # all of it in mainland forms
    assert row.number == "ZS-SHIQI-2026-000001" and row.minutes == 355


async def test_the_record_comes_in_english_for_a_typed_period(city: City) -> None:
    chen, _, _ = await somebody(city, "en")
    await chen.say("/certificate")
    await chen.press("Record of voluntary service")
    await chen.press("From a day to a day")
    await chen.say("2026-12-01")
    await chen.sees("That day has not come yet")
    await chen.say("2026-01-01")
    await chen.press("Yes")
    await chen.say("2025-01-01")
    await chen.sees("It ends before it begins")
    await chen.say("today")
    await chen.press("Yes")
    await chen.press("English")
    await chen.sees("from 1 January 2026 to 23 November 2026")
    await chen.press("Issue it")
    text = words_of(await paper(chen, "Ready to be printed"))
    for words in (
        "Page1of1",
        "河岸植树",
        "3h5min",
        "Noneonfilesofar.",
        "female",
        "1May1990",
        "王强",
    ):
        assert words in text, words
    assert "慰问独居老人" not in text
    assert (await rows(city.database))[0].scope is CertificateScope.PERIOD


async def test_one_that_was_lost_is_sent_again_the_very_same(city: City) -> None:
    chen, person, wang = await somebody(city)
    first = await issued(city.making, person)
    await chen.say("/certificate")
    await chen.press(first.number)
    await chen.press("再发一次")
    one = await paper(chen, "可以打印盖章了")
    city.clock.forward(days=30)
    await chen.press("我的证明和记录")
    await chen.press(first.number)
    await chen.press("再发一次")
    await city.answered()
    assert chen.messages[-1].document is not None
    assert chen.messages[-1].document.content == one
    await served(city.making, wang, person, 60, "2026-11-22 09:00")
    await chen.say("/certificate")
    await chen.press("再开一份")
    for label in ("志愿服务证明", "至今全部服务", "简体中文", "确认出具"):
        await chen.press(label)
    await chen.sees("ZS-SHIQI-2026-000002")


async def test_corrected_hours_are_said_and_the_number_is_renewed(city: City) -> None:
    chen, person, wang = await somebody(city)
    first = await issued(city.making, person)
    async with city.database.read() as session:
        line = (await session.scalars(select(CertificateLine.attendance_id))).all()[0]
    await act(city.making, wang, hours.correct, line, 100, "早退")
    await chen.say("/certificate")
    await chen.sees("时长后有更正")
    await chen.press(first.number)
    await chen.sees("现为 4.8 小时")
    await chen.press("按最新记录换发")
    text = words_of(await paper(chen, "可以打印盖章了"))
    assert "4小时45分" in text and "第2版" in text and first.number in text
    old, new = await rows(city.database)
    assert (old.state, new.state, new.number) == (
        CertificateState.REPLACED,
        CertificateState.ISSUED,
        old.number,
    )
    assert old.content is not None and old.content["minutes"] == 355
    found = await look(city.making, old)
    assert found["verdict"] == Verdict.REPLACED and found["newer_at"] is not None
    assert (await look(city.making, new))["verdict"] == Verdict.GENUINE


async def test_who_has_no_hours_yet_is_told_so(city: City) -> None:
    chen = await city.volunteer("陈晓丽")
    await chen.say("/certificate")
    for label in ("志愿服务证明", "今年", "English", "确认出具"):
        await chen.press(label)
    await chen.sees("还没有已确认的时长")
    assert await rows(city.database) == []
    await chen.press("✏️ 类别")
    await chen.press("志愿服务记录")
    await chen.press("确认出具")
    assert "Noneonfilesofar." in words_of(await paper(chen, "可以打印盖章了"))


@pytest.mark.parametrize("language", ["zh_Hans", "en"])
async def test_a_revoked_one_is_told_with_the_reason_in_ones_language(
    city: City, language: str
) -> None:
    chen, person, wang = await somebody(city, language)
    first = await issued(city.making, person)
    await act(city.making, wang, certificates.revoke, first.id, RevocationReason.HOURS, "名单 有误")
    await city.settle()
    told = await chen.sees("名单 有误")
    assert first.number in told.words
    assert ("已撤销" if language == "zh_Hans" else "revoked") in told.words
    await chen.press("📜")
    await chen.press(first.number)
    shown = await chen.sees("⛔️")
    assert not any("📄" in label for label in labels(shown))
    await chen.press_data(f"certificate.again:{first.id}", shown.id)
    await city.answered()
    assert not any(message.document for message in chen.messages)


async def test_an_administrator_says_who_heads_the_body(city: City) -> None:
    he = await city.coordinator("何会长", organisation="zs", role=RoleKind.ADMINISTRATOR)
    await he.say("/roles")
    await he.press("负责人和联系方式")
    await he.sees("未登记")
    await he.press("修改")
    await he.say("李国华")
    await he.say("0760-88321234  石岐太平路1号")
    await he.sees("0760-88321234 石岐太平路1号")
    wang = await city.coordinator("王强")
    key = (await city.person(he)).organisation_id
    await wang.say("/desk")
    screen = await wang.sees("工作台")
    for action in ("body", "body.describe"):
        assert (await wang.press_data(f"{action}:{key}", screen.id)).alert


# The star


async def test_a_new_star_is_told_with_its_hours_and_shown_as_a_badge(city: City) -> None:
    city.policy = city.policy.model_copy(update={"star_hours": (3, 5)})
    await city.start_again()
    wang = await city.coordinator("王强")
    chen = await city.volunteer("陈晓丽")
    coordinator, person = await city.person(wang), await city.person(chen)
    policy = city.making.work
    city.making.work = lambda session, actor=None: replace(  # type: ignore[method-assign]
        policy(session, actor), policy=city.policy
    )
    await served(city.making, coordinator, person, 170, "2026-11-20 09:00", title="第一次")
    await city.catch_up()
    assert "新的一星" not in (await chen.sees("第一次")).words
    await served(city.making, coordinator, person, 15, "2026-11-21 09:00", title="第二次")
    await city.settle()
    assert "你的时长已达到1星级标准" in (await chen.sees("第二次")).words
    await chen.press("星级徽章")
    badge = await chen.wait(lambda m: m.photo is not None)
    assert "⭐" in badge.words
    await served(city.making, coordinator, person, 30, "2026-11-22 09:00", title="第三次")
    await city.catch_up()
    assert "新的一星" not in (await chen.sees("第三次")).words
    await chen.say("/record")
    await chen.press("星级徽章")


async def test_erasing_ones_data_takes_the_content_and_leaves_the_number(city: City) -> None:
    chen, person, wang = await somebody(city)
    first = await issued(city.making, person)
    await chen.say("/mydata")
    message = await chen.wait(lambda m: m.document is not None)
    assert message.document is not None
    held = json.loads(message.document.content)["certificates"]
    assert held[0]["number"] == first.number and held[0]["content"]["minutes"] == 355
    await chen.say("/forget")
    await chen.press("确定删除")
    await chen.say("删除")
    await chen.sees("已全部删除")
    (row,) = await rows(city.database)
    assert (row.content, row.code, row.number) == (None, None, first.number)
    assert await look(city.making, first) == {
        "verdict": Verdict.ERASED.value,
        "erased_at": city.clock(),
        "number": first.number,
        "body": held[0]["content"]["body"]["names"],
    }
    for verb in (certificates.again, certificates.renew):
        with pytest.raises(Gone):
            await act(city.making, wang, verb, first.id)
    (entry,) = (await act(city.making, wang, certificates.register)).rows
    assert entry.name == ""
