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
from tests.certified import fonts_of, words_of

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
        "remarks": "",
    }  # fmt: skip


@pytest.mark.parametrize("language", ["zh_Hans", "en"])
@pytest.mark.parametrize("kind", list(CertificateKind))
@pytest.mark.parametrize("count", [0, 9, 60])
def test_paper_holds_whatever_there_is(
    words: Words, kind: CertificateKind, language: str, count: int
) -> None:
    certificate = Certificate(
        kind=kind, number="ZS-2026-000001", version=1, language=language, code="K" * 24,
        content=content(count), issued_at=datetime(2026, 11, 23, tzinfo=UTC),
    )  # fmt: skip
    filled = printing.values(certificate, words, ADDRESS)
    pdf = printing.pdf(certificate, filled)
    text = words_of(pdf)
    assert "䶮堃㛃" in text and "ZS-2026-000001" in text and all(fonts_of(pdf).values())
    pages = len(PdfReader(io.BytesIO(pdf)).pages)
    if kind is CertificateKind.CERTIFICATE:
        assert pages == 1
        assert text.count("骨直角边关化#let<b>") == (count if count <= printing.LISTED else 0)
    else:
        assert text.count("骨直角边关化#let<b>") == count
        last = f"第{pages}页共{pages}页" if language == "zh_Hans" else f"Page{pages}of{pages}"
        assert last in text and pages == {0: 1, 9: 2, 60: 4}[count]


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
