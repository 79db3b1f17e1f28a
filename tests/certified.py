"""Volunteers with confirmed hours, and papers about them, for tests that begin where hours end."""

import io
import re
from typing import Any

from pypdf import PdfReader
from sqlalchemy import select

from models import Activity, Certificate, CertificateKind, Database, Person
from services import certificates, hours, verifying
from services.certificates import Request
from tests.attending import propose
from tests.making import Making

CERTIFICATE = Request(CertificateKind.CERTIFICATE, "zh_Hans")
RECORD = Request(CertificateKind.RECORD, "zh_Hans")
ID_NUMBER = "110105199005010028"
"""Of a woman, born on 1 May 1990; the check digit is not asked for here."""


async def act(making: Making, who: Person, verb: Any, *given: Any, **more: Any) -> Any:
    """A service call in a transaction of its own."""
    async with making.database.write() as session:
        return await verb(making.work(session, who), *given, **more)


async def served(
    making: Making,
    coordinator: Person,
    person: Person,
    minutes: int = 170,
    starts_at: str = "2026-11-21 09:00",
    activity: Activity | None = None,
    **more: Any,
) -> int:
    """Somebody served, and it was confirmed; the key of the attendance."""
    found = activity or await making.activity(coordinator, **more)
    shift = await making.shift(found, starts_at, hours=6)
    attendance_id = await propose(making, shift, person, minutes)
    await act(making, coordinator, hours.confirm, attendance_id)
    return attendance_id


async def issued(making: Making, person: Person, request: Request = CERTIFICATE) -> Certificate:
    """What a volunteer draws for themselves."""
    found: Certificate = await act(making, person, certificates.issue, person.id, request)
    return found


def words_of(pdf: bytes) -> str:
    """All text of a PDF without blanks: where lines break has no meaning."""
    reader = PdfReader(io.BytesIO(pdf))
    return re.sub(r"[\s\u2060]", "", "".join(page.extract_text() for page in reader.pages))


def fonts_of(pdf: bytes) -> dict[str, bool]:
    """Font -> whether it is embedded."""
    found = {}
    for page in PdfReader(io.BytesIO(pdf)).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            one = font.get_object()
            inner = one["/DescendantFonts"][0].get_object() if "/DescendantFonts" in one else one
            descriptor = inner["/FontDescriptor"].get_object()
            found[str(one["/BaseFont"])] = any(key.startswith("/FontFile") for key in descriptor)
    return found


async def rows(database: Database) -> list[Certificate]:
    """All certificates, the first first."""
    async with database.read() as session:
        return list(await session.scalars(select(Certificate).order_by(Certificate.id)))


async def look(making: Making, certificate: Certificate) -> dict[str, Any]:
    """What anyone learns by its code."""
    async with making.database.read() as session:
        return await verifying.look(making.work(session), certificate.code or "")
