"""Lists as spreadsheets: real dates, no formula, personal columns only with the right."""

import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from models import AuditEntry, Person
from services import sheets
from services.access import Right
from services.sheets import Column, Kind, Marked
from tests.making import Making

ZONE = ZoneInfo("Asia/Shanghai")


async def given_rows(rows: Sequence[Sequence[Any]]) -> AsyncIterator[Sequence[Any]]:
    for row in rows:
        yield row


async def read(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    content = await sheets.content(columns, given_rows(rows), zone=ZONE)
    with ZipFile(io.BytesIO(content)) as parts:
        inside = parts.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in inside and "hyperlink" not in inside
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    return [list(row) for row in sheet.iter_rows()]


async def test_days_moments_and_durations_are_what_a_spreadsheet_counts_with() -> None:
    columns = [
        Column("姓名"),
        Column("日期", Kind.DAY),
        Column("签到", Kind.MOMENT),
        Column("时长", Kind.MINUTES),
        Column("次数", Kind.NUMBER),
    ]
    at = datetime(2026, 3, 5, 1, 30, tzinfo=UTC)
    row = ("陈晓丽", date(2020, 1, 2), at, 210, 3)
    head, found, empty = await read(columns, [row, ("李", None, None, None, None)])
    assert head == ["姓名", "日期", "签到", "时长", "次数"]
    assert found[:2] == ["陈晓丽", date(2020, 1, 2)]
    assert found[2] == at.astimezone(ZONE).replace(tzinfo=None)
    assert abs(found[3] - timedelta(minutes=210)) < timedelta(seconds=1) and found[4] == 3
    assert empty == ["李", "", "", "", ""]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "http://x.cn"])
async def test_nothing_that_people_wrote_becomes_a_formula_or_a_link(start: str) -> None:
    _, (found,) = await read([Column("x")], [[start]])
    assert isinstance(found, str) and found.strip() == start.strip()


@settings(max_examples=25)
@given(st.text(max_size=50))
async def test_any_text_can_be_written(said: str) -> None:
    found = await read([Column(said), Column("x")], [[said, "end"], [Marked(said, said), "end"]])
    assert [row[1] for row in found] == ["x", "end", "end"]


async def test_personal_columns_need_the_right_and_are_noted(making: Making) -> None:
    wang = await making.coordinator("王强")
    other = await making.coordinator("何小榄", organisation="zs-xiaolan")
    columns = [Column("姓名"), Column("手机", personal=True)]
    async with making.database.write() as session:
        for actor, count in ((wang, 2), (other, 1)):
            work = making.work(session, actor)
            where = wang.organisation_id
            found = await sheets.permitted(work, columns, Right.SEE_VOLUNTEERS, where, "volunteers")
            assert len(found) == count
    async with making.database.read() as session:
        noted = await session.scalars(select(AuditEntry.actor_id))
        assert noted.all() == [wang.id]
        names = sheets.rows_of(making.work(session), select(Person.name).order_by(Person.id))
        assert [row[0] async for row in names] == ["王强", "何小榄"]
