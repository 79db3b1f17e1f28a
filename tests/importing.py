"""Files brought in as a coordinator does it, step by step, without a browser."""

import csv
import io
from collections.abc import Sequence

from models import Database, Import, ImportKind, Person
from services import importing, imports
from services.imports import Wrong
from tests.making import Making

VOLUNTEERS, HOURS, ORGANISATIONS = ImportKind.VOLUNTEERS, ImportKind.HOURS, ImportKind.ORGANISATIONS


def written(*rows: Sequence[object], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """A .csv of these rows."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


class Bringing:
    """`actor` brings files into their own organisation."""

    def __init__(self, database: Database, making: Making, actor: Person) -> None:
        self.database = database
        self.making = making
        self.actor = actor

    async def step(self) -> int:
        """One portion, as the clock does it."""
        async with self.database.read() as session:
            step = await importing.prepare(self.making.work(session))
        async with self.database.write() as session:
            return await importing.advance(self.making.work(session), step)

    async def settle(self) -> None:
        while await self.step():
            pass

    async def send(self, kind: ImportKind, content: bytes, name: str = "名单.csv") -> int:
        """Sends a file and has it read."""
        async with self.database.write() as session:
            work = self.making.work(session, self.actor)
            found = await imports.begin(work, kind, self.actor.organisation_id, name)
            for number, at in enumerate(range(0, len(content), imports.PIECE)):
                piece = content[at : at + imports.PIECE]
                await imports.add_piece(work, found.id, number, piece)
            await imports.sent(work, found.id)
        await self.settle()
        return found.id

    async def look(self, import_id: int) -> Import:
        async with self.database.read() as session:
            return await session.get_one(Import, import_id)

    async def check(
        self, import_id: int, mapping: Sequence[str] | None = None, **options: object
    ) -> list[Wrong]:
        """The dry run; answers the rows at fault."""
        found = await self.look(import_id)
        async with self.database.write() as session:
            work = self.making.work(session, self.actor)
            await imports.check(work, import_id, mapping or found.mapping, options)
        await self.settle()
        return await self.wrong(import_id)

    async def wrong(self, import_id: int) -> list[Wrong]:
        async with self.database.read() as session:
            found, _ = await imports.wrong_rows(self.making.work(session, self.actor), import_id)
            return found

    async def go(self, import_id: int, *, settle: bool = True) -> None:
        async with self.database.write() as session:
            await imports.go(self.making.work(session, self.actor), import_id)
        if settle:
            await self.settle()

    async def bring(self, kind: ImportKind, content: bytes, **options: object) -> Import:
        """All of it, as its columns are proposed."""
        import_id = await self.send(kind, content)
        await self.check(import_id, **options)
        await self.go(import_id)
        return await self.look(import_id)


def codes(wrong: Sequence[Wrong]) -> list[tuple[int, list[str]]]:
    """Line and what is wrong there."""
    return [(row.line, [fault.code for fault in row.faults]) for row in wrong]
