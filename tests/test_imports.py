"""Files are brought in: columns, faults, duplicates, past hours, and going on after a restart."""

import asyncio
import io
import zipfile
from datetime import date
from pathlib import Path

import aiohttp
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import delete, func, select, update

from models import (
    Activity,
    Attendance,
    Database,
    Enrolment,
    HoursState,
    Import,
    Imported,
    ImportKey,
    ImportPiece,
    ImportPortion,
    ImportState,
    LedgerEntry,
    Means,
    Organisation,
    Person,
    Posting,
    Role,
    RoleKind,
    Shift,
    Standing,
    Trait,
)
from models.sealed import keyring
from services import (
    approvals,
    channels,
    columns,
    delivery,
    files,
    importing,
    imports,
    ledger,
    records,
    rows_apart,
    traits,
)
from services.channels import Channel, Reach
from services.claiming import code_of, grouped
from services.columns import Cells
from services.delivery import Post
from services.errors import NotAllowed, Refusal
from services.policy import Policy
from tests import browser
from tests.city import City
from tests.consoles import desk_of, screen_of
from tests.databases import ON_BOTH, ON_SQLITE
from tests.importing import HOURS, ORGANISATIONS, VOLUNTEERS, Bringing, codes, written
from tests.making import Making

pytestmark = ON_BOTH

HEAD = ("姓名", "手机号", "身份证号", "所在镇街")
CHEN = ("陈晓丽", "13912345678", "11010519491231002X", "")
OLD = "442000195001010013"
"""Of a card that is younger than its holder."""
LI = ("李大明", "13912345679", "", "")


@pytest.fixture
async def bringing(database: Database, making: Making) -> Bringing:
    return Bringing(database, making, await making.coordinator("王强"))


async def people(bringing: Bringing, *names: str) -> list[Person]:
    async with bringing.database.read() as session:
        found = select(Person).where(Person.name.in_(names)).order_by(Person.id)
        return list(await session.scalars(found))


# Reading


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_of_any_office_is_read(encoding: str, delimiter: str) -> None:
    content = written(HEAD, CHEN, ("王,五", "1", "", "x"), delimiter=delimiter, encoding=encoding)
    rows = list(rows_apart._of_text(content))
    assert [cells for _, cells in rows] == [list(HEAD), list(CHEN), ["王,五", "1", "", "x"]]


async def test_an_xlsx_is_read_with_its_dates_durations_and_numbers() -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    page = book.add_worksheet()
    page.write_row(2, 0, ["姓名", "手机", "日期", "时长", "证件号"])
    page.write_string(3, 0, "陈晓丽")
    page.write_number(3, 1, 13912345678)
    page.write_datetime(3, 2, date(2020, 1, 2), book.add_format({"num_format": "yyyy-mm-dd"}))
    page.write_number(3, 3, 3.5 / 24, book.add_format({"num_format": "[h]:mm"}))
    page.write_number(3, 4, 110105194912310021)
    book.close()
    read = await files.read(out.getvalue(), 10)
    assert files.rows_of(read.portions[0]) == [
        (3, ["姓名", "手机", "日期", "时长", "证件号"]),
        (4, ["陈晓丽", "13912345678", "2020-01-02", "3:30", "1.101052E+17"]),
    ]


def sheet(inside: str) -> bytes:
    """An .xlsx around the XML of its only sheet."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    book.add_worksheet().write(0, 0, 1)
    book.close()
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(out) as given_one,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for part in given_one.infolist():
            name = part.filename
            made.writestr(name, inside if name.endswith("sheet1.xml") else given_one.read(name))
    return bomb.getvalue()


FAR = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    "</sheetData></worksheet>"
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "import_empty"),
        (b"PK\x03\x04nothing", "import_unreadable"),
        (b"\xff\xfe\x00", "import_encoding"),
        (b"\x81\xff\x00\x30", "import_encoding"),
        (written(*[["x"]] * 11), "import_too_many_rows"),
        (sheet(FAR), "import_bomb"),
    ],
)
async def test_what_is_no_table_or_a_bomb_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        await files.read(content, 10)
    assert refused.value.code == why


async def test_a_file_that_is_too_large_is_refused_while_it_is_sent(bringing: Bringing) -> None:
    async with bringing.database.write() as session:
        work = bringing.making.work(session, bringing.actor)
        found = await imports.begin(work, VOLUNTEERS, bringing.actor.organisation_id, "x")
        found.size = Policy().import_megabytes * files.MEGABYTE
        with pytest.raises(Refusal, match="import_too_large"):
            await imports.add_piece(work, found.id, 1, b"x")


# Columns


def test_columns_are_told_by_their_headings_below_a_title_and_by_their_values() -> None:
    title, head = (1, ["石岐志愿者名册"]), (2, ["序号", "志愿者姓名", "联系电话", "备注"])
    proposed = columns.propose(VOLUNTEERS, [title, head, (3, ["1", "陈晓丽", "13912345678", ""])])
    assert proposed.line == 2 and proposed.mapping == ["", "name", "phone", ""]
    bare = columns.propose(VOLUNTEERS, [(1, [*CHEN[:3]]), (2, [*LI[:2]])])
    assert bare.line == 0 and bare.mapping == ["name", "phone", "id_number"]
    english = columns.propose(HOURS, [(1, ["Name", "Mobile", "Event", "Date", "Hours"])])
    assert english.mapping == ["name", "phone", "activity", "date", "hours"]


def test_a_mapping_must_name_each_column_once_and_none_must_be_missing() -> None:
    for mapping, why in (
        (["name"], "import_column_missing"),
        (["name", "phone", "phone"], "import_column_twice"),
        (["name", "phone", "salary"], "import_column_unknown"),
    ):
        with pytest.raises(Refusal) as refused:
            columns.checked_mapping(VOLUNTEERS, mapping)
        assert refused.value.code == why


PARSERS = (
    columns.person_name, columns.phone("CN"), columns.id_number, columns.number, columns.day,
    columns.past_day(date(2026, 1, 1)), columns.clock, columns.email, columns.hours,
    columns.minutes, columns.degrees(90), columns.organisation_kind, columns.bounded(5),
)  # fmt: skip
ANY_CELL = st.text() | st.from_regex(r"[0-9年月日:./ EeXx+-]{0,24}", fullmatch=True)


@given(ANY_CELL)
def test_no_cell_upsets_a_parser(said: str) -> None:
    for parse in PARSERS:
        cells = Cells({"it": 0}, [said])
        cells.read("it", parse)
        assert len(cells.faults) <= 1


@given(st.lists(st.lists(ANY_CELL, max_size=4), min_size=1, max_size=5))
def test_no_table_upsets_the_proposal(rows: list[list[str]]) -> None:
    for kind in (VOLUNTEERS, HOURS, ORGANISATIONS):
        found = columns.propose(kind, [(at, cells or ["x"]) for at, cells in enumerate(rows, 1)])
        assert {name for name in found.mapping if name} <= set(columns.FIELDS[kind])


@given(st.binary(max_size=200))
def test_no_file_upsets_the_reader(content: bytes) -> None:
    limits = {"unpacked": 10_000}
    try:
        for _line, cells in rows_apart._rows(content, limits):
            assert all(isinstance(cell, str) for cell in cells)
    except rows_apart.Unfit:
        pass


@pytest.mark.parametrize(
    ("said", "found"),
    [("3.5", 210), ("3", 180), ("3小时", 180), ("90分钟", 90), ("3:30", 210), ("1个半小时", 90)],
)
def test_durations_as_offices_write_them(said: str, found: int) -> None:
    assert columns.hours(said) == found


def test_a_card_may_be_younger_than_its_holder() -> None:
    """Zhongshan has had its code since 1988; who was born before has a card all the same."""
    assert columns.id_number(OLD)


# Volunteers


async def test_volunteers_are_entered_as_if_they_had_signed_up(bringing: Bringing) -> None:
    head = (*HEAD, "志愿者编号", "技能", "注册日期")
    rows = (
        (*CHEN[:3], "太平社区", "GZ-0012", "急救、护理", "2019年3月5日"),
        (*LI[:3], "", "", "", ""),
    )
    found = await bringing.bring(VOLUNTEERS, written(head, *rows))
    assert (found.state, found.counts) == (ImportState.DONE, {"new": 2})
    chen, li = await people(bringing, "陈晓丽", "李大明")
    assert chen.standing is Standing.ACTIVE and chen.number == "GZ-0012"
    assert chen.phone == "+8613912345678" and not chen.phone_verified
    assert chen.birth_date == date(1949, 12, 31) and "chenxiaoli" in chen.name_search
    assert chen.registered_at and chen.registered_at.year == 2019
    assert li.number and li.number.startswith("ZS") and li.organisation_id != chen.organisation_id
    async with bringing.database.read() as session:
        work = bringing.making.work(session)
        assert await traits.differences(work) == []
        trait = await session.get_one(Trait, chen.id)
        assert trait.skills and not trait.callable and not trait.reachable
        assert not await session.scalar(select(func.count()).select_from(Posting))
        assert not await session.scalar(select(func.count()).select_from(ImportPiece))
        assert not await session.scalar(select(func.count()).select_from(ImportPortion))


async def test_the_dry_run_says_what_is_wrong_line_by_line_and_changes_nothing(
    bringing: Bringing,
) -> None:
    rows = (
        ("陈晓丽", "139", "110105194912310021", ""),
        ("", "13912345670", "", ""),
        ("李大明", "", "", ""),
        ("何小榄", "13912345671", "", "小榄镇"),
        ("张三", "13912345672", "1.1E+17", "石岐街道"),
        LI,
        ("李小明", "13912345679", "", ""),
        (*LI[:2], "11010519491231002X", ""),
        ("李大明", "13912345679", OLD, ""),
    )
    import_id = await bringing.send(VOLUNTEERS, written(HEAD, *rows))
    assert codes(await bringing.check(import_id)) == [
        (2, ["phone", "id_number"]),
        (3, ["missing"]),
        (4, ["nothing_to_know_by"]),
        (5, ["organisation_unknown"]),
        (6, ["id_rounded"]),
        (8, ["other_name"]),
        (10, ["other_id"]),
    ]
    found = await bringing.look(import_id)
    assert found.state is ImportState.CHECKED
    assert found.counts == {"wrong": 7, "new": 1, "filled": 1}
    assert await people(bringing, "李大明") == []


async def test_the_same_people_again_are_filled_up_and_never_overwritten(
    bringing: Bringing,
) -> None:
    own = await bringing.making.volunteer("陈晓丽", phone="+8613912345678", email=None)
    async with bringing.database.write() as session:
        person = await session.get_one(Person, own.id)
        person.phone_hash = keyring().fingerprint("+8613912345678")
    head = ("姓名", "手机号", "身份证号", "出生日期", "邮箱")
    first = written(
        head, ("陈晓丽", "13912345678", "", "1990-05-02", "chen@x.cn"), (*LI[:2], "", "", "")
    )
    assert (await bringing.bring(VOLUNTEERS, first)).counts == {"filled": 1, "new": 1}
    second = written(
        head,
        ("陈晓丽", "13912345678", CHEN[2], "", "other@x.cn"),
        (*LI[:2], OLD, "", "li@x.cn"),
    )
    assert (await bringing.bring(VOLUNTEERS, second)).counts == {"known": 1, "filled": 1}
    chen, li = await people(bringing, "陈晓丽", "李大明")
    assert chen.birth_date == date(1990, 5, 1) and chen.email == "chen@x.cn"
    assert chen.id_number is None, "who said nothing of it agreed to nothing"
    assert li.id_number == OLD and li.email == "li@x.cn"
    contradiction = written(HEAD, ("李大明", "13912345678", OLD, ""))
    import_id = await bringing.send(VOLUNTEERS, contradiction)
    assert codes(await bringing.check(import_id)) == [(2, ["two_people"])]


async def test_a_number_brought_along_is_never_given_to_another(bringing: Bringing) -> None:
    async with bringing.database.read() as session:
        last = await session.scalar(select(func.max(Person.id))) or 0
    async with bringing.database.read() as session:
        next_but_one = approvals._number(bringing.making.work(session), last + 2)
    rows = written(
        ("姓名", "手机号", "编号"), ("陈晓丽", CHEN[1], next_but_one), ("李大明", LI[1], "")
    )
    await bringing.bring(VOLUNTEERS, rows)
    chen, li = await people(bringing, "陈晓丽", "李大明")
    assert chen.number == next_but_one and li.number != next_but_one and li.number


async def test_a_restart_between_two_portions_does_nothing_twice(
    bringing: Bringing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PORTION", 2)
    rows = [(f"王小{name}", f"1391234000{at}", "", "") for at, name in enumerate("一二三四五")]
    import_id = await bringing.send(VOLUNTEERS, written(HEAD, *rows, ("x", "", "", "")))
    await bringing.check(import_id)
    await bringing.go(import_id, settle=False)
    await bringing.step()
    async with bringing.database.read() as session:
        prepared = await importing.prepare(bringing.making.work(session))
    with pytest.raises(RuntimeError):  # killed within a portion: it counts for nothing
        async with bringing.database.write() as session:
            await importing.advance(bringing.making.work(session), prepared)
            raise RuntimeError
    again = Bringing(
        Database(bringing.database.url.render_as_string(False)), bringing.making, bringing.actor
    )
    await again.step()
    async with again.database.write() as session:  # and the same once more, late
        await importing.advance(again.making.work(session), prepared)
    async with again.database.write() as session:
        await imports.stop(again.making.work(session, again.actor), import_id)
    assert not await again.step()
    await again.go(import_id)
    found = await again.look(import_id)
    assert (found.state, found.counts) == (ImportState.DONE, {"new": 5, "wrong": 1})
    async with again.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Imported)) == 5
        (left,) = await session.scalars(select(ImportPortion))
        assert [row[0] for row in files.rows_of(left.content)] == [7], "only what is wrong is kept"
    await again.database.close()


async def test_nobody_imports_for_a_town_that_is_not_theirs(bringing: Bringing) -> None:
    import_id = await bringing.send(VOLUNTEERS, written(HEAD, CHEN))
    other = await bringing.making.coordinator("何小榄", organisation="zs-xiaolan")
    volunteer = await bringing.making.volunteer("梁静")
    for stranger in (other, volunteer):
        async with bringing.database.write() as session:
            work = bringing.making.work(session, stranger)
            for refused in (
                imports.begin(work, VOLUNTEERS, bringing.actor.organisation_id, "x"),
                imports.check(work, import_id, [], {}),
                imports.go(work, import_id),
                imports.stop(work, import_id),
                imports.erase(work, import_id),
                imports.wrong_rows(work, import_id),
                imports.taken_along(work, import_id),
            ):
                with pytest.raises(NotAllowed):
                    await refused
            assert await imports.listed(work) == ([], 0)
    await bringing.check(import_id)
    await bringing.go(import_id)
    elsewhere = Bringing(bringing.database, bringing.making, other)
    there = await elsewhere.send(VOLUNTEERS, written(HEAD, CHEN))
    assert codes(await elsewhere.check(there)) == [(2, ["elsewhere"])]


async def test_who_loses_the_right_imports_no_further(bringing: Bringing) -> None:
    import_id = await bringing.send(VOLUNTEERS, written(HEAD, CHEN))
    await bringing.check(import_id)
    await bringing.go(import_id, settle=False)
    async with bringing.database.write() as session:
        await session.execute(delete(Role))
    await bringing.settle()
    assert (await bringing.look(import_id)).state is ImportState.STOPPED
    assert await people(bringing, "陈晓丽") == []


async def test_what_a_check_remembered_is_dropped_by_and_by(
    bringing: Bringing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "KEYS_AT_ONCE", 1)
    import_id = await bringing.send(VOLUNTEERS, written(HEAD, CHEN, LI))
    async with bringing.database.write() as session:
        work = bringing.making.work(session, bringing.actor)
        await imports.check(work, import_id, (await bringing.look(import_id)).mapping, {})
    left = []
    while await bringing.step():
        async with bringing.database.read() as session:
            left.append(await session.scalar(select(func.count()).select_from(ImportKey)))
    assert left == [3, 3, 2, 1, 0]


async def test_an_import_that_fails_is_stopped_and_the_next_one_goes_on(
    bringing: Bringing,
) -> None:
    first = await bringing.send(VOLUNTEERS, written(HEAD, CHEN))
    await bringing.check(first)
    async with bringing.database.write() as session:
        (portion,) = await session.scalars(select(ImportPortion))
        sealed, portion.content = portion.content, b"damaged"
    await bringing.go(first, settle=False)
    assert (await bringing.bring(VOLUNTEERS, written(HEAD, LI))).counts == {"new": 1}
    found = await bringing.look(first)
    assert (found.state, found.refusal) == (ImportState.STOPPED, "import_failed")
    async with bringing.database.write() as session:
        portion = await session.get_one(ImportPortion, (first, 0))
        portion.content = sealed
    await bringing.go(first)
    found = await bringing.look(first)
    assert (found.state, found.refusal, found.counts) == (ImportState.DONE, None, {"new": 1})


async def test_a_portion_that_the_database_refuses_changes_nothing_and_stops(
    bringing: Bringing,
) -> None:
    await bringing.bring(VOLUNTEERS, written(HEAD, CHEN))
    import_id = await bringing.send(
        HOURS, written(HOURS_HEAD, ("陈晓丽", CHEN[1], "岐江清洁", "2020/3/5", "2"))
    )
    await bringing.check(import_id)
    await bringing.go(import_id, settle=False)
    async with bringing.database.read() as session:
        step = await importing.prepare(bringing.making.work(session))
    assert step
    for entry in step.entries:
        entry.minutes = -1
    async with bringing.database.write() as session:
        assert await importing.advance(bringing.making.work(session), step) == 1
    found = await bringing.look(import_id)
    assert (found.state, found.refusal) == (ImportState.STOPPED, "import_failed")
    assert (found.position, found.counts) == (0, {})
    async with bringing.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Activity)) == 0


async def test_who_looks_does_not_wait_for_who_works_on_it(bringing: Bringing) -> None:
    import_id = await bringing.send(VOLUNTEERS, written(HEAD, ("x", "", "", "")))
    await bringing.check(import_id)
    async with bringing.database.write() as working, bringing.database.read() as session:
        await imports.own(bringing.making.work(working, bringing.actor), import_id)
        work = bringing.making.work(session, bringing.actor)
        async with asyncio.timeout(10):
            assert (await imports.progress(work, import_id)).counts["wrong"] == 1
            assert (await imports.wrong_rows(work, import_id))[1] == 1
            assert [row.line async for row in imports.rows(work, import_id, only_wrong=True)] == [2]


# Organisations


@pytest.fixture
async def managing(database: Database, making: Making) -> Bringing:
    role = RoleKind.ADMINISTRATOR
    return Bringing(database, making, await making.coordinator("黄主任", role=role))


async def test_only_who_manages_organisations_imports_them(
    bringing: Bringing, managing: Bringing
) -> None:
    content = written(("名称", "类型"), ("第一小学", "学校"))
    with pytest.raises(NotAllowed):
        await bringing.send(ORGANISATIONS, content)
    import_id = await managing.send(ORGANISATIONS, content)
    await managing.check(import_id)
    with pytest.raises(NotAllowed):
        await bringing.go(import_id)
    await managing.go(import_id, settle=False)
    async with managing.database.write() as session:
        of_the_author = Role.person_id == managing.actor.id
        await session.execute(update(Role).where(of_the_author).values(kind=RoleKind.COORDINATOR))
    await managing.settle()
    found = await managing.look(import_id)
    assert (found.state, found.counts) == (ImportState.STOPPED, {})
    async with managing.database.read() as session:
        kinds = await imports.kinds(managing.making.work(session, bringing.actor))
    assert kinds == [VOLUNTEERS, HOURS]


async def test_a_town_is_founded_right_below_the_federation_only(
    database: Database, making: Making
) -> None:
    role = RoleKind.ADMINISTRATOR
    actor = await making.coordinator("黄主任", organisation="zs", role=role)
    content = written(
        ("名称", "类型", "上级"),
        ("新镇协会", "镇街协会", ""),
        ("旧镇协会", "镇街协会", "zs-shiqi"),
        ("小镇协会", "镇街协会", "新镇协会"),
        ("新镇学校", "学校", "新镇协会"),
    )
    city = Bringing(database, making, actor)
    import_id = await city.send(ORGANISATIONS, content)
    assert codes(await city.check(import_id)) == [(3, ["kind_below"]), (4, ["kind_below"])]
    await city.go(import_id)
    assert (await city.look(import_id)).counts == {"new": 2, "wrong": 2}


async def test_organisations_are_founded_below_those_further_up(managing: Bringing) -> None:
    bringing = managing
    content = written(
        ("名称", "类型", "上级", "代码", "纬度", "经度"),
        ("石岐学校联盟", "学校", "", "zs-shiqi-x", "", ""),
        ("第一小学", "学校", "石岐学校联盟", "", "22.5", "113.4"),
        ("孤岛站", "社区", "没有的组织", "", "", ""),
        ("市联合会", "联合会", "", "", "", ""),
    )
    found = await bringing.bring(ORGANISATIONS, content)
    assert found.counts == {"new": 2, "wrong": 2}
    assert codes(await bringing.wrong(found.id)) == [
        (4, ["parent_unknown"]),
        (5, ["second_federation"]),
    ]
    assert (await bringing.bring(ORGANISATIONS, content)).counts == {"known": 2, "wrong": 2}
    async with bringing.database.read() as session:
        made = await session.scalars(select(Organisation).order_by(Organisation.id.desc()).limit(2))
        school, union = made.all()
        assert school.path == f"{union.path}{school.id}." and school.parent_id == union.id
        assert union.code == "zs-shiqi-x" and union.parent_id == bringing.actor.organisation_id


# Past hours


HOURS_HEAD = ("姓名", "手机号", "活动名称", "服务日期", "服务时长(小时)")


async def test_past_hours_are_hours_like_all_others_and_say_that_they_were_imported(
    bringing: Bringing,
) -> None:
    await bringing.bring(VOLUNTEERS, written(HEAD, CHEN, LI))
    rows = (
        ("陈晓丽", CHEN[1], "岐江清洁", "2020/3/5", "3.5"),
        ("李大明", LI[1], "岐江清洁", "2020/3/5", "3.5"),
        ("陈晓丽", CHEN[1], "敬老院探访", "2020-04-01", "2"),
        ("陈晓丽", CHEN[1], "岐江清洁", "2020-03-05", "3小时30分"),
        ("没有人", "13912340000", "岐江清洁", "2020/3/5", "1"),
        ("陈晓丽", CHEN[1], "岐江清洁", "2030/3/5", "99"),
    )
    import_id = await bringing.send(HOURS, written(HOURS_HEAD, *rows))
    assert codes(await bringing.check(import_id)) == [
        (6, ["unknown_person"]),
        (7, ["date_ahead", "duration_range"]),
    ]
    await bringing.go(import_id)
    assert (await bringing.look(import_id)).counts == {"new": 3, "known": 1, "wrong": 2}
    again = await bringing.bring(HOURS, written(HOURS_HEAD, *rows))
    assert again.counts == {"known": 4, "wrong": 2}
    chen, _ = await people(bringing, "陈晓丽", "李大明")
    async with bringing.database.read() as session:
        record = await records.record_of_actor(bringing.making.work(session, chen))
        assert (record.total, record.times) == (330, 2)
        assert await traits.differences(bringing.making.work(session)) == []
        served = await session.scalars(select(Attendance))
        assert {(one.in_means, one.state) for one in served} == {
            (Means.IMPORTED, HoursState.CONFIRMED)
        }
        shift = await session.scalar(select(Shift).order_by(Shift.id).limit(1))
        assert shift and (shift.quota, shift.taken) == (2, 2)
        assert await session.scalar(select(func.count()).where(Activity.import_id.is_(None))) == 0
        assert await session.scalar(select(func.count()).select_from(LedgerEntry)) == 3
    async with bringing.database.read() as session:
        assert await ledger.verify(session) == []


async def test_two_services_alike_on_one_day_need_a_reference(bringing: Bringing) -> None:
    await bringing.bring(VOLUNTEERS, written(HEAD, CHEN))
    head = (*HOURS_HEAD, "流水号")
    row = ("陈晓丽", CHEN[1], "岐江清洁", "2020/3/5", "2")
    content = written(head, (*row, "A1"), (*row, "A2"), (*row, "A1"))
    assert (await bringing.bring(HOURS, content)).counts == {"new": 2, "known": 1}
    assert (await bringing.bring(HOURS, content)).counts == {"known": 3}
    assert (await bringing.bring(HOURS, written(head, (*row, "")))).counts == {"known": 1}
    async with bringing.database.read() as session:
        starts = await session.scalars(select(Shift.starts_at).order_by(Shift.starts_at))
        first, second = starts.all()
        assert (second - first).total_seconds() == 2 * 3600
        assert await session.scalar(select(func.count()).select_from(Enrolment)) == 2


async def begun(bringing: Bringing) -> list[str]:
    """Day and local hour of all that was served."""
    async with bringing.database.read() as session:
        work = bringing.making.work(session)
        starts = await session.scalars(
            select(Shift.starts_at).join(Enrolment).order_by(Shift.starts_at)
        )
        return [f"{one.astimezone(work.policy.zone):%d %H}" for one in starts]


@pytest.mark.parametrize("order", [1, -1])
async def test_two_services_alike_stay_where_the_file_puts_them(
    bringing: Bringing, order: int
) -> None:
    await bringing.bring(VOLUNTEERS, written(HEAD, CHEN))
    head = (*HOURS_HEAD, "流水号", "开始时间")
    row = ("陈晓丽", CHEN[1], "岐江清洁", "2020/3/5", "2")
    rows = ((*row, "A", "11:00"), (*row, "B", "09:00"), (*row, "C", ""))
    content = written(head, *rows[::order])
    assert (await bringing.bring(HOURS, content)).counts == {"new": 3}
    assert await begun(bringing) == ["05 09", "05 11", "05 13"]
    late = written(head, (*row, "D", "11:00"), (*row, "E", ""))
    import_id = await bringing.send(HOURS, late)
    assert codes(await bringing.check(import_id)) == [(2, ["begins_twice"])]
    await bringing.go(import_id)
    assert await begun(bringing) == ["05 09", "05 11", "05 13", "05 15"]


async def test_a_night_served_twice_leaves_room_for_the_next_day(bringing: Bringing) -> None:
    await bringing.bring(VOLUNTEERS, written(HEAD, CHEN))
    head = (*HOURS_HEAD, "流水号")
    row = ("陈晓丽", CHEN[1], "值夜")
    nights = [
        (*row, f"2020/3/{day}", "12", f"N{number}") for number, day in enumerate((5, 5, 5, 6))
    ]
    for night in nights:
        assert (await bringing.bring(HOURS, written(head, night))).counts == {"new": 1}
    assert await begun(bringing) == ["05 09", "05 21", "06 09", "06 21"]


async def test_nobody_imports_their_own_hours(bringing: Bringing) -> None:
    number = bringing.actor.number
    row = ("王强", number, "岐江清洁", "2020/3/5", "2")
    head = ("姓名", "编号", "活动", "日期", "小时")
    import_id = await bringing.send(HOURS, written(head, row))
    assert codes(await bringing.check(import_id)) == [(2, ["own_hours"])]


# Afterwards


async def test_imported_people_are_written_to_by_nobody(bringing: Bringing) -> None:
    await bringing.bring(VOLUNTEERS, written(HEAD, CHEN))
    (chen,) = await people(bringing, "陈晓丽")
    async with bringing.database.write() as session:
        work = bringing.making.work(session)
        await delivery.tell(work, Post("messages/muted", {"kind": "notice"}, "test"), [chen.id])
        assert await channels.look(work, [Channel("sms", Reach.PHONE)]) == []


async def test_faults_are_kept_for_some_time_and_then_erased(bringing: Bringing) -> None:
    found = await bringing.bring(VOLUNTEERS, written(HEAD, ("x", "", "", "")))
    assert len(await bringing.wrong(found.id)) == 1
    bringing.making.clock.forward(days=31)
    async with bringing.database.write() as session:
        assert await importing.tidy_up(bringing.making.work(session)) == 1
    assert await bringing.wrong(found.id) == []
    async with bringing.database.read() as session:
        assert (await session.get_one(Import, found.id)).head is None


# At a desk


async def test_numbers_that_no_database_holds_are_refused(city: City) -> None:
    wang = await city.coordinator("王强")
    bringing = Bringing(city.database, city.making, await city.person(wang))
    found = await bringing.bring(VOLUNTEERS, written(HEAD, CHEN))
    far = 10**19 - 1
    async with desk_of(city, wang) as desk:
        for path in ("/imports", f"/imports/{found.id}"):
            assert (await desk.open(f"{path}?page={far}")).status == 200
        form = aiohttp.FormData(
            {"token": desk.token, "kind": "volunteers", "organisation": str(far)}
        )
        form.add_field("file", b"x", filename="x.csv")
        async with desk.session.post("/console/imports", data=form) as answer:
            assert answer.status == 404
        at = f"/imports/{found.id}"
        assert (await desk.send(f"{at}/check", {"field": far})).status < 500
        assert (await desk.send(f"{at}/slips", {"first": far})).status == 200


@ON_SQLITE
async def test_a_coordinator_imports_at_the_console_and_gets_the_faults_back(
    city: City, tmp_path: Path
) -> None:
    wang = await city.coordinator("王强")
    path = tmp_path / "名单.csv"
    path.write_bytes(written(HEAD, CHEN, ("李大明", "139", "", ""), encoding="gb18030"))
    async with screen_of(city, wang, "/imports") as page:
        await page.set_input_files("input[type=file]", path)
        await page.get_by_role("button", name="上传文件").click()
        await page.get_by_text("正在读取文件").wait_for()
        await city.program.scheduler.run_all()
        await page.get_by_role("button", name="先检查，不改动").click()
        await city.program.scheduler.run_all()
        await page.get_by_role("heading", name="1 行有误").wait_for()
        await page.get_by_text("手机号无效，请核对数字").wait_for()
        async with page.expect_download() as fetched:
            await page.get_by_role("button", name="只要有误的行").click()
        faults = await browser.content(await fetched.value)
        await page.get_by_role("button", name="导入正确的行").click()
        await city.program.scheduler.run_all()
        await page.get_by_role("heading", name="1 人还没来认领").wait_for()
        async with page.expect_download() as printed:
            await page.get_by_role("button", name="张纸条").click()
        (paper,) = PdfReader(io.BytesIO(await browser.content(await printed.value))).pages
    async with city.database.read() as session:
        (chen,) = await session.scalars(select(Person).where(Person.name == "陈晓丽"))
    text = "".join(paper.extract_text().split())
    assert grouped(code_of(chen.id, 1)) in text and "陈晓丽" in text and str(chen.number) in text
    corrected = (await files.read(faults, 10)).portions[0]
    (_, head), (_, row) = files.rows_of(corrected)
    assert head == [*HEAD, "问题"] and row[:2] == ["李大明", "139"]
    assert row[4].startswith("手机号: 手机号无效")
    with zipfile.ZipFile(io.BytesIO(faults)) as parts:
        assert "手机号无效" in parts.read("xl/comments1.xml").decode()
