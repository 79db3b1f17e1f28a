"""Training"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

STATES = ('open', 'proposed', 'confirmed', 'rejected')


def _attendance_may_be(states: tuple[str, ...]) -> None:
    with op.batch_alter_table('attendance', schema=None) as batch_op:
        name = op.f('ck_attendance_hoursstate')
        batch_op.drop_constraint(name, type_='check')
        batch_op.create_check_constraint(name, sa.column('state').in_(states))


def upgrade() -> None:
    op.create_table('course',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('field_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.String(length=64), nullable=True),
    sa.Column('state', sa.Enum('draft', 'open', 'closed', name='coursestate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('names', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('about', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('teacher', sa.String(length=80), nullable=False),
    sa.Column('online', sa.Boolean(), nullable=False),
    sa.Column('sessions', sa.Integer(), nullable=True),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('service', sa.Boolean(), nullable=False),
    sa.Column('quiz', sa.Boolean(), nullable=False),
    sa.Column('pass_mark', sa.Integer(), nullable=False),
    sa.Column('skill_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('kind_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('months', sa.Integer(), nullable=True),
    sa.Column('created_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('NOT online OR quiz', name=op.f('ck_course_online')),
    sa.CheckConstraint('minutes >= 0', name=op.f('ck_course_minutes')),
    sa.CheckConstraint('months >= 1', name=op.f('ck_course_months')),
    sa.CheckConstraint('pass_mark BETWEEN 1 AND 100', name=op.f('ck_course_pass_mark')),
    sa.CheckConstraint('sessions >= 1', name=op.f('ck_course_sessions')),
    sa.ForeignKeyConstraint(['created_by_id'], ['person.id'], name=op.f('fk_course_created_by_id')),
    sa.ForeignKeyConstraint(['field_id'], ['service_field.id'], name=op.f('fk_course_field_id')),
    sa.ForeignKeyConstraint(['kind_id'], ['qualification_kind.id'], name=op.f('fk_course_kind_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_course_organisation_id')),
    sa.ForeignKeyConstraint(['skill_id'], ['skill.id'], name=op.f('fk_course_skill_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_course')),
    sa.UniqueConstraint('code', name=op.f('uq_course_code'))
    )
    with op.batch_alter_table('course', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_course_kind_id'), ['kind_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_course_organisation_id'), ['organisation_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_course_skill_id'), ['skill_id'], unique=False)
        batch_op.create_index('ix_course_state_organisation', ['state', 'organisation_id'], unique=False)

    op.create_table('course_material',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('course_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.Enum('text', 'link', 'photo', 'document', name='materialkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('names', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('content', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_course_material_course_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_course_material'))
    )
    with op.batch_alter_table('course_material', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_course_material_course_id'), ['course_id'], unique=False)

    op.create_table('question',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('course_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('text', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('options', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('solution', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('explanation', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_question_course_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_question'))
    )
    with op.batch_alter_table('question', schema=None) as batch_op:
        batch_op.create_index('ix_question_course', ['course_id', 'retired_at', 'position'], unique=False)

    op.create_table('quiz_attempt',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('course_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('questions', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('answers', sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column('at', sa.Integer(), nullable=False),
    sa.Column('score', sa.Integer(), nullable=True),
    sa.Column('passed', sa.Boolean(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_quiz_attempt_course_id')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_quiz_attempt_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_quiz_attempt'))
    )
    with op.batch_alter_table('quiz_attempt', schema=None) as batch_op:
        batch_op.create_index('ix_quiz_attempt_person', ['person_id', 'course_id', 'finished_at'], unique=False)
        batch_op.create_index('uq_quiz_attempt_open', ['course_id', 'person_id'], unique=True, sqlite_where=sa.text('finished_at IS NULL'), postgresql_where=sa.text('finished_at IS NULL'))

    op.create_table('completion',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('course_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('activity_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('basis', sa.String(length=40), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('minutes', sa.Integer(), nullable=False),
    sa.Column('score', sa.Integer(), nullable=True),
    sa.Column('expires_on', sa.Date(), nullable=True),
    sa.Column('by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.ForeignKeyConstraint(['activity_id'], ['activity.id'], name=op.f('fk_completion_activity_id')),
    sa.ForeignKeyConstraint(['by_id'], ['person.id'], name=op.f('fk_completion_by_id')),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_completion_course_id')),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_completion_person_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_completion')),
    sa.UniqueConstraint('person_id', 'course_id', 'basis', name=op.f('uq_completion_person_id_course_id_basis'))
    )
    with op.batch_alter_table('completion', schema=None) as batch_op:
        batch_op.create_index('ix_completion_course', ['course_id', 'at'], unique=False)

    op.create_table('course_run',
    sa.Column('activity_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('course_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.ForeignKeyConstraint(['activity_id'], ['activity.id'], name=op.f('fk_course_run_activity_id')),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_course_run_course_id')),
    sa.PrimaryKeyConstraint('activity_id', name=op.f('pk_course_run'))
    )
    with op.batch_alter_table('course_run', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_course_run_course_id'), ['course_id'], unique=False)

    op.create_table('required_course',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('course_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('field_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('activity_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('slot', sa.String(length=32), nullable=False),
    sa.Column('set_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('field_id IS NULL OR activity_id IS NULL', name=op.f('ck_required_course_one_thing')),
    sa.ForeignKeyConstraint(['activity_id'], ['activity.id'], name=op.f('fk_required_course_activity_id')),
    sa.ForeignKeyConstraint(['course_id'], ['course.id'], name=op.f('fk_required_course_course_id')),
    sa.ForeignKeyConstraint(['field_id'], ['service_field.id'], name=op.f('fk_required_course_field_id')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_required_course_organisation_id')),
    sa.ForeignKeyConstraint(['set_by_id'], ['person.id'], name=op.f('fk_required_course_set_by_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_required_course')),
    sa.UniqueConstraint('organisation_id', 'slot', name=op.f('uq_required_course_organisation_id_slot'))
    )
    with op.batch_alter_table('required_course', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_required_course_activity_id'), ['activity_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_required_course_course_id'), ['course_id'], unique=False)

    with op.batch_alter_table('qualification', schema=None) as batch_op:
        batch_op.add_column(sa.Column('first_by_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.add_column(sa.Column('course_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_qualification_first_by_id'), 'person', ['first_by_id'], ['id'])
        batch_op.create_foreign_key(batch_op.f('fk_qualification_course_id'), 'course', ['course_id'], ['id'])

    _attendance_may_be((*STATES, 'training'))


def downgrade() -> None:
    op.execute("UPDATE attendance SET state = 'rejected' WHERE state = 'training'")
    _attendance_may_be(STATES)
    with op.batch_alter_table('qualification', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_qualification_course_id'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('fk_qualification_first_by_id'), type_='foreignkey')
        batch_op.drop_column('course_id')
        batch_op.drop_column('first_by_id')

    with op.batch_alter_table('required_course', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_required_course_course_id'))
        batch_op.drop_index(batch_op.f('ix_required_course_activity_id'))

    op.drop_table('required_course')
    with op.batch_alter_table('course_run', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_course_run_course_id'))

    op.drop_table('course_run')
    with op.batch_alter_table('completion', schema=None) as batch_op:
        batch_op.drop_index('ix_completion_course')

    op.drop_table('completion')
    with op.batch_alter_table('quiz_attempt', schema=None) as batch_op:
        batch_op.drop_index('uq_quiz_attempt_open', sqlite_where=sa.text('finished_at IS NULL'), postgresql_where=sa.text('finished_at IS NULL'))
        batch_op.drop_index('ix_quiz_attempt_person')

    op.drop_table('quiz_attempt')
    with op.batch_alter_table('question', schema=None) as batch_op:
        batch_op.drop_index('ix_question_course')

    op.drop_table('question')
    with op.batch_alter_table('course_material', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_course_material_course_id'))

    op.drop_table('course_material')
    with op.batch_alter_table('course', schema=None) as batch_op:
        batch_op.drop_index('ix_course_state_organisation')
        batch_op.drop_index(batch_op.f('ix_course_skill_id'))
        batch_op.drop_index(batch_op.f('ix_course_organisation_id'))
        batch_op.drop_index(batch_op.f('ix_course_kind_id'))

    op.drop_table('course')
