"""Matching"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

SAID = ('skills', 'qualifications', 'spoken', 'latitude', 'longitude', 'organisation_id', 'born',
        'silent_from', 'silent_for', 'when_critical', 'reach')


def upgrade() -> None:
    """Postings are copies: `muster init` makes them anew when it finds that some are missing."""
    op.drop_table('posting')
    op.create_table('posting',
    sa.Column('attribute', sa.Integer(), nullable=False),
    sa.Column('cell', sa.BigInteger(), nullable=False),
    sa.Column('person_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('skills', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('qualifications', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('spoken', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('latitude', sa.Double(), nullable=False),
    sa.Column('longitude', sa.Double(), nullable=False),
    sa.Column('organisation_id', sa.Integer(), nullable=False),
    sa.Column('born', sa.Date(), nullable=True),
    sa.Column('silent_from', sa.SmallInteger(), nullable=False),
    sa.Column('silent_for', sa.SmallInteger(), nullable=False),
    sa.Column('when_critical', sa.Boolean(), nullable=False),
    sa.Column('reach', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], name=op.f('fk_posting_person_id')),
    sa.PrimaryKeyConstraint('attribute', 'cell', 'person_id', name=op.f('pk_posting'), postgresql_include=SAID),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('posting', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_posting_person_id'), ['person_id'], unique=False)

    op.create_table('posting_frequency',
    sa.Column('attribute', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('people', sa.Integer(), nullable=False),
    sa.Column('places', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.PrimaryKeyConstraint('attribute', name=op.f('pk_posting_frequency'))
    )


def downgrade() -> None:
    op.drop_table('posting_frequency')
    op.drop_table('posting')
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
