"""Broadcasts, audiences and other channels"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

STATES = ('queued', 'held', 'sending', 'sent', 'failed', 'expired', 'revoked')


def upgrade() -> None:
    op.create_table('broadcast',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('author_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('urgent', sa.Boolean(), nullable=False),
    sa.Column('title', sa.String(length=64), nullable=False),
    sa.Column('versions', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('attachment', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
    sa.Column('buttons', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('audience', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('state', sa.Enum('draft', 'awaiting_approval', 'scheduled', 'running', 'paused', 'stopped', 'finished', 'recalled', name='broadcaststate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('approved_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('written_to', sa.Integer(), nullable=False),
    sa.Column('all_written', sa.Boolean(), nullable=False),
    sa.Column('left_out', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('correction_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('correcting', sa.Boolean(), nullable=False),
    sa.Column('corrected_to', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['correction_id'], ['message.id'], name=op.f('fk_broadcast_correction_id')),
    sa.ForeignKeyConstraint(['approved_by_id'], ['person.id'], name=op.f('fk_broadcast_approved_by_id')),
    sa.ForeignKeyConstraint(['author_id'], ['person.id'], name=op.f('fk_broadcast_author_id')),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_broadcast_message_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_broadcast_organisation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_broadcast'))
    )
    with op.batch_alter_table('broadcast', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_broadcast_organisation_id'), ['organisation_id'], unique=False)
        batch_op.create_index('ix_broadcast_state_starts_at', ['state', 'starts_at'], unique=False)

    op.create_table('opt_out',
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_opt_out_person_id')),
    sa.PrimaryKeyConstraint('person_id', 'kind', name=op.f('pk_opt_out'))
    )
    op.create_table('paid_messages',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_paid_messages'))
    )
    op.create_table('posting',
    sa.Column('attribute', sa.Integer(), nullable=False),
    sa.Column('cell', sa.BigInteger(), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('latitude', sa.Double(), nullable=False),
    sa.Column('longitude', sa.Double(), nullable=False),
    sa.Column('skills', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('qualifications', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_posting_person_id')),
    sa.PrimaryKeyConstraint('attribute', 'cell', 'person_id', name=op.f('pk_posting')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('posting', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_posting_person_id'), ['person_id'], unique=False)

    op.create_table('saved_audience',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('audience', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('created_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['created_by_id'], ['person.id'], name=op.f('fk_saved_audience_created_by_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_saved_audience_organisation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_audience'))
    )
    with op.batch_alter_table('saved_audience', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_saved_audience_organisation_id'), ['organisation_id'], unique=False)

    op.create_table('trait',
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('reachable', sa.Boolean(), nullable=False),
    sa.Column('blocked', sa.Boolean(), nullable=False),
    sa.Column('refuses', sa.SmallInteger(), nullable=False),
    sa.Column('paused_until', sa.Date(), nullable=True),
    sa.Column('skills', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('active_on', sa.Date(), nullable=True),
    sa.Column('born', sa.Date(), nullable=True),
    sa.Column('interests', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('qualifications', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('spoken', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('language', sa.String(length=16), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('enrolled', sa.SmallInteger(), nullable=False),
    sa.Column('attended', sa.SmallInteger(), nullable=False),
    sa.Column('latitude', sa.Double(), nullable=True),
    sa.Column('longitude', sa.Double(), nullable=True),
    sa.Column('availability', sa.Integer(), nullable=False),
    sa.Column('callable', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_trait_person_id')),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_trait'))
    )
    op.create_table('attempt',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('delivery_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['delivery.id'], name=op.f('fk_attempt_delivery_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attempt'))
    )
    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_attempt_delivery_id'), ['delivery_id'], unique=False)

    op.create_table('broadcast_answer',
    sa.Column('broadcast_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('choice', sa.Integer(), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['broadcast_id'], ['broadcast.id'], name=op.f('fk_broadcast_answer_broadcast_id')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_broadcast_answer_person_id')),
    sa.PrimaryKeyConstraint('broadcast_id', 'person_id', name=op.f('pk_broadcast_answer'))
    )
    op.execute(
        "INSERT INTO opt_out (person_id, kind, since)"
        " SELECT id, 'announcement', CURRENT_TIMESTAMP FROM person WHERE NOT announcements"
    )
    op.drop_column('person', 'announcements')
    op.add_column('person', sa.Column('email', sa.LargeBinary(), nullable=True))

    op.add_column('message', sa.Column('attachment', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True))
    build = 'json_object' if op.get_context().dialect.name == 'sqlite' else 'jsonb_build_object'
    op.execute(f"UPDATE message SET attachment = {build}('photo', picture) WHERE picture IS NOT NULL")
    op.drop_column('message', 'picture')
    op.add_column('message', sa.Column('deletes', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('message') as batch_op:
        batch_op.alter_column('deletes', existing_type=sa.Boolean(), existing_nullable=False, server_default=None)

    op.create_index('ix_inbox_chat_id_received_at', 'inbox', ['chat_id', 'received_at'], unique=False)

    with op.batch_alter_table('delivery') as batch_op:
        batch_op.add_column(sa.Column('channel', sa.String(length=16), nullable=False, server_default='telegram'))
        batch_op.add_column(sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.alter_column('chat_id', existing_type=sa.BigInteger(), nullable=True)
        batch_op.drop_constraint(batch_op.f('ck_delivery_deliverystate'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_delivery_deliverystate'), " OR ".join(f"state = '{state}'" for state in STATES))
        batch_op.drop_constraint(batch_op.f('uq_delivery_dedupe_key'), type_='unique')
        batch_op.drop_constraint(batch_op.f('fk_delivery_message_id'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('fk_delivery_person_id'), type_='foreignkey')
        batch_op.drop_index('ix_delivery_message_state')
        batch_op.drop_index('ix_delivery_person_created_at')
        batch_op.create_index('ix_delivery_dedupe_key', ['dedupe_key'], unique=True, sqlite_where=sa.text('dedupe_key IS NOT NULL'), postgresql_where=sa.text('dedupe_key IS NOT NULL'))
        batch_op.create_index('ix_delivery_other_channels', ['state', 'due_at'], unique=False, sqlite_where=sa.text("channel <> 'telegram'"), postgresql_where=sa.text("channel <> 'telegram'"))
        batch_op.create_index('ix_delivery_failed', ['finished_at'], unique=False, sqlite_where=sa.text("state = 'failed'"), postgresql_where=sa.text("state = 'failed'"))
        batch_op.create_index('ix_delivery_emergency', ['created_at'], unique=False, sqlite_where=sa.text('lane = 0'), postgresql_where=sa.text('lane = 0'))
        batch_op.create_index('ix_delivery_edits_id', ['edits_id'], unique=False, sqlite_where=sa.text('edits_id IS NOT NULL'), postgresql_where=sa.text('edits_id IS NOT NULL'))
        batch_op.create_index('ix_delivery_message_id', ['message_id'], unique=False)
        batch_op.create_index('ix_delivery_person_id', ['person_id'], unique=False)
    with op.batch_alter_table('delivery') as batch_op:
        batch_op.alter_column('channel', existing_type=sa.String(length=16), existing_nullable=False, server_default=None)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
