"""Every action that a service writes to the audit log, as its source says it."""

import ast
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import models

SERVICES = Path(__file__).resolve().parent.parent / "services"


@dataclass(frozen=True, slots=True)
class Function:
    module: str
    node: ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """The services, parsed: which values an argument takes is followed through their calls."""

    def __init__(self) -> None:
        self.trees = {path.stem: ast.parse(path.read_text()) for path in SERVICES.glob("*.py")}
        self.functions = [
            Function(module, node)
            for module, tree in self.trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        self.calls: dict[str, list[tuple[Function, ast.Call]]] = {}
        for caller in self.functions:
            for call in ast.walk(caller.node):
                if isinstance(call, ast.Call):
                    self.calls.setdefault(_name(call), []).append((caller, call))

    def actions(self) -> set[str]:
        """Raises AssertionError for an action whose words can't be read off the source."""
        (note,) = (
            one for one in self.functions if (one.module, one.node.name) == ("audit", "note")
        )
        return self.given(note, "action")

    def given(self, function: Function, parameter: str) -> set[str]:
        """What a function is called with."""
        names = [argument.arg for argument in function.node.args.args]
        found: set[str] = set()
        for caller, call in self.calls.get(function.node.name, []):
            if _calls(call, caller.module, function):
                said = {word.arg: word.value for word in call.keywords}
                said |= dict(zip(names, call.args, strict=False))
                found |= self.values(said[parameter], caller)
        assert found, f"nobody calls {function.module}.{function.node.name}"
        return found

    def values(self, said: ast.expr, where: Function) -> set[str]:
        match said:
            case ast.Constant(value=str(word)):
                return {word}
            case ast.IfExp(body=one, orelse=other):
                return self.values(one, where) | self.values(other, where)
            case ast.JoinedStr(values=parts):
                choices = [sorted(self.values(part, where)) for part in parts]
                return {"".join(words) for words in itertools.product(*choices)}
            case ast.FormattedValue(value=inner) | ast.Attribute(value=inner, attr="value"):
                return self.values(inner, where)
            case ast.Attribute(value=ast.Name(id=kind), attr=member):
                return {str(getattr(getattr(models, kind), member).value)}
            case ast.Name(id=name):
                return self._named(name, where)
        raise AssertionError(f"{where.module}.{where.node.name}: {ast.unparse(said)}")

    def _named(self, name: str, where: Function) -> set[str]:
        assigned = [
            node.value
            for node in ast.walk(where.node)
            if isinstance(node, ast.Assign)
            and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
        ]
        if assigned:
            return _all(self.values(value, where) for value in assigned)
        return self.given(where, name)


def _all(sets: Iterable[set[str]]) -> set[str]:
    return set().union(*sets)


def _name(call: ast.Call) -> str:
    """The last word of what is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _calls(call: ast.Call, module: str, function: Function) -> bool:
    match call.func:
        case ast.Name(id=name):
            return module == function.module and name == function.node.name
        case ast.Attribute(value=ast.Name(id=where), attr=name):
            return (where, name) == (function.module, function.node.name)
    return False
