"""Schemes, and the files of activities that assemble themselves."""

import pytest
from sqlalchemy import func, select

from models import Activity, Enclosure, Person, Shift
from playground.phone import labels
from services import activity_files, enclosures, hours, measures
from services.errors import NotAllowed, Refusal
from tests.attending import place, propose
from tests.city import City, Phone
from tests.papers_read import text_of
from tests.pictures import photo
