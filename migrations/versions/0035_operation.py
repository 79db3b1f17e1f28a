"""Operation: where messages come from, reports of errors, backups, and what became of broadcasts"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0035'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('error_report',
    sa.Column('fingerprint', sa.String(length=16), nullable=False),
    sa.Column('kind', sa.String(length=80), nullable=False),
    sa.Column('place', sa.String(length=160), nullable=False),
    sa.Column('version', sa.String(length=32), nullable=False),
    sa.Column('host', sa.String(length=64), nullable=False),
    sa.Column('role', sa.String(length=32), nullable=False),
    sa.Column('origin', sa.String(length=40), nullable=True),
    sa.Column('first_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('untold', sa.Integer(), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('fingerprint', name=op.f('pk_error_report'))
    )
    op.create_index(op.f('ix_error_report_last_at'), 'error_report', ['last_at'])
    op.create_index(op.f('ix_error_report_told_at'), 'error_report', ['told_at'])
    op.create_table('backup',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('file', sa.String(length=200), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_backup'))
    )
    op.create_index(op.f('ix_backup_made_at'), 'backup', ['made_at'])
    op.add_column('message', sa.Column('origin', sa.String(length=40), nullable=True))
    op.create_index(op.f('ix_message_created_at'), 'message', ['created_at'])
    op.add_column('broadcast', sa.Column('outcome', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True))


def downgrade() -> None:
    op.drop_column('broadcast', 'outcome')
    op.drop_index(op.f('ix_message_created_at'), 'message')
    op.drop_column('message', 'origin')
    op.drop_table('backup')
    op.drop_table('error_report')
