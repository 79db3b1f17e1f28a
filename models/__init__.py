"""The tables and what is always true of a row. Imports nothing of Muster's other folders."""

from models.activities import (
    Activity,
    ActivityState,
    Confirmation,
    Shift,
    ShiftLanguage,
    ShiftQualification,
    ShiftSkill,
)
from models.attendance import Attendance, Dispute, DisputeState, HoursState, Means
from models.audit import AuditEntry
from models.base import Base
from models.conversations import Conversation, Inbox
from models.database import Database
from models.delivery import Delivery, DeliveryState, Lane, Message
from models.enrolment import ENGAGED, HOLDING_A_PLACE, Coming, Enrolment, EnrolmentState
from models.ledger import EntryKind, LedgerEntry
from models.organisations import Claim, Group, Organisation, OrganisationKind, Role, RoleKind
from models.people import (
    Account,
    Consent,
    ConsentKind,
    Guardian,
    Person,
    PersonInterest,
    PersonLanguage,
    PersonSkill,
    Qualification,
    QualificationState,
    Standing,
)
from models.terms import QualificationKind, ServiceField, Skill, SpokenLanguage

__all__ = [
    "ENGAGED",
    "HOLDING_A_PLACE",
    "Account",
    "Activity",
    "ActivityState",
    "Attendance",
    "AuditEntry",
    "Base",
    "Claim",
    "Coming",
    "Confirmation",
    "Consent",
    "ConsentKind",
    "Conversation",
    "Database",
    "Delivery",
    "DeliveryState",
    "Dispute",
    "DisputeState",
    "Enrolment",
    "EnrolmentState",
    "EntryKind",
    "Group",
    "Guardian",
    "HoursState",
    "Inbox",
    "Lane",
    "LedgerEntry",
    "Means",
    "Message",
    "Organisation",
    "OrganisationKind",
    "Person",
    "PersonInterest",
    "PersonLanguage",
    "PersonSkill",
    "Qualification",
    "QualificationKind",
    "QualificationState",
    "Role",
    "RoleKind",
    "ServiceField",
    "Shift",
    "ShiftLanguage",
    "ShiftQualification",
    "ShiftSkill",
    "Skill",
    "SpokenLanguage",
    "Standing",
]
