"""Numbers that were tried at sign-up"""

import sqlalchemy as sa
from alembic import op

revision = '0041'
down_revision = '0040'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('claim_guess', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kind', sa.String(8), nullable=False, server_default='code'))
    with op.batch_alter_table('claim_guess', schema=None) as batch_op:
        batch_op.alter_column('kind', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('claim_guess', schema=None) as batch_op:
        batch_op.drop_column('kind')
