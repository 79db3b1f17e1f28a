"""Usual words, equipment and teams in call-outs; the consent to be called at any hour"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

KINDS = ("privacy", "id_number", "emergency", "guardian")


def upgrade() -> None:
    listed = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    key = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    with op.batch_alter_table('callout', schema=None) as batch_op:
        batch_op.add_column(sa.Column('usual', listed, nullable=False, server_default='[]'))

    with op.batch_alter_table('callout_need', schema=None) as batch_op:
        batch_op.add_column(sa.Column('equipment', listed, nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('team_id', key, nullable=True))
        batch_op.create_foreign_key(
            batch_op.f('fk_callout_need_team_id'), 'organisation', ['team_id'], ['id']
        )

    for table, column in (('callout', 'usual'), ('callout_need', 'equipment')):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column(column, server_default=None)

    _allow((*KINDS, "any_hour"))
    _note_who_agreed_to_any_hour()


def _allow(kinds: tuple[str, ...]) -> None:
    """The kinds of consent that may be kept."""
    name = op.f('ck_consent_consentkind')
    with op.batch_alter_table('consent', schema=None) as batch_op:
        batch_op.drop_constraint(name, type_='check')
        batch_op.create_check_constraint(name, sa.column('kind').in_(kinds))


def _note_who_agreed_to_any_hour() -> None:
    """Whoever switched it on in their profile had agreed to it; when, was not kept."""
    consent = sa.table(
        "consent",
        sa.column("person_id"),
        sa.column("kind"),
        sa.column("version"),
        sa.column("given_at"),
        sa.column("withdrawn_at"),
    )
    now = sa.literal(datetime.now(UTC), sa.DateTime(timezone=True))
    readiness = sa.table("readiness", sa.column("person_id"), sa.column("when_critical"))
    rows = (
        sa.select(consent.c.person_id, sa.literal("any_hour"), consent.c.version, now)
        .join(readiness, readiness.c.person_id == consent.c.person_id)
        .where(
            readiness.c.when_critical,
            consent.c.kind == "emergency",
            consent.c.withdrawn_at.is_(None),
        )
    )
    columns = ["person_id", "kind", "version", "given_at"]
    op.execute(consent.insert().from_select(columns, rows))


def downgrade() -> None:
    op.execute(sa.delete(sa.table("consent", sa.column("kind"))).where(
        sa.column("kind") == "any_hour"
    ))
    _allow(KINDS)
    with op.batch_alter_table('callout_need', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_callout_need_team_id'), type_='foreignkey')
        batch_op.drop_column('team_id')
        batch_op.drop_column('equipment')

    with op.batch_alter_table('callout', schema=None) as batch_op:
        batch_op.drop_column('usual')
