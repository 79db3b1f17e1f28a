"""Words for messages to many; roles suspended while a phone is lost"""

import sqlalchemy as sa
from alembic import op

revision = '0040'
down_revision = '0035'
branch_labels = None
depends_on = None


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table('suspended_role',
        sa.Column('id', key, nullable=False),
        sa.Column('person_id', key, nullable=False),
        sa.Column('organisation_id', key, nullable=False),
        sa.Column('kind', sa.Enum('core_volunteer', 'team_leader', 'coordinator', 'commander', 'administrator', name='rolekind', native_enum=False, create_constraint=True, length=24), nullable=False),
        sa.Column('granted_by_id', key, nullable=True),
        sa.Column('granted_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('suspended_by_id', key, nullable=False),
        sa.Column('suspended_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(['granted_by_id'], ['person.id'], name=op.f('fk_suspended_role_granted_by_id')),
        sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_suspended_role_organisation_id')),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_suspended_role_person_id')),
        sa.ForeignKeyConstraint(['suspended_by_id'], ['person.id'], name=op.f('fk_suspended_role_suspended_by_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_suspended_role'))
    )
    with op.batch_alter_table('suspended_role', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_suspended_role_person_id'), ['person_id'], unique=False)

    op.create_table('watchword',
        sa.Column('person_id', key, autoincrement=False, nullable=False),
        sa.Column('digest', sa.LargeBinary(), nullable=False),
        sa.Column('chosen_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('counts_from', sa.DateTime(timezone=True), nullable=False),
        sa.Column('wrong', sa.Integer(), nullable=False),
        sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_watchword_person_id')),
        sa.PrimaryKeyConstraint('person_id', name=op.f('pk_watchword'))
    )


def downgrade() -> None:
    op.drop_table('watchword')
    with op.batch_alter_table('suspended_role', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_suspended_role_person_id'))

    op.drop_table('suspended_role')
