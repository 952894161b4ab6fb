"""A full dump of a database, catalogs and content, short enough to make hundreds of.

Independent of the kit: it believes no counters and reads everything. A clone has its template's
object ids, so the rows of catalogs can be compared as they are, but for the owner that they name:
each clone has its own.
"""

from __future__ import annotations

from typing import Any

import psycopg

from wflo_testkit.services.postgres import PostgresServer

_RELATIONS = """SELECT c.oid::int8, c.relkind::text, n.nspname, c.relname,
        format('%I.%I', n.nspname, c.relname), EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = c.oid AND c.oid < 16384 AND attname ~ '(owner|acl)$')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'S') AND NOT c.relisshared AND n.nspname !~ '^pg_toast'
    ORDER BY 1"""
# Rows of the server's own in the largest catalogs are known by place and writer: reading them all
# as text takes five times as long.
_OWN = {
    **dict.fromkeys(
        ("pg_proc", "pg_type", "pg_operator", "pg_rewrite", "pg_collation", "pg_class"), "oid"
    ),
    **dict.fromkeys(("pg_amop", "pg_amproc", "pg_cast", "pg_opclass", "pg_opfamily"), "oid"),
    "pg_statistic": "starelid",
    "pg_attribute": "attrelid",
    "pg_description": "objoid",
    "pg_depend": "objid",
}
# What VACUUM writes there is of no consequence, and the number of the file of none either.
_WITHOUT = {"pg_class": "(to_jsonb(r) - ARRAY['relfrozenxid', 'relminmxid', 'relfilenode'])::text"}
_AROUND = """
    SELECT 'row of the database', concat_ws(' ', datconnlimit, datallowconn, datistemplate,
            replace(datacl::text, '{user}', 'IT'), datcollversion,
            replace(pg_get_userbyid(datdba), '{user}', 'IT'))
        FROM pg_database WHERE datname = '{database}'
    UNION ALL SELECT 'settings', string_agg(s::text, ' ' ORDER BY s::text) FROM (
        SELECT setconfig FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = '{database}')
            OR setrole = (SELECT oid FROM pg_roles WHERE rolname = '{user}')
            OR setdatabase = 0 AND setrole = 0) s
    UNION ALL SELECT 'comment', shobj_description(oid, 'pg_database')
        FROM pg_database WHERE datname = '{database}'
    UNION ALL SELECT 'roles', string_agg(concat_ws(' ', rolname, rolsuper, rolcreaterole,
            rolcreatedb, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil), ', '
            ORDER BY rolname)
        FROM pg_roles WHERE rolname !~ '^(pg|wflo)_'
    UNION ALL SELECT 'my role', concat_ws(' ', rolsuper, rolcreaterole, rolcreatedb, rolcanlogin,
            rolconnlimit, rolvaliduntil)
        FROM pg_roles WHERE rolname = '{user}'
    UNION ALL SELECT 'memberships', string_agg(concat_ws(' ', r.rolname, u.rolname,
            m.admin_option), ', ' ORDER BY m::text)
        FROM pg_auth_members m
        JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
        WHERE u.rolname !~ '^(pg|wflo)_' OR r.rolname !~ '^(pg|wflo)_'
    UNION ALL SELECT 'my memberships', string_agg(pg_get_userbyid(roleid), ' ')
        FROM pg_auth_members WHERE pg_get_userbyid(member) = '{user}'
    UNION ALL SELECT 'labels', count(*)::text FROM pg_shseclabel WHERE objoid =
        (SELECT oid FROM pg_database WHERE datname = '{database}')
    UNION ALL SELECT 'tablespaces', string_agg(spcname, ' ' ORDER BY 1) FROM pg_tablespace
    UNION ALL SELECT 'databases', string_agg(datname, ' ' ORDER BY datname)
        FROM pg_database WHERE datname !~ '^wflo_'
    UNION ALL SELECT 'prepared', count(*)::text FROM pg_prepared_xacts
        WHERE database = '{database}'
    UNION ALL SELECT 'slots', count(*)::text FROM pg_replication_slots
        WHERE database = '{database}' OR database IS NULL
    UNION ALL SELECT 'subscriptions', count(*)::text FROM pg_subscription
        WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = '{database}')
    UNION ALL SELECT 'system settings', string_agg(name || '=' || setting, ' ' ORDER BY name)
        FROM pg_file_settings WHERE sourcefile ~ 'auto.conf$'
    UNION ALL SELECT 'locks', count(*)::text FROM pg_locks WHERE pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = '{database}')
    UNION ALL SELECT 'sessions of tests', count(*)::text FROM pg_stat_activity
        WHERE datname = '{database}' AND application_name <> 'wflo-testkit'
            AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def dump(server: PostgresServer, database: str, user: str) -> dict[str, Any]:
    """Return name -> what is there: every catalog, table, sequence, and what lies around it."""
    keywords: Any = {**server.address.keywords(), "dbname": database}
    options = "-csearch_path=pg_catalog -cdefault_transaction_read_only=off -cstatement_timeout=0"
    with psycopg.connect(**keywords, autocommit=True, options=options) as connection:
        relations = connection.execute(_RELATIONS.encode()).fetchall()
        role = connection.execute("SELECT %s::regrole::oid", (f'"{user}"',)).fetchone()
        me = f"{role[0]}|{user}" if role else user
        query = " UNION ALL ".join(_query(*relation[1:], me) for relation in relations)
        around = _AROUND.format(database=database, user=user)
        rows = [*connection.execute(query.encode()), *connection.execute(around.encode())]
    return dict(rows)


def differences(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what is not the same in both, with both values."""
    return {
        name: (first.get(name), second.get(name))
        for name in first.keys() | second.keys()
        if first.get(name) != second.get(name)
    }


def _query(kind: str, schema: str, name: str, full: str, owned: bool, me: str) -> str:
    """Return the query for one relation. owned: it has owners; me: one, as id or name."""
    literal = full.replace("'", "''")
    if kind == "S":
        return f"SELECT '{literal}', last_value || '/' || is_called FROM {full}"
    if schema not in ("pg_catalog", "information_schema"):
        return f"""SELECT '{literal}',
            count(*) || '/' || coalesce(md5(string_agg((r.*)::text, ' ' ORDER BY ctid)), '')
            FROM ONLY {full} r"""
    text = _WITHOUT.get(name, "(r.*)::text")
    if owned:
        text = f"regexp_replace({text}, '\\m({me})\\M', 'ME', 'g')"
    if key := _OWN.get(name):
        text = f"CASE WHEN r.{key} < 16384 THEN concat(r.ctid, r.xmin) ELSE {text} END"
    return f"""SELECT '{literal}',
        count(*) || '/' || coalesce(sum(hashtextextended({text}, 0)), 0) FROM {full} r"""
