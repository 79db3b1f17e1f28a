"""A coordinator says whom they mean, sees how many that are, and keeps it under a name."""

from models import Database
from services import audiences
from services.audiences import Audience
from tests.making import Making


async def test_smoke(making: Making, database: Database) -> None:
    wang = await making.coordinator("王强")
    async with database.read() as session:
        work = making.work(session, wang)
        everything = Audience(
            skills=(1, 2),
            qualifications=(1,),
            interests=(1,),
            age_from=18,
            age_to=60,
            languages=(1,),
            written="zh_Hans",
            active_within_days=30,
            stars_from=1,
            experience="attended",
            near=audiences.Near(latitude=22.5, longitude=113.3, metres=5000),
        )
        assert (await audiences.count(work, everything, "newsletter")).total == 0
        assert (
            await audiences.sample(work, everything.model_copy(update={"skills_all": True})) == []
        )
