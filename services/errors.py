"""What people can meet instead of what they asked for. Each has a template of the same name.

Anything else that is raised is a bug: it is logged, and the person is told that it was our fault.
"""

from typing import Any


class Refusal(Exception):
    """A rule says no. `parameters` fill the template `errors/<code>`."""

    def __init__(self, code: str, **parameters: Any) -> None:
        super().__init__(code)
        self.code = code
        self.parameters = parameters

    @property
    def template(self) -> str:
        return f"errors/{self.code}"


class Counted(Refusal):
    """A refusal of a try that is counted: what was changed before it stays."""


class NotAllowed(Refusal):
    """The actor holds no role that permits this."""

    def __init__(self) -> None:
        super().__init__("not_allowed")


class Gone(Refusal):
    """The thing does not exist (any more), or the button that led here is out of date."""

    def __init__(self) -> None:
        super().__init__("gone")
