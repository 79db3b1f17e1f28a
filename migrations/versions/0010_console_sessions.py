"""Browsers that are logged in to the console"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('console_session',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('way', sa.Enum('link', 'mini_app', name='loginway', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('ticket_hash', sa.String(length=64), nullable=False),
    sa.Column('cookie_hash', sa.String(length=64), nullable=True),
    sa.Column('browser', sa.String(length=60), nullable=False),
    sa.Column('look', sa.Enum('auto', 'light', 'dark', name='look', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_console_session_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_console_session')),
    sa.UniqueConstraint('cookie_hash', name=op.f('uq_console_session_cookie_hash')),
    sa.UniqueConstraint('ticket_hash', name=op.f('uq_console_session_ticket_hash'))
    )
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_console_session_person_id'), ['person_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_console_session_person_id'))

    op.drop_table('console_session')
