"""Bots and processes"""

import sqlalchemy as sa
from alembic import op

import models.base

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
DOCUMENT = models.base.Document
UNANSWERED = sa.text('answered_at IS NULL')
QUEUED = sa.text("state = 'queued'")
FIRST = sa.text('1')
OF_A_BOT = ('account', 'group', 'delivery')


def upgrade() -> None:
    op.create_table(
        'bot',
        sa.Column('id', sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column('telegram_id', sa.BigInteger(), nullable=False),
        sa.Column('username', sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_bot')),
        sa.UniqueConstraint('telegram_id', name=op.f('uq_bot_telegram_id')),
    )
    op.create_table(
        'process',
        sa.Column('id', KEY, nullable=False),
        sa.Column('host', sa.String(length=255), nullable=False),
        sa.Column('pid', sa.Integer(), nullable=False),
        sa.Column('roles', DOCUMENT, nullable=False),
        sa.Column('started_at', models.base.Moment(), nullable=False),
        sa.Column('alive_until', sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_process')),
        sqlite_autoincrement=True,
    )
    op.create_table(
        'lease',
        sa.Column('name', sa.String(length=48), nullable=False),
        sa.Column('process_id', KEY, nullable=True),
        sa.Column('taken_at', models.base.Moment(), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_lease')),
    )
    op.create_table(
        'share',
        sa.Column('bot_id', sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column('process_id', KEY, autoincrement=False, nullable=False),
        sa.Column('wanted', sa.Float(precision=53), nullable=False),
        sa.Column('granted', sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint('bot_id', 'process_id', name=op.f('pk_share')),
    )
    # Whatever there was belongs to the first bot. Added in place: a copy of all deliveries takes long.
    for table in OF_A_BOT:
        op.add_column(table, sa.Column('bot_id', sa.SmallInteger(), nullable=False, server_default=FIRST))
    op.drop_index('ix_delivery_due', table_name='delivery')
    op.create_index('ix_delivery_due', 'delivery', ['bot_id', 'lane', 'due_at', 'id'], sqlite_where=QUEUED, postgresql_where=QUEUED)
    op.rename_table('inbox', 'inbox_before')
    for index in ('ix_inbox_chat_id_received_at', 'ix_inbox_answered_at'):
        op.drop_index(index, table_name='inbox_before')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('ALTER TABLE inbox_before DROP CONSTRAINT pk_inbox')
    _make_inbox(['bot_id', 'update_id'], sa.Column('bot_id', sa.SmallInteger(), autoincrement=False, nullable=False), sa.Column('taken_by', KEY, nullable=True))
    op.create_index('ix_inbox_unanswered', 'inbox', ['taken_by', 'bot_id', 'update_id'], sqlite_where=UNANSWERED, postgresql_where=UNANSWERED)
    op.execute('INSERT INTO inbox (bot_id, update_id, chat_id, body, received_at, handled_at, answered_at) SELECT 1, update_id, chat_id, body, received_at, handled_at, answered_at FROM inbox_before')
    op.drop_table('inbox_before')


def downgrade() -> None:
    op.rename_table('inbox', 'inbox_after')
    for index in ('ix_inbox_unanswered', 'ix_inbox_chat_id_received_at', 'ix_inbox_answered_at'):
        op.drop_index(index, table_name='inbox_after')
    if op.get_bind().dialect.name == 'postgresql':
        op.execute('ALTER TABLE inbox_after DROP CONSTRAINT pk_inbox')
    _make_inbox(['update_id'])
    op.execute('INSERT INTO inbox (update_id, chat_id, body, received_at, handled_at, answered_at) SELECT update_id, chat_id, body, received_at, handled_at, answered_at FROM inbox_after WHERE bot_id = 1')
    op.drop_table('inbox_after')
    op.drop_index('ix_delivery_due', table_name='delivery')
    op.create_index('ix_delivery_due', 'delivery', ['lane', 'due_at', 'id'], sqlite_where=QUEUED, postgresql_where=QUEUED)
    for table in reversed(OF_A_BOT):
        op.drop_column(table, 'bot_id')
    for table in ('share', 'lease', 'process', 'bot'):
        op.drop_table(table)


def _make_inbox(key: list[str], *more: sa.Column) -> None:
    op.create_table(
        'inbox',
        *more,
        sa.Column('update_id', sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column('chat_id', sa.BigInteger(), nullable=True),
        sa.Column('body', sa.Text(), nullable=False),
        sa.Column('received_at', models.base.Moment(), nullable=False),
        sa.Column('handled_at', models.base.Moment(), nullable=True),
        sa.Column('answered_at', models.base.Moment(), nullable=True),
        sa.PrimaryKeyConstraint(*key, name=op.f('pk_inbox')),
    )
    op.create_index('ix_inbox_chat_id_received_at', 'inbox', ['chat_id', 'received_at'])
    op.create_index('ix_inbox_answered_at', 'inbox', ['answered_at'])
