"""Projects for tests: proposals written as the services would, and what people do with them."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import select

from models import BudgetLine, Indicator, Milestone, Person, Project, ServiceField
from services import project_evaluation, project_review, projects
from services.project_review import Verdict
from services.projects import Proposal
from services.work import Work
from tests.city import City, Phone
from tests.making import Making


async def proposal(work: Work, **changed: Any) -> Proposal:
    field = await work.session.scalar(select(ServiceField.id).order_by(ServiceField.id).limit(1))
    said: dict[str, Any] = {
        "field_id": field,
        "title": "银发相伴",
        "serves": "60 位独居老人",
        "why": "老人平时没人说话。",
        "what": "每周上门陪伴一次。",
        "from_day": work.today,
        "until_day": work.today + timedelta(days=90),
        "budget": (("场地", 200_000), ("保险", 50_000)),
        "milestones": (("完成培训", date(2026, 12, 1)), ("中期检查", date(2027, 1, 15))),
        "indicators": (("探访老人", "60人", 2), ("满意度", "90%", 1)),
    }
    return Proposal(**{**said, **changed})


class Library:
    """Projects of a city, each step a transaction of its own."""

    def __init__(self, making: Making) -> None:
        self.making = making

    async def do(self, actor: Person, verb: Any, *given: Any, **more: Any) -> Any:
        async with self.making.database.write() as session:
            work = self.making.work(session, await session.get_one(Person, actor.id))
            return await verb(work, *given, **more)

    async def draft(self, leader: Person, **changed: Any) -> Project:
        async def write(work: Work) -> Project:
            said = await proposal(work, **changed)
            return await projects.draft(work, work.person.organisation_id, said)

        return await self.do(leader, write)

    async def submitted(self, leader: Person, **changed: Any) -> Project:
        project = await self.draft(leader, **changed)
        await self.do(leader, project_review.submit, project.id)
        return project

    async def approved(self, leader: Person, reviewer: Person, **changed: Any) -> Project:
        project = await self.submitted(leader, **changed)
        await self.do(reviewer, project_review.decide, project.id, Verdict.APPROVE)
        return project

    async def running(self, leader: Person, reviewer: Person, **changed: Any) -> Project:
        project = await self.approved(leader, reviewer, **changed)
        return await self.do(leader, projects.start, project.id)

    async def evaluating(self, leader: Person, reviewer: Person, **changed: Any) -> Project:
        project = await self.running(leader, reviewer, **changed)
        return await self.do(leader, project_evaluation.begin, project.id)

    async def closed(self, leader: Person, reviewer: Person, **changed: Any) -> Project:
        project = await self.evaluating(leader, reviewer, **changed)
        scores = {one.id: 5 for one in await self.indicators(project)}
        for one in (leader, reviewer):
            await self.do(one, project_evaluation.evaluate, project.id, scores, "六十位老人笑了。")
        return await self.do(reviewer, project_evaluation.close, project.id)

    async def now(self, project: Project) -> Project:
        async with self.making.database.read() as session:
            return await session.get_one(Project, project.id)

    async def lines(self, project: Project) -> list[BudgetLine]:
        return await self._rows(BudgetLine, project)

    async def milestones(self, project: Project) -> list[Milestone]:
        return await self._rows(Milestone, project)

    async def indicators(self, project: Project) -> list[Indicator]:
        return await self._rows(Indicator, project)

    async def _rows(self, table: Any, project: Project) -> list[Any]:
        async with self.making.database.read() as session:
            found = select(table).where(table.project_id == project.id).order_by(table.id)
            return list(await session.scalars(found))


async def library(city: City) -> Library:
    return Library(city.making)


async def open_project(phone: Phone, project: Project) -> None:
    """The screen of a project."""
    await phone.say(f"/start pj-{project.id}")
    await phone.sees(project.title)
