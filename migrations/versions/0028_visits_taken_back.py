"""Visits taken back"""

import sqlalchemy as sa
from alembic import op

revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('care_visit', schema=None) as batch_op:
        batch_op.drop_index('ix_care_visit_planned')
        batch_op.create_index('ix_care_visit_planned', ['recipient_id', 'starts_at'], unique=True, sqlite_where=sa.text("planned AND state <> 'cancelled'"), postgresql_where=sa.text("planned AND state <> 'cancelled'"))


def downgrade() -> None:
    op.execute("DELETE FROM care_visit WHERE planned AND state = 'cancelled'")
    with op.batch_alter_table('care_visit', schema=None) as batch_op:
        batch_op.drop_index('ix_care_visit_planned')
        batch_op.create_index('ix_care_visit_planned', ['recipient_id', 'starts_at'], unique=True, sqlite_where=sa.text('planned'), postgresql_where=sa.text('planned'))
