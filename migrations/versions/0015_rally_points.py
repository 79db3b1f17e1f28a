"""Rally points of organisations; finding in the audit log"""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('rally_point',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('organisation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('note', sa.String(length=200), nullable=False),
    sa.Column('latitude', sa.Double(), nullable=False),
    sa.Column('longitude', sa.Double(), nullable=False),
    sa.CheckConstraint('latitude BETWEEN -90 AND 90', name=op.f('ck_rally_point_latitude')),
    sa.CheckConstraint('longitude BETWEEN -180 AND 180', name=op.f('ck_rally_point_longitude')),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisation.id'], name=op.f('fk_rally_point_organisation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rally_point')),
    sa.UniqueConstraint('organisation_id', 'name', name=op.f('uq_rally_point_organisation_id_name'))
    )
    with op.batch_alter_table('organisation', schema=None) as batch_op:
        batch_op.add_column(sa.Column('edited', sa.Boolean(), nullable=False, server_default=sa.false()))

    with op.batch_alter_table('group', schema=None) as batch_op:
        batch_op.add_column(sa.Column('bound_at', sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index('ix_audit_entry_at', ['at', 'id'], unique=False)
        batch_op.create_index('ix_audit_entry_organisation', ['organisation_id', 'at', 'id'], unique=False)
        batch_op.create_index('ix_audit_entry_action', ['action', 'at', 'id', 'organisation_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.drop_index('ix_audit_entry_action')
        batch_op.drop_index('ix_audit_entry_organisation')
        batch_op.drop_index('ix_audit_entry_at')

    with op.batch_alter_table('group', schema=None) as batch_op:
        batch_op.drop_column('bound_at')

    with op.batch_alter_table('organisation', schema=None) as batch_op:
        batch_op.drop_column('edited')

    op.drop_table('rally_point')
