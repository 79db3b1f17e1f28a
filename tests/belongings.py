"""One of each thing that the console's addresses name, in the hands of one town."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta

from sqlalchemy import select

from models import (
    About,
    Activity,
    Affiliation,
    AffiliationLink,
    AffiliationState,
    Attendance,
    AwardKind,
    AwardRound,
    AwardRule,
    Callout,
    CalloutState,
    CardKind,
    CareAccess,
    CareAlert,
    Circle,
    Complaint,
    ComplaintState,
    ConsoleSession,
    Cover,
    Credit,
    Dispatch,
    DispatchState,
    Dispute,
    DisputeState,
    DrillTask,
    Emergency,
    Enclosure,
    EnclosureContent,
    EnclosureKind,
    Enrolment,
    Event,
    Excuse,
    Gravity,
    Group,
    HelpFor,
    HelpKind,
    HoursState,
    Incident,
    IncidentKind,
    IncidentState,
    Insurance,
    Insured,
    MaterialKind,
    Means,
    MemberState,
    Naming,
    Organisation,
    OrganisationKind,
    OrganisationRequest,
    Pairing,
    PairingState,
    Person,
    Plan,
    PlanState,
    Qualification,
    QualificationKind,
    QualificationState,
    Recognition,
    RecognitionState,
    RequestState,
    RequiredCourse,
    Role,
    RoundState,
    SavedFilter,
    Series,
    SeriesCard,
    StarBar,
    TeamEquipment,
    TeamMember,
    TeamPost,
    ThanksLetter,
    ThingState,
    Token,
    TreeChange,
    Visit,
    VisitState,
    VolunteerDay,
    Webhook,
    Wellbeing,
)
from models.enrolment import EnrolmentState
from models.sealed import keyring
from playground.phone import Phone
from services import (
    audiences,
    audit,
    broadcasts,
    care,
    courses,
    enclosures,
    help_requests,
    project_money,
    questions,
    recognition,
    stories,
)
from services.audiences import Audience
from services.enclosures import Voice
from services.organisations import Described
from services.project_money import Bought
from tests.attending import place
from tests.caring import described
from tests.certified import RECORD, issued
from tests.city import City
from tests.consoles import desk_of
from tests.databases import SILENT
from tests.importing import VOLUNTEERS, Bringing, written
from tests.pictures import photo
from tests.proposing import Library
from tests.schooling import online
from web.console.framework import Entry

NO_SHOW = EnrolmentState.NO_SHOW
SECRET = "欧阳石岐"
"""The name of whoever holds them: no page of others may show it."""


async def examples(city: City, phone: Phone | None = None) -> dict[str, int]:
    """One of each thing in a town, by the name that paths give its key; of whoever has the phone.

    Without one, of a coordinator of their own.
    """
    phone = phone or await city.coordinator(SECRET, organisation="zs-shiqi")
    victim = await city.person(phone)
    async with desk_of(city, phone), city.database.read() as session:
        opened = await session.scalar(
            select(ConsoleSession.id).where(ConsoleSession.person_id == victim.id)
        )
    assert opened is not None
    certificate = await issued(city.making, victim, RECORD)
    return {
        "person_id": victim.id,
        "organisation_id": victim.organisation_id,
        "session_id": opened,
        "certificate_id": certificate.id,
        "import_id": await _import(city, victim),
        **await _organisation(city, victim),
        **await _activity(city, victim),
        **await _exchange(city, victim),
        **await _handed_in(city, victim),
        **await _taught(city, victim),
        **await _said(city, victim),
        **await _culture(city, victim),
        **await _team(city, victim),
        **await _organising(city, victim),
        **await _complaint(city, victim),
        **await _care(city, victim),
        **await _protection(city, victim),
        **await _recognised(city, victim),
        **await _project(city, victim),
        **await _affiliated(city, victim),
    }


async def _project(city: City, victim: Person) -> dict[str, int]:
    """A project under way, with money spent and a receipt."""
    wang = await city.making.coordinator("评审人", organisation="zs")
    library = Library(city.making)
    project = await library.running(victim, wang, title=f"{SECRET}的项目", serves=SECRET)
    line = (await library.lines(project))[0]
    bought = Bought(100, SECRET, receipts=("x",))
    noted = await library.do(victim, project_money.spend, line.id, bought)
    async with city.database.read() as session:
        receipt = (
            await session.scalars(
                select(Enclosure.id).where(Enclosure.subject.startswith("spending:"))
            )
        ).one()
    return {
        "project_id": project.id,
        "spending_id": noted.spending.id,
        "receipt_id": receipt,
    }


async def _team(city: City, victim: Person) -> dict[str, int]:
    """A rescue team with a post, a thing, a drill that is over and what it left to mend."""
    now, home = city.clock(), victim.organisation_id or 0
    async with city.database.write() as session:
        above = await session.get_one(Organisation, home)
        team = Organisation(
            code="belongings-team", kind=OrganisationKind.RESCUE_TEAM, parent_id=home,
            names={"zh_Hans": "岐江救援队"},
        )  # fmt: skip
        session.add(team)
        await session.flush()
        team.path = f"{above.path}{team.id}."
        post = TeamPost(
            organisation_id=team.id, names={"": f"{SECRET}岗"}, key="x", wanted=1,
            qualifications=[], skills=[],
        )  # fmt: skip
        thing = TeamEquipment(
            organisation_id=team.id, names={"": f"{SECRET}艇"}, count=1, state=ThingState.OK,
            interval=30, next_check_on=now.date(),
        )  # fmt: skip
        drill = Callout(
            organisation_id=team.id, commander_id=victim.id, kind=Emergency.FLOOD, drill=True,
            state=CalloutState.ENDED, word="1234", address=f"{SECRET}码头", created_at=now,
            launched_at=now, ended_at=now, reported_at=now, latitude=22.5, longitude=113.4,
            radius=5000.0,
        )  # fmt: skip
        session.add_all((post, thing, drill))
        await session.flush()
        member = TeamMember(
            organisation_id=team.id, person_id=victim.id, post_id=post.id,
            state=MemberState.ACTIVE, invited_at=now, since=now,
        )  # fmt: skip
        task = DrillTask(
            organisation_id=team.id, callout_id=drill.id, what=f"{SECRET}要做的",
            person_id=victim.id, due_on=now.date(), noted_by_id=victim.id, noted_at=now,
        )  # fmt: skip
        session.add_all((member, task))
        await session.flush()
        return {
            "rescue_team_id": team.id, "post_id": post.id, "equipment_id": thing.id,
            "drill_id": drill.id, "task_id": task.id,
        }  # fmt: skip


async def _organising(city: City, victim: Person) -> dict[str, int]:
    """A request that waits, a plan that was submitted, a photo of an activity."""
    home, now = victim.organisation_id, city.clock()
    async with city.database.write() as session:
        school = Described(
            names={"zh_Hans": f"{SECRET}学校"}, place={}, latitude=None, longitude=None,
            approves_registrations=False, asks_id_number=False,
        )  # fmt: skip
        request = OrganisationRequest(
            change=TreeChange.FOUND, state=RequestState.OPEN, below_id=home, asked_by_id=victim.id,
            said={"kind": "school", **asdict(school)}, asked_at=now,
            words="", reason="",
        )  # fmt: skip
        plan = Plan(
            organisation_id=home, year=2026, state=PlanState.SUBMITTED, words=SECRET,
            created_at=now, submitted_at=now, submitted_by_id=victim.id,
        )  # fmt: skip
        session.add_all((request, plan))
        await session.flush()
        activity = (await session.scalars(select(Activity.id).limit(1))).one()
        work = city.making.work(session, await session.get_one(Person, victim.id))
        (sent,) = await enclosures.add(work, f"activity:{activity}", ["x"])
        content = keyring().seal(photo())
        session.add(EnclosureContent(enclosure_id=sent.id, sealed=content))
        return {"request_id": request.id, "plan_id": plan.id, "photo_id": sent.id}


async def _complaint(city: City, victim: Person) -> dict[str, int]:
    """A complaint with a photo, which its handler has just read, and an absence explained."""
    home, now = victim.organisation_id, city.clock()
    activity = await city.making.activity(victim, f"{SECRET}的另一活动")
    missed = await place(city.making, await city.making.shift(activity), victim, NO_SHOW)
    async with city.database.write() as session:
        complaint = Complaint(
            about=About.OTHER, concerned_id=home, first_id=home, organisation_id=home,
            naming=Naming.NOBODY, words=SECRET, state=ComplaintState.OPEN, raised_at=now,
            due_at=now + timedelta(days=15),
        )  # fmt: skip
        excuse = Excuse(enrolment_id=missed.id, text=SECRET, state=DisputeState.OPEN, raised_at=now)
        session.add_all((complaint, excuse))
        await session.flush()
        work = city.making.work(session, await session.get_one(Person, victim.id))
        (sent,) = await enclosures.add(work, f"complaint:{complaint.id}", ["x"])
        await enclosures.keep(work, sent.id, photo())
        audit.note(work, "complaint.seen", f"complaint:{complaint.id}", organisation_id=home)
        return {
            "complaint_id": complaint.id,
            "complaint_photo_id": sent.id,
            "excuse_id": excuse.id,
        }


async def _care(city: City, victim: Person) -> dict[str, int]:
    """A care file with a circle, a visit by voice and an open alert, and a request for help."""
    now, home = city.clock(), victim.organisation_id
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, victim.id))
        recipient = await care.open_file(work, home, described(name=SECRET))
        given = (await session.scalars(select(CareAccess))).one()
        pairing = Pairing(
            recipient_id=recipient.id, person_id=victim.id, circle=Circle.NEIGHBOUR,
            state=PairingState.ACTIVE, asked_by_id=victim.id, asked_at=now,
        )  # fmt: skip
        visit = Visit(
            recipient_id=recipient.id, planned=False, starts_at=now - timedelta(hours=1),
            ends_at=now, person_id=victim.id, state=VisitState.DONE, wellbeing=Wellbeing.WELL,
            note=SECRET, minutes=60, noted_at=now,
        )  # fmt: skip
        alert = CareAlert(
            recipient_id=recipient.id, raised_by_id=victim.id, raised_at=now, level_id=home,
            told_at=now,
        )  # fmt: skip
        session.add_all((pairing, visit, alert))
        said = help_requests.Asked(
            home, HelpKind.ERRAND, HelpFor.MYSELF, SECRET, SECRET, "now", SECRET, "+8613912345670"
        )
        request = await help_requests.take_call(work, said)
        await session.flush()
        await enclosures.add(work, care.visit_subject(visit.id), voice=Voice("x", 3))
        return {
            "recipient_id": recipient.id, "access_id": given.id, "pairing_id": pairing.id,
            "visit_id": visit.id, "care_alert_id": alert.id, "help_request_id": request.id,
        }  # fmt: skip


async def _said(city: City, victim: Person) -> dict[str, int]:
    """A draft of a message, a saved audience and a call-out that runs."""
    home = victim.organisation_id or 0
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, victim.id))
        draft = await broadcasts.draft(work, home, "notice", f"{SECRET}的通知")
        kept = await audiences.save(work, home, f"{SECRET}的对象", Audience())
        callout = Callout(
            organisation_id=home, commander_id=victim.id, kind=Emergency.FLOOD, drill=False,
            state=CalloutState.ACTIVE, word="1234", address=f"{SECRET}广场", created_at=work.now,
            launched_at=work.now, latitude=22.5, longitude=113.4, radius=5000.0,
        )  # fmt: skip
        session.add(callout)
        await session.flush()
        return {"broadcast_id": draft.id, "audience_id": kept.id, "callout_id": callout.id}


async def _culture(city: City, victim: Person) -> dict[str, int]:
    """Their neighbour's story with a photo, a series with a card, a day that the town keeps."""
    home = victim.organisation_id or 0
    author = await city.making.volunteer(SECRET)
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, author.id))
        told = stories.Told(
            f"{SECRET}的故事",
            f"{SECRET}做了一件小小的好事，大家都记得。" * 2,
            Credit.NAME,
            ["x"],
        )
        story = await stories.submit(work, told)
        (sent,) = await enclosures.of(work, stories.subject(story.id))
        await enclosures.keep(work, sent.id, photo())
        made = Series(organisation_id=home, names={"zh_Hans": f"{SECRET}的系列"}, about={})
        day = VolunteerDay(
            organisation_id=home,
            month=3,
            day=6,
            names={"zh_Hans": f"{SECRET}的节日"},
            reminded_year=SILENT,
        )
        session.add_all((made, day))
        await session.flush()
        texts = {"zh_Hans": {"title": SECRET, "text": SECRET}}
        card = SeriesCard(series_id=made.id, position=1, kind=CardKind.CARD, texts=texts)
        session.add(card)
        await session.flush()
        return {
            "story_id": story.id,
            "story_photo_id": sent.id,
            "series_id": made.id,
            "card_id": card.id,
            "day_id": day.id,
        }


async def _protection(city: City, victim: Person) -> dict[str, int]:
    """A policy with them on its list, and an incident that they reported."""
    home, now = victim.organisation_id or 0, city.clock()
    shift = await city.making.shift(await city.making.activity(victim, f"{SECRET}的抢险"))
    async with city.database.write() as session:
        policy = Insurance(
            organisation_id=home, cover=Cover.LISTED, insurer=SECRET, number=SECRET, covers=SECRET,
            from_day=now.date(), until_day=now.date(), recorded_by_id=victim.id, recorded_at=now,
        )  # fmt: skip
        incident = Incident(
            organisation_id=home, shift_id=shift.id, reporter_id=victim.id, text=SECRET,
            kind=IncidentKind.INJURY, gravity=Gravity.MINOR, state=IncidentState.OPEN,
            reported_at=now,
        )  # fmt: skip
        session.add_all((policy, incident))
        await session.flush()
        session.add(Insured(insurance_id=policy.id, person_id=victim.id, since=now))
        work = city.making.work(session, await session.get_one(Person, victim.id))
        (seen,) = await enclosures.add(work, f"incident:{incident.id}", ["x"])
        await enclosures.keep(work, seen.id, photo())
        return {
            "insurance_id": policy.id,
            "incident_id": incident.id,
            "incident_photo_id": seen.id,
        }


async def _recognised(city: City, victim: Person) -> dict[str, int]:
    """A star on notice, an award with a list under way, a letter of thanks with a photo, a bar."""
    now, home = city.clock(), victim.organisation_id or 0
    chen = await city.making.volunteer(f"{SECRET}之友", organisation="zs-shiqi")
    async with city.database.write() as session:
        kind = AwardKind(organisation_id=home, name=f"{SECRET}奖", rule=AwardRule.HOURS, least=1,
                         created_by_id=victim.id, created_at=now)  # fmt: skip
        session.add(kind)
        await session.flush()
        opened = AwardRound(kind_id=kind.id, year=2026, state=RoundState.OPEN,
                            opened_by_id=victim.id, opened_at=now)  # fmt: skip
        star = Recognition(person_id=chen.id, organisation_id=home, star=1, begun_at=now,
                           state=RecognitionState.NOTICE, notice_until=now)  # fmt: skip
        bar = StarBar(person_id=chen.id, organisation_id=home, reason=SECRET, barred_at=now,
                      from_day=now.date(), until_day=now.date() + timedelta(days=365),
                      barred_by_id=victim.id)  # fmt: skip
        letter = ThanksLetter(
            person_id=chen.id, organisation_id=home, from_whom=SECRET, words=SECRET, at=now
        )
        session.add_all((opened, star, bar, letter))
        await session.flush()
        work = city.making.work(session, await session.get_one(Person, victim.id))
        (sent,) = await enclosures.add(work, recognition.letter_subject(letter.id), ["x"])
        await enclosures.keep(work, sent.id, b"x")
        return {
            "recognition_id": star.id, "award_kind_id": kind.id, "round_id": opened.id,
            "letter_id": letter.id, "letter_photo_id": sent.id, "bar_id": bar.id,
        }  # fmt: skip


async def _affiliated(city: City, victim: Person) -> dict[str, int]:
    """Somebody of a school who waits, and the link of a class."""
    other = await city.making.volunteer(f"{SECRET}的学生")
    async with city.database.write() as session:
        home = await session.get_one(Organisation, victim.organisation_id)
        school = Organisation(
            code="zs-school", kind=OrganisationKind.SCHOOL, parent_id=home.id,
            names={"zh_Hans": f"{SECRET}的学校", "en": SECRET},
        )  # fmt: skip
        session.add(school)
        await session.flush()
        school.path = f"{home.path}{school.id}."
        asked = Affiliation(
            organisation_id=school.id, person_id=victim.id, department=SECRET,
            state=AffiliationState.ASKED, asked_at=city.clock(),
        )  # fmt: skip
        link = AffiliationLink(
            organisation_id=school.id, code="x", made_by_id=victim.id, made_at=city.clock()
        )
        belongs = Affiliation(
            organisation_id=school.id, person_id=other.id, department=SECRET, since=city.clock(),
            state=AffiliationState.CONFIRMED, asked_at=city.clock(),
        )  # fmt: skip
        session.add_all((asked, belongs, link))
        await session.flush()
        return {"body_id": school.id, "affiliation_id": asked.id, "link_id": link.id}


async def _organisation(city: City, victim: Person) -> dict[str, int]:
    """A role in it, where it gathers, and its group."""
    point = await city.making.rally_point("zs-shiqi", f"{SECRET}家门口", 22.53, 113.38)
    async with city.database.write() as session:
        role = (await session.scalars(select(Role.id).where(Role.person_id == victim.id))).one()
        group = Group(
            chat_id=-77,
            organisation_id=victim.organisation_id,
            title=f"{SECRET}的群",
            language="zh_Hans",
        )
        session.add(group)
        await session.flush()
        return {"role_id": role, "rally_point_id": point.id, "group_id": group.id}


async def _activity(city: City, victim: Person) -> dict[str, int]:
    """A shift at which they have been, against whose hours they object."""
    activity = await city.making.activity(victim, f"{SECRET}的活动")
    shift = await city.making.shift(activity)
    now = city.clock()
    async with city.database.write() as session:
        held = Enrolment(
            shift_id=shift.id,
            person_id=victim.id,
            state=EnrolmentState.ATTENDED,
            queued_at=now,
        )
        session.add(held)
        await session.flush()
        attended = Attendance(
            enrolment_id=held.id,
            checked_in_at=now,
            in_means=Means.ROLL,
            state=HoursState.REJECTED,
            minutes=60,
        )
        session.add(attended)
        await session.flush()
        objection = Dispute(
            attendance_id=attended.id,
            organisation_id=victim.organisation_id,
            text=SECRET,
            state=DisputeState.OPEN,
            raised_at=now,
        )
        report = Enclosure(
            subject=f"attendance:{attended.id}", kind=EnclosureKind.PHOTO, telegram_id="x", at=now
        )
        session.add_all((objection, report))
        await session.flush()
        return {
            "report_id": report.id,
            "activity_id": activity.id,
            "shift_id": shift.id,
            "enrolment_id": held.id,
            "attendance_id": attended.id,
            "dispute_id": objection.id,
        }


async def _handed_in(city: City, victim: Person) -> dict[str, int]:
    """A document to be verified, and a saved search."""
    async with city.database.write() as session:
        kind = (await session.scalars(select(QualificationKind.id).limit(1))).one()
        document = Qualification(
            person_id=victim.id,
            kind_id=kind,
            state=QualificationState.AWAITING,
            picture="x",
            submitted_at=city.clock(),
        )
        kept = SavedFilter(person_id=victim.id, name=SECRET, wanted={}, saved_at=city.clock())
        session.add_all((document, kept))
        await session.flush()
        return {"qualification_id": document.id, "filter_id": kept.id}


async def _taught(city: City, victim: Person) -> dict[str, int]:
    """A course with a question and a material, which is asked of newcomers."""
    taught = await online(city.making, victim, f"{SECRET}的课")
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, victim.id))
        material = await courses.add_material(work, taught.id, MaterialKind.TEXT, "讲义", SECRET)
        required = RequiredCourse(
            organisation_id=victim.organisation_id,
            course_id=taught.id,
            slot="",
            set_by_id=victim.id,
            set_at=work.now,
        )
        session.add(required)
        await session.flush()
        return {
            "course_id": taught.id,
            "question_id": (await questions.of(work, taught.id))[0].id,
            "material_id": material.id,
            "required_id": required.id,
        }


async def _import(city: City, victim: Person) -> int:
    """A table that waits to be imported."""
    bringing = Bringing(city.database, city.making, victim)
    file = await bringing.send(VOLUNTEERS, written(("姓名", "手机"), (SECRET, "13912345678")))
    await bringing.check(file)
    return file


async def _exchange(city: City, victim: Person) -> dict[str, int]:
    """A token, a webhook and what was sent to it."""
    now, home = city.clock(), victim.organisation_id
    async with city.database.write() as session:
        token = Token(
            organisation_id=home,
            made_by_id=victim.id,
            name=SECRET,
            secret_hash="x",
            ending="abcd",
            scopes=[],
            made_at=now,
            expires_at=now,
        )
        webhook = Webhook(
            organisation_id=home,
            made_by_id=victim.id,
            name=SECRET,
            url="https://example.org",
            kinds=[],
            secret="x",
            made_at=now,
        )
        event = Event(name="x", organisation_id=home, kind="ping", data={}, at=now)
        session.add_all((token, webhook, event))
        await session.flush()
        dispatch = Dispatch(
            webhook_id=webhook.id, event_id=event.id, state=DispatchState.GIVEN_UP, due_at=now
        )
        session.add(dispatch)
        await session.flush()
        return {"token_id": token.id, "webhook_id": webhook.id, "dispatch_id": dispatch.id}


def filled(entry: Entry, keys: Mapping[str, int]) -> str:
    """The entry's path for those keys."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        assert name in keys, f"{entry.path}: say in `examples` what {name} names"
        return str(keys[name])

    path = re.sub(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}", value, entry.path)
    return path.removeprefix("/console")
