"""Organisations of the token's subtree, and the terms that a city chose."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from models import (
    Organisation,
    OrganisationKind,
    QualificationKind,
    ServiceField,
    Skill,
    SpokenLanguage,
)
from services import registers, terms
from services.tokens import Scope
from web.api import cursors
from web.api.declaring import Call, Endpoints
from web.api.shapes import Asked, Id, Listing, Names, Paged, Shape

endpoints = Endpoints("organisations")


class OrganisationShape(Shape):
    id: Id
    code: str
    kind: OrganisationKind
    parent_id: Id | None
    names: Names = Field(description="By language.")
    place: Names | None = Field(description="What people call the area, where that differs.")
    latitude: float | None
    longitude: float | None


class TermKind(StrEnum):
    FIELDS = "fields"
    SKILLS = "skills"
    QUALIFICATIONS = "qualifications"
    LANGUAGES = "languages"


class TermShape(Shape):
    id: Id
    code: str
    names: Names = Field(description="By language.")
    parent_id: Id | None = Field(description="Of a field below another one.")


class TermList(Shape):
    items: list[TermShape]


class TermsAsked(Asked):
    kind: TermKind = Field(description="Which terms.")


TABLES: dict[TermKind, Any] = {
    TermKind.FIELDS: ServiceField,
    TermKind.SKILLS: Skill,
    TermKind.QUALIFICATIONS: QualificationKind,
    TermKind.LANGUAGES: SpokenLanguage,
}


def _shape(organisation: Organisation) -> OrganisationShape:
    return OrganisationShape(
        id=organisation.id,
        code=organisation.code,
        kind=organisation.kind,
        parent_id=organisation.parent_id,
        names=organisation.names,
        place=organisation.place,
        latitude=organisation.latitude,
        longitude=organisation.longitude,
    )


@endpoints.look("/organisations", Scope.ORGANISATIONS_READ)
async def list_organisations(call: Call, query: Paged) -> Listing[OrganisationShape]:
    """The token's organisation and all below it."""
    found = await registers.organisations_in_reach(call.work, cursors.window(call, query))
    items = [_shape(one) for (one,) in found.rows]
    return Listing(items=items, next=cursors.next_of(call, found))


@endpoints.look("/organisations/{organisation_id}", Scope.ORGANISATIONS_READ)
async def get_organisation(call: Call, organisation_id: int) -> OrganisationShape:
    """One organisation."""
    return _shape(await registers.organisation(call.work, organisation_id))


@endpoints.look("/terms", None)
async def list_terms(call: Call, query: TermsAsked) -> TermList:
    """Service fields, skills, kinds of qualification or languages that the city chose."""
    rows: list[Any] = await terms.every(call.work.session, TABLES[query.kind])
    return TermList(
        items=[
            TermShape(
                id=row.id, code=row.code, names=row.names, parent_id=getattr(row, "parent_id", None)
            )
            for row in rows
        ]
    )
