"""Certificates and records on paper: pages, fonts, code; whatever they hold."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from pypdf import PdfReader

from models import (
    Certificate,
    CertificateKind,
)
from playground.pictures import read_qr
from services import printing, typesetting, verifying
from services.words import Words
from tests.certified import ID_NUMBER, fonts_of, words_of

ADDRESS = "https://muster.example"


def content(rows: int, **person: Any) -> dict[str, Any]:
    """What a certificate with so many activities holds."""
    field = {"zh_Hans": "关爱他人", "en": "Caring for others"}
    town = {"zh_Hans": "石岐街道志愿服务协会", "en": "Shiqi Association"}
    one = {
        "title": "骨直角边关化 #let <b>", "post": "", "field": field, "top": field,
        "starts_at": "2026-11-21T01:00:00+00:00", "ends_at": "2026-11-21T04:00:00+00:00",
        "place": "岐江公园", "organisation": town, "minutes": 61, "responsible": "王强",
        "recorder": "王强", "recipients": "", "evaluation": "",
    }  # fmt: skip
    return {
        "person": {
            "name": "䶮堃㛃", "sex": "", "birth_date": None, "id_kind": "", "id_number": "",
            "number": "ZS1", "phone": "", "area": [town], "organisation": town, "since": None,
            "skills": [], "fields": [], "stars": 2, **person,
        },
        "body": {"names": town, "head": "", "contact": ""}, "officer": "",
        "about": {"from_day": None, "until_day": None, "field": None, "activity": None},
        "minutes": rows * 61, "times": rows,
        "fields": [{"names": field, "minutes": rows * 61, "times": rows}] if rows else [],
        "service": [one] * rows, "training": [], "recognition": [], "evaluation": [],
        "remarks": "", "award": {"star": 3, "name": "", "year": 0, "body": town},
    }  # fmt: skip


@pytest.mark.parametrize("language", ["zh_Hans", "en"])
@pytest.mark.parametrize("kind", list(CertificateKind))
@pytest.mark.parametrize("count", [0, 9, 60])
def test_paper_holds_whatever_there_is(
    words: Words, kind: CertificateKind, language: str, count: int
) -> None:
    pdf = printed(words, kind, content(count), language)
    text = words_of(pdf)
    assert "䶮堃㛃" in text and "ZS-2026-000001" in text and all(fonts_of(pdf).values())
    pages = len(PdfReader(io.BytesIO(pdf)).pages)
    if kind is CertificateKind.AWARD:
        assert (
            pages == 1
            and ("三星级志愿者" if language == "zh_Hans" else "Three-starvolunteer") in text
        )
    elif kind is CertificateKind.CERTIFICATE:
        assert pages == 1
        assert text.count("骨直角边关化#let<b>") == (count if count <= printing.LISTED else 0)
    else:
        assert text.count("骨直角边关化#let<b>") == count
        last = f"第{pages}页共{pages}页" if language == "zh_Hans" else f"Page{pages}of{pages}"
        assert last in text and pages == {0: 1, 9: 2, 60: 4}[count]


def test_chinese_is_printed_in_mainland_forms(words: Words) -> None:
    """By a font of mainland forms alone; what it lacks comes from the one for all of East Asia."""
    for kind in CertificateKind:
        pdf = printed(words, kind, content(1))
        used = {name.partition("+")[2].removesuffix("-Identity-H") for name in fonts_of(pdf)}
        assert used <= {"NotoSerifSC-Regular", "DejaVuSansMono", "DejaVuSans"}
        foreign = printed(words, kind, content(1, name="김민수"))
        assert "김민수" in words_of(foreign) and all(fonts_of(foreign).values())


def test_the_record_has_every_section_of_the_measures(words: Words) -> None:
    """Order 67, art. 5-8; what is not kept yet prints as soon as it is there."""
    whole = content(1, id_number=ID_NUMBER, id_kind="resident_id", birth_date="1990-05-01")
    empty = words_of(printed(words, CertificateKind.RECORD, whole))
    for title in (
        "个人基本信息",
        "志愿服务信息",
        "培训信息",
        "表彰奖励信息",
        "服务评价信息",
        "备注",
    ):
        assert title in empty
    assert empty.count("暂无记录") == 2 and "服务时长达到2星级标准" in empty
    whole["training"] = [
        {
            "content": {"zh_Hans": "急救"},
            "organiser": {"zh_Hans": "红十字会"},
            "day": "2026-03-05",
            "place": "礼堂",
            "minutes": 90,
        }
    ]
    whole["recognition"] = [
        {"star": None, "name": "优秀志愿者", "year": 2026, "day": "2026-12-05T01:00:00+00:00",
         "awarded_by": {"zh_Hans": "市志愿者联合会"}},
        {"star": 3, "name": "", "year": 0, "day": "2026-12-05T01:00:00+00:00",
         "awarded_by": {"zh_Hans": "市志愿者联合会"}},
    ]  # fmt: skip
    whole["evaluation"] = [{"mean": 4.8, "ratings": 12, "activities": 3}]
    full = words_of(printed(words, CertificateKind.RECORD, whole))
    for cell in (
        "红十字会",
        "1小时30分",
        "2026年度优秀志愿者",
        "三星级志愿者",
        "2026年12月5日",
        "12",
    ):
        assert cell in full
    assert "暂无记录" not in full


def printed(
    words: Words, kind: CertificateKind, said: dict[str, Any], language: str = "zh_Hans"
) -> bytes:
    certificate = Certificate(
        kind=kind, number="ZS-2026-000001", version=1, language=language, code="K" * 24,
        content=said, issued_at=datetime(2026, 11, 23, tzinfo=UTC),
    )  # fmt: skip
    return printing.pdf(certificate, printing.values(certificate, words, ADDRESS))


def test_the_code_on_paper_leads_to_the_page(words: Words) -> None:
    certificate = Certificate(
        kind=CertificateKind.CERTIFICATE, number="ZS-2026-000001", version=1, language="en",
        code=verifying.new_code(), content=content(1), issued_at=datetime(2026, 11, 23, tzinfo=UTC),
    )  # fmt: skip
    filled = printing.values(certificate, words, ADDRESS)
    assert read_qr(typesetting.png("certificates/certificate", filled)) == (
        f"{ADDRESS}/verify/{certificate.code}"
    )


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("陈晓丽", "陈*丽"),
        ("陈丽", "陈*"),
        ("欧阳娜娜", "欧**娜"),
        ("Mary Smith", "M*** S****"),
        ("", ""),
        ("买买提·艾力", "买****力"),
    ],
)
def test_a_name_keeps_its_ends(name: str, masked: str) -> None:
    assert verifying.masked_name(name) == masked
