"""`muster` as a process of its own: what one types into a terminal, and what comes back."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NoReturn

from tests.logged import searched

processes = get_context("forkserver")
# Each command is forked off a process that has imported all it takes, which costs two seconds.
processes.set_forkserver_preload(
    [
        "bot.doctoring",
        "bot.backups",
        "bot.program",
        "tests.lone_sender",
    ]
)
numbers = count(1)


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


class Command:
    """A command under way; what it prints goes into two files."""

    def __init__(self, words: tuple[str, ...], folder: Path, variables: Mapping[str, str]) -> None:
        number = next(numbers)
        self._out, self._err = (folder / f"{name}-{number}.txt" for name in ("out", "err"))
        self._process: Any = processes.Process(
            target=_become, args=(words, folder, variables, self._out, self._err), daemon=True
        )
        self._process.start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        os.kill(self._process.pid, how)

    async def ended(self) -> Done:
        await asyncio.to_thread(self._process.join)
        out, err = (path.read_text(encoding="utf-8") for path in (self._out, self._err))
        searched.look_through(err)
        return Done(self._process.exitcode, out, err)


def _become(
    words: tuple[str, ...], folder: Path, variables: Mapping[str, str], out: Path, err: Path
) -> NoReturn:
    """Turns this process into the command."""
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["muster", *words]
    from bot.cli import main  # only now: it looks at where it prints to

    main()
    raise AssertionError("a command ends by exiting")


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
        return await self.begin(*words, path=path, **variables).ended()

    def begin(self, *words: str, path: str | None = None, **variables: str) -> Command:
        return Command(words, self.folder, self.environment(path, **variables))

    def environment(self, path: str | None = None, **variables: str) -> dict[str, str]:
        own = {f"MUSTER_{name}": value for name, value in (self.variables | variables).items()}
        given = {name: value for name, value in os.environ.items() if name[:7] != "MUSTER_"}
        if path is not None:
            own["PATH"] = path
        return given | own
