"""Kinds of volunteers and groups"""

import sqlalchemy as sa
from alembic import op

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


CORE = """
INSERT INTO person_mark (person_id, kind, since, by_id, note)
SELECT person_id, 'core', min(granted_at), min(coalesce(granted_by_id, person_id)), ''
FROM role WHERE kind = 'core_volunteer' GROUP BY person_id
"""
ROLES = """
DELETE FROM role WHERE kind = 'core_volunteer' AND organisation_id NOT IN
(SELECT id FROM organisation WHERE kind = 'rescue_team')
"""


def upgrade() -> None:
    """Who held the role of a core volunteer bears the mark instead; in a rescue team the role
    stays, since it says who is a member. `muster init` renews the copies in lists and audiences.
    """
    op.create_table('affiliation',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department', sa.String(length=40), nullable=False),
    sa.Column('state', sa.Enum('asked', 'confirmed', 'refused', 'ended', name='affiliationstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.ForeignKeyConstraint(['decided_by_id'], ['person.id'], name=op.f('fk_affiliation_decided_by_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_affiliation_organisation_id')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_affiliation_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_affiliation')),
    sa.UniqueConstraint('organisation_id', 'person_id', name=op.f('uq_affiliation_organisation_id_person_id'))
    )
    with op.batch_alter_table('affiliation', schema=None) as batch_op:
        batch_op.create_index('ix_affiliation_organisation_state', ['organisation_id', 'state', 'department'], unique=False)
        batch_op.create_index(batch_op.f('ix_affiliation_person_id'), ['person_id'], unique=False)

    op.create_table('affiliation_link',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('department', sa.String(length=40), nullable=False),
    sa.Column('code', sa.String(length=16), nullable=False),
    sa.Column('made_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['made_by_id'], ['person.id'], name=op.f('fk_affiliation_link_made_by_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_affiliation_link_organisation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_affiliation_link')),
    sa.UniqueConstraint('code', name=op.f('uq_affiliation_link_code'))
    )
    with op.batch_alter_table('affiliation_link', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_affiliation_link_organisation_id'), ['organisation_id'], unique=False)

    op.create_table('party',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Enum('family', 'class', 'company', 'friends', name='partykind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('head_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=16), nullable=False),
    sa.Column('founded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('dissolved_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['head_id'], ['person.id'], name=op.f('fk_party_head_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_party_organisation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_party'))
    )
    with op.batch_alter_table('party', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_party_head_id'), ['head_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_party_organisation_id'), ['organisation_id'], unique=False)

    op.create_table('person_mark',
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Enum('core', 'social_worker', 'student', 'online', name='markkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('note', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_person_mark_by_id')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_person_mark_person_id')),
    sa.PrimaryKeyConstraint('person_id', 'kind', name=op.f('pk_person_mark'))
    )
    with op.batch_alter_table('person_mark', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_person_mark_kind'), ['kind'], unique=False)

    op.create_table('party_member',
    sa.Column('party_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('state', sa.Enum('invited', 'active', 'left', name='partystate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ward', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['party_id'], ['party.id'], name=op.f('fk_party_member_party_id')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_party_member_person_id')),
    sa.PrimaryKeyConstraint('party_id', 'person_id', name=op.f('pk_party_member'))
    )
    with op.batch_alter_table('party_member', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_party_member_person_id'), ['person_id'], unique=False)

    op.create_table('tandem',
    sa.Column('activity_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('volunteer_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('worker_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.CheckConstraint('worker_id <> volunteer_id', name=op.f('ck_tandem_two')),
    sa.ForeignKeyConstraint(['activity_id'], ['activity.id'], name=op.f('fk_tandem_activity_id')),
    sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_tandem_by_id')),
    sa.ForeignKeyConstraint(['volunteer_id'], ['person.id'], name=op.f('fk_tandem_volunteer_id')),
    sa.ForeignKeyConstraint(['worker_id'], ['person.id'], name=op.f('fk_tandem_worker_id')),
    sa.PrimaryKeyConstraint('activity_id', 'volunteer_id', name=op.f('pk_tandem'))
    )
    with op.batch_alter_table('tandem', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_tandem_volunteer_id'), ['volunteer_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_tandem_worker_id'), ['worker_id'], unique=False)

    op.create_table('block',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('shift_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('party_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('head_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['head_id'], ['person.id'], name=op.f('fk_block_head_id')),
    sa.ForeignKeyConstraint(['party_id'], ['party.id'], name=op.f('fk_block_party_id')),
    sa.ForeignKeyConstraint(['shift_id'], ['shift.id'], name=op.f('fk_block_shift_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_block'))
    )
    with op.batch_alter_table('block', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_block_head_id'), ['head_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_block_party_id'), ['party_id'], unique=False)
        batch_op.create_index('ix_block_shift_party', ['shift_id', 'party_id'], unique=False)

    op.create_table('remote_report',
    sa.Column('attendance_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['attendance_id'], ['attendance.id'], name=op.f('fk_remote_report_attendance_id')),
    sa.PrimaryKeyConstraint('attendance_id', name=op.f('pk_remote_report'))
    )
    with op.batch_alter_table('activity', schema=None) as batch_op:
        batch_op.add_column(sa.Column('remote', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.alter_column('latitude',
               existing_type=sa.Float(),
               nullable=True)
        batch_op.alter_column('longitude',
               existing_type=sa.Float(),
               nullable=True)
        batch_op.create_check_constraint(
            batch_op.f('ck_activity_remote'),
            'remote = (latitude IS NULL) AND remote = (longitude IS NULL)',
        )

    with op.batch_alter_table('directory', schema=None) as batch_op:
        batch_op.add_column(sa.Column('marks', sa.SmallInteger(), server_default='0', nullable=False))

    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('block_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.create_index(batch_op.f('ix_enrolment_block_id'), ['block_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_enrolment_block_id'), 'block', ['block_id'], ['id'])

    with op.batch_alter_table('shift', schema=None) as batch_op:
        batch_op.add_column(sa.Column('mark', sa.Enum('core', 'social_worker', 'student', 'online', name='shift_mark', native_enum=False, create_constraint=True, length=24), nullable=True))

    with op.batch_alter_table('trait', schema=None) as batch_op:
        batch_op.add_column(sa.Column('marks', sa.SmallInteger(), server_default='0', nullable=False))

    op.execute(CORE)
    op.execute(ROLES)


def downgrade() -> None:
    with op.batch_alter_table('trait', schema=None) as batch_op:
        batch_op.drop_column('marks')

    with op.batch_alter_table('shift', schema=None) as batch_op:
        batch_op.drop_column('mark')

    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_enrolment_block_id'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_enrolment_block_id'))
        batch_op.drop_column('block_id')

    with op.batch_alter_table('directory', schema=None) as batch_op:
        batch_op.drop_column('marks')

    op.execute('UPDATE activity SET latitude = 0, longitude = 0 WHERE remote')
    with op.batch_alter_table('activity', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_activity_remote'), type_='check')
        batch_op.alter_column('longitude',
               existing_type=sa.Float(),
               nullable=False)
        batch_op.alter_column('latitude',
               existing_type=sa.Float(),
               nullable=False)
        batch_op.drop_column('remote')

    op.drop_table('remote_report')
    with op.batch_alter_table('block', schema=None) as batch_op:
        batch_op.drop_index('ix_block_shift_party')
        batch_op.drop_index(batch_op.f('ix_block_party_id'))
        batch_op.drop_index(batch_op.f('ix_block_head_id'))

    op.drop_table('block')
    with op.batch_alter_table('tandem', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_tandem_worker_id'))
        batch_op.drop_index(batch_op.f('ix_tandem_volunteer_id'))

    op.drop_table('tandem')
    with op.batch_alter_table('party_member', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_party_member_person_id'))

    op.drop_table('party_member')
    with op.batch_alter_table('person_mark', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_person_mark_kind'))

    op.drop_table('person_mark')
    with op.batch_alter_table('party', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_party_organisation_id'))
        batch_op.drop_index(batch_op.f('ix_party_head_id'))

    op.drop_table('party')
    with op.batch_alter_table('affiliation_link', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_affiliation_link_organisation_id'))

    op.drop_table('affiliation_link')
    with op.batch_alter_table('affiliation', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_affiliation_person_id'))
        batch_op.drop_index('ix_affiliation_organisation_state')

    op.drop_table('affiliation')
