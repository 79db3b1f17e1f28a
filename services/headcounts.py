"""The tree of organisations as whoever looks after it sees it: how many volunteers and staff."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy import func, select

from models import Organisation, Person, Role, RoleKind, Standing
from services import access, finding, organisations
from services.access import Right
from services.errors import NotAllowed
from services.work import Work

STAFF = tuple(kind for kind in RoleKind if kind is not RoleKind.CORE_VOLUNTEER)
"""Roles in which somebody is responsible for others."""
MOST_FOUND = 100


@dataclass(slots=True)
class Node:
    """An organisation with what stands below it; the numbers are of the whole subtree."""

    organisation: Organisation
    above: "Node | None" = None
    volunteers: int = 0
    below: list["Node"] = field(default_factory=list)
    people: set[int] = field(default_factory=set)
    """Keys of those who hold a role of `STAFF`."""

    @property
    def staff(self) -> int:
        return len(self.people)

    @property
    def way(self) -> list[Organisation]:
        """From the top that is seen down to the one right above it."""
        return [*self.above.way, self.above.organisation] if self.above else []

    def walk(self) -> Iterator["Node"]:
        """Itself and all below it."""
        yield self
        for node in self.below:
            yield from node.walk()


async def trees(work: Work) -> list[Node]:
    """The subtrees whose volunteers the actor may see, each by its top. Raises NotAllowed."""
    members = await access.subtrees_with(work, Right.SEE_VOLUNTEERS, closed=True)
    if not members:
        raise NotAllowed
    return await _grown(work, members)


async def tree_of(work: Work, organisation: Organisation) -> Node:
    """The subtree of one; whoever asks has been checked."""
    below = select(Organisation).where(organisations.within(organisation.path))
    (node,) = await _grown(work, list(await work.session.scalars(below)))
    return node


def found(tops: Sequence[Node], typed: str) -> list[Node]:
    """Those whose name, place or pinyin fits, the best first; not more than `MOST_FOUND`."""
    scored = [
        (score, node)
        for top in tops
        for node in top.walk()
        if (score := finding.score(_key(node.organisation), typed)) is not None
    ]
    scored.sort(key=lambda pair: pair[0])
    return [node for _, node in scored[:MOST_FOUND]]


async def _grown(work: Work, members: Sequence[Organisation]) -> list[Node]:
    nodes = {one.id: Node(one) for one in members}
    for key, count in await _volunteers(work, nodes):
        nodes[key].volunteers = count
    for key, person_id in await _staff(work, nodes):
        nodes[key].people.add(person_id)
    tops = []
    for node in sorted(nodes.values(), key=_deepest_first):
        parent = nodes.get(node.organisation.parent_id or 0)
        if parent is None:
            tops.append(node)
        else:
            node.above = parent
            parent.below.append(node)
            parent.volunteers += node.volunteers
            parent.people |= node.people
    return sorted(tops, key=lambda node: node.organisation.path)


def _deepest_first(node: Node) -> tuple[int, int]:
    return -node.organisation.path.count("."), node.organisation.id


async def _volunteers(work: Work, nodes: dict[int, Node]) -> list[tuple[int, int]]:
    counted = (
        select(Person.organisation_id, func.count())
        .where(Person.standing == Standing.ACTIVE)
        .group_by(Person.organisation_id)
    )
    if all(node.organisation.parent_id is not None for node in nodes.values()):
        counted = counted.where(Person.organisation_id.in_(list(nodes)))
    return [(key, count) for key, count in await work.session.execute(counted)]


async def _staff(work: Work, nodes: dict[int, Node]) -> list[tuple[int, int]]:
    held = (
        select(Role.organisation_id, Role.person_id)
        .where(Role.kind.in_(STAFF), Role.organisation_id.in_(list(nodes)))
        .distinct()
    )
    return [(key, person_id) for key, person_id in await work.session.execute(held)]


def _key(organisation: Organisation) -> str:
    return _search_key(tuple(organisation.names.items()), tuple((organisation.place or {}).items()))


@lru_cache(maxsize=8192)
def _search_key(names: tuple[tuple[str, str], ...], place: tuple[tuple[str, str], ...]) -> str:
    """Pinyin takes longer than everything else of a search; names hardly ever change."""
    of_place = {f"place-{language}": name for language, name in place}
    return finding.search_key({**dict(names), **of_place})
