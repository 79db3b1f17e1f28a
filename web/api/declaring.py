"""How an endpoint is declared: one function, from whose signature serving and document follow.

`call` is what it works with; `query` and `body` are pydantic models; other parameters are keys in
the path; what it returns is the answer's model.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel

from services.tokens import Scope
from services.work import Work

PREFIX = "/api/v1"
Handle = Callable[..., Awaitable[BaseModel | None]]
H = TypeVar("H", bound=Handle)
KEY = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint works with."""

    work: Work
    scopes: frozenset[str]
    path: str
    """As declared; marks of a list are good for this list only."""
    bot_username: str

    @property
    def personal(self) -> bool:
        """Whether phones and the like may be read in full."""
        return Scope.VOLUNTEERS_PERSONAL in self.scopes

    def link(self, activity_id: int) -> str:
        """Opens the activity in the bot."""
        return f"https://t.me/{self.bot_username}?start=a-{activity_id}"


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    """Below the prefix, with keys in braces."""
    scope: Scope | None
    """What a token needs; None: any token will do."""
    topic: str
    handle: Handle
    status: int
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    answer: type[BaseModel] | None
    keeps_answer: bool
    """Whether it makes something, so that an Idempotency-Key counts."""
    notes_looks: bool
    """Whether reading personal data is written down, so that it takes a writing transaction."""

    @property
    def keys(self) -> list[str]:
        return KEY.findall(self.path)

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def name(self) -> str:
        return self.handle.__name__

    @property
    def said(self) -> tuple[str, str]:
        """The first line of the docstring, and the rest."""
        summary, _, rest = inspect.cleandoc(self.handle.__doc__ or "").partition("\n")
        return summary, " ".join(rest.split())


class Declare(Protocol):
    """What `Endpoints` gives: keeps the function and its type."""

    def __call__(self, handle: H, /) -> H: ...


class Endpoints:
    """Those of one topic, as a module declares them."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.routes: list[Route] = []

    def look(self, path: str, scope: Scope | None, *, notes_looks: bool = False) -> "Declare":
        return self._declare("GET", path, scope, 200, notes_looks=notes_looks)

    def make(self, path: str, scope: Scope) -> "Declare":
        return self._declare("POST", path, scope, 201, keeps_answer=True)

    def act(self, path: str, scope: Scope) -> "Declare":
        return self._declare("POST", path, scope, 200)

    def change(self, path: str, scope: Scope) -> "Declare":
        return self._declare("PATCH", path, scope, 200)

    def remove(self, path: str, scope: Scope) -> "Declare":
        return self._declare("DELETE", path, scope, 204)

    def _declare(
        self,
        method: str,
        path: str,
        scope: Scope | None,
        status: int,
        *,
        keeps_answer: bool = False,
        notes_looks: bool = False,
    ) -> "Declare":
        def register(handle: H) -> H:
            signature = inspect.signature(handle)
            parameters = signature.parameters
            answer = signature.return_annotation
            self.routes.append(
                Route(
                    method=method,
                    path=path,
                    scope=scope,
                    topic=self.topic,
                    handle=handle,
                    status=status,
                    query=parameters["query"].annotation if "query" in parameters else None,
                    body=parameters["body"].annotation if "body" in parameters else None,
                    answer=answer,
                    keeps_answer=keeps_answer,
                    notes_looks=notes_looks,
                )
            )
            return handle

        return register
