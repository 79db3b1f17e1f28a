"""Reports of call-outs: their page, and when they were handed out"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

PAGE = sa.Enum('board', 'report', name='screenpage', native_enum=False, create_constraint=True, length=24)


def upgrade() -> None:
    with op.batch_alter_table('callout', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reported_at', sa.DateTime(timezone=True), nullable=True))
    # What ended before is not reported anew.
    op.execute("UPDATE callout SET reported_at = ended_at WHERE state = 'ended'")

    with op.batch_alter_table('callout_screen', schema=None) as batch_op:
        batch_op.add_column(sa.Column('page', PAGE, nullable=False, server_default='board'))
    with op.batch_alter_table('callout_screen', schema=None) as batch_op:
        batch_op.alter_column('page', existing_type=PAGE, existing_nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('callout_screen', schema=None) as batch_op:
        batch_op.drop_column('page')

    with op.batch_alter_table('callout', schema=None) as batch_op:
        batch_op.drop_column('reported_at')
