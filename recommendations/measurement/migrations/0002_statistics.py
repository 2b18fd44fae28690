"""Keeps PostgreSQL's statistics of assignments up to date: a new flow is a small part of the table, but not a small group.

By the defaults, the table is analyzed after a tenth of it has changed. Until then, PostgreSQL expects one row of a flow that it does not know,
and joins thousands of customers to their orders by nested loops.
"""

from django.db import migrations

SET = """
ALTER TABLE measurement_assignment SET (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500);
CREATE STATISTICS measurement_assignment_scope (dependencies, mcv) ON kind, scope_id FROM measurement_assignment;
"""
RESET = """
ALTER TABLE measurement_assignment RESET (autovacuum_analyze_scale_factor, autovacuum_analyze_threshold);
DROP STATISTICS measurement_assignment_scope;
"""


class Migration(migrations.Migration):
    dependencies = [("measurement", "0001_initial")]

    operations = [migrations.RunSQL(SET, RESET)]
