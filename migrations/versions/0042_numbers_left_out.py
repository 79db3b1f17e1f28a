"""Numbers of certificates that a restored backup leaves out"""

import sqlalchemy as sa
from alembic import op

revision = '0042'
down_revision = '0041'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('certificate_count', schema=None) as batch_op:
        batch_op.add_column(sa.Column('left_out', sa.Integer(), nullable=False, server_default='0'))
    with op.batch_alter_table('certificate_count', schema=None) as batch_op:
        batch_op.alter_column('left_out', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('certificate_count', schema=None) as batch_op:
        batch_op.drop_column('left_out')
