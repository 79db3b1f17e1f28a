"""Tables out of files that people send: .xlsx and .csv, read in a process apart.

Nothing that a file says reaches the event loop but as packed portions of rows.
"""

import asyncio
import json
import sys
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.sealed import keyring, unseal
from services.errors import Refusal

PORTION = 250
"""Rows that are checked or applied at a time."""
READER = Path(__file__).parent / "rows_apart.py"
MEGABYTE = 1 << 20
MEMORY = 2048 * MEGABYTE
"""That reading may take, as addresses; more of it is a bomb."""
UNPACKED = 1024 * MEGABYTE
SECONDS = 120
"""Of a processor."""

Row = tuple[int, list[str]]
"""The line in the file, and its cells as text."""


@dataclass(frozen=True, slots=True)
class Read:
    """All rows, in sealed portions of `PORTION`."""

    rows: int
    portions: list[bytes]


async def read(content: bytes, most_rows: int) -> Read:
    """Raises Refusal("import_<why>") for what is no table, or too much of one."""
    limits = {
        "rows": most_rows,
        "portion": PORTION,
        "memory": MEMORY,
        "unpacked": UNPACKED,
        "seconds": SECONDS,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(READER), json.dumps(limits),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    feeding = asyncio.create_task(_feed(process, content))
    try:
        portions = [seal(frame) async for frame in _frames(process)]
        ended = json.loads(await _rest(process))
    except (asyncio.IncompleteReadError, ValueError):
        raise Refusal("import_bomb") from None
    finally:
        if process.returncode is None:
            process.kill()
        await feeding
        await process.wait()
    if "refusal" in ended:
        raise Refusal(f"import_{ended['refusal']}")
    return Read(ended["rows"], portions)


async def _feed(process: asyncio.subprocess.Process, content: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - it was asked for
    try:
        process.stdin.write(content)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # it ended early; what it said tells why


async def _frames(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    while length := int.from_bytes(await process.stdout.readexactly(4)):
        yield await process.stdout.readexactly(length)


async def _rest(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    return await process.stdout.read()


# What is kept of them


def seal(packed: bytes) -> bytes:
    return keyring().seal(packed)


def rows_of(portion: bytes) -> list[Row]:
    """Opens a sealed portion; takes milliseconds."""
    return [(line, cells) for line, cells in unpacked(portion)]


def packed(content: Any) -> bytes:
    """JSON, compressed and sealed."""
    return seal(zlib.compress(json.dumps(content, ensure_ascii=False).encode(), 3))


def unpacked(content: bytes | None) -> Any:
    return json.loads(zlib.decompress(unseal(content))) if content else []


def opened(sealed: bytes) -> bytes:
    return unseal(sealed)
