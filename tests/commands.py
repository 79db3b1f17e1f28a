"""`muster` as a process of its own: what one types into a terminal, and what comes back."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that it complained with."""
        (line,) = self.err.splitlines()
        return line


class Muster:
    """Commands with one database; keys and all else lie in `folder`. No settings but `variables`,
    whose names are written without the MUSTER_ in front.
    """

    def __init__(self, url: str, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.key_file = folder / "muster.keys"
        self.variables = {
            "DATABASE__URL": url,
            "SECURITY__KEY_FILE": str(self.key_file),
            "WEB__PORT": "0",
            **variables,
        }

    async def __call__(self, *words: str, path: str | None = None, **variables: str) -> Done:
        """`path` is where other programs are looked for."""
        process = await self.begin(*words, path=path, **variables)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def begin(self, *words: str, path: str | None = None, **variables: str) -> Process:
        own = {f"MUSTER_{name}": value for name, value in (self.variables | variables).items()}
        given = {name: value for name, value in os.environ.items() if name[:7] != "MUSTER_"}
        if path is not None:
            own["PATH"] = path
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.cli", *words,
            cwd=self.folder, env={**given, **own}, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
