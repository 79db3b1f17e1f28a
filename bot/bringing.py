"""Importing from the command line: the file, the steps and the rights are those of the console."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot import schema
from bot.settings import Settings
from models import Database, Import, ImportKind, ImportState, Organisation, Person
from services import columns, importing, imports
from services.errors import Refusal
from services.people import by_number
from services.words import SOURCE_LANGUAGE, Words
from services.work import Work

Progress = Callable[[int, int], None]


class BringError(Exception):
    """The file can't be imported; the text says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be imported, for which organisation (its code), in whose name (their number)."""

    file: Path
    kind: ImportKind
    organisation: str
    number: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Brought:
    import_id: int
    state: ImportState
    columns: list[str]
    counts: dict[str, int]
    faults: list[str]
    """The first of them, a line each."""


class Bringing:
    def __init__(self, settings: Settings, database: Database, order: Order) -> None:
        self.settings = settings
        self.database = database
        self.order = order
        self.words = Words(settings.policy)

    def _work(self, session: Any, actor: Person | None = None) -> Work:
        return Work(session, datetime.now(UTC), self.settings.policy, actor)

    async def run(self, progress: Progress) -> Brought:
        """Raises BringError."""
        try:
            actor, import_id = await self._send()
            await self._settle(import_id, progress)
            found = await self._look(import_id)
            async with self.database.write() as session:
                await imports.check(self._work(session, actor), import_id, found.mapping, {})
            await self._settle(import_id, progress)
            if not self.order.dry_run:
                async with self.database.write() as session:
                    await imports.go(self._work(session, actor), import_id)
                await self._settle(import_id, progress)
            return await self._brought(actor, import_id)
        except Refusal as refusal:
            said = self.words.plain(refusal.template, SOURCE_LANGUAGE, **refusal.parameters)
            raise BringError(said) from None

    async def _send(self) -> tuple[Person, int]:
        content = self.order.file.read_bytes()
        async with self.database.write() as session:
            actor = await by_number(self._work(session), self.order.number)
            if actor is None:
                raise BringError(f"nobody is registered with the number {self.order.number}")
            code = Organisation.code == self.order.organisation
            where = await session.scalar(select(Organisation.id).where(code))
            if where is None:
                raise BringError(f"there is no organisation {self.order.organisation}")
            work = self._work(session, actor)
            found = await imports.begin(work, self.order.kind, where, self.order.file.name)
            for number, at in enumerate(range(0, len(content), imports.PIECE)):
                await imports.add_piece(work, found.id, number, content[at : at + imports.PIECE])
            await imports.sent(work, found.id)
            return actor, found.id

    async def _settle(self, import_id: int, progress: Progress) -> None:
        """A running bot may do part of it: whoever comes first does a portion, and only once.

        Raises Refusal for a file that can't be read or applied.
        """
        while (found := await self._look(import_id)).state in importing.ACTIVE:
            progress(found.position, found.portions)
            async with self.database.read() as session:
                step = await importing.prepare(self._work(session))

            async def advance(session: Any, step: Any = step) -> int:
                return await importing.advance(self._work(session), step)

            await self.database.transact(advance)
        if found.refusal is not None:
            raise Refusal(found.refusal)

    async def _look(self, import_id: int) -> Import:
        async with self.database.read() as session:
            return await session.get_one(Import, import_id)

    async def _brought(self, actor: Person, import_id: int) -> Brought:
        async with self.database.read() as session:
            work = self._work(session, actor)
            found = await imports.seen(work, import_id)
            wrong, _ = await imports.wrong_rows(work, import_id)
            faults = [
                f"line {row.line}: {self._column(found, fault)}{self._said(fault)}"
                for row in wrong
                for fault in row.faults
            ]
            return Brought(import_id, found.state, found.mapping, found.counts, faults)

    def _column(self, found: Import, fault: columns.Fault) -> str:
        cells = (found.head or {}).get("cells", [])
        return f"{cells[fault.column]}: " if fault.column is not None and cells else ""

    def _said(self, fault: columns.Fault) -> str:
        return self.words.plain(
            "imports/fault", SOURCE_LANGUAGE, code=fault.code, **fault.parameters
        )


async def bring(settings: Settings, order: Order, progress: Progress) -> Brought:
    """Raises BringError or DatabaseUnreachableError."""
    async with schema.opened(settings.database.url) as database:
        if not await schema.is_current(database):
            raise BringError(f"the tables are out of date; `{schema.COMMAND}` upgrades them")
        return await Bringing(settings, database, order).run(progress)
