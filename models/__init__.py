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
from models.broadcasts import Broadcast, BroadcastAnswer, BroadcastState, SavedAudience
from models.callouts import (
    Callout,
    CalloutState,
    Emergency,
    Need,
    Response,
    ResponseState,
    Wave,
)
from models.conversations import Conversation, Inbox
from models.database import Database
from models.delivery import (
    TELEGRAM,
    Attempt,
    Delivery,
    DeliveryState,
    Lane,
    Message,
    OptOut,
    PaidMessages,
)
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
from models.traits import Posting, Trait

__all__ = [
    "ENGAGED",
    "HOLDING_A_PLACE",
    "TELEGRAM",
    "Account",
    "Activity",
    "ActivityState",
    "Attempt",
    "Attendance",
    "AuditEntry",
    "Base",
    "Broadcast",
    "BroadcastAnswer",
    "BroadcastState",
    "Callout",
    "CalloutState",
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
    "Emergency",
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
    "Need",
    "OptOut",
    "Organisation",
    "OrganisationKind",
    "PaidMessages",
    "Person",
    "PersonInterest",
    "PersonLanguage",
    "PersonSkill",
    "Posting",
    "Qualification",
    "QualificationKind",
    "QualificationState",
    "Response",
    "ResponseState",
    "Role",
    "RoleKind",
    "SavedAudience",
    "ServiceField",
    "Shift",
    "ShiftLanguage",
    "ShiftQualification",
    "ShiftSkill",
    "Skill",
    "SpokenLanguage",
    "Standing",
    "Trait",
    "Wave",
]
