"""Templates that stay on a server for later runs, with the roles that own what is inside.

One that is finished loses its run's name in one transaction with its role: whoever kills the run
leaves either a template of the run, which is swept, or one for all. None is ever dropped but with
the server, so that no run can lose the one that it uses.
"""

from __future__ import annotations

from wflo_testkit.services.postgres.accounts import quoted
from wflo_testkit.services.postgres.admin import Admin
from wflo_testkit.services.postgres.names import READY

LIMIT = 8
"""Templates that stay on a server, at most; they are in memory."""

_EVERY = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
# In the image of a server one role owns what is inside; of a run's template one of its name.
_FINISHED = """SELECT rolname FROM pg_database, pg_roles
    WHERE datname = %s AND datistemplate AND NOT datallowconn AND rolname IN (datname, %s)
    ORDER BY length(rolname) DESC LIMIT 1"""


class KeptTemplates:
    """Finds and keeps them as the administrator. Safe to use from several threads."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._owners: dict[str, str] = {}

    def owner(self, template: str) -> str:
        """Return the role that owns what is inside, if that is not the run's; else ""."""
        return self._owners.get(template, "")

    def belongs(self, template: str, role: str) -> None:
        """Note the role that fills a template and owns what is inside."""
        self._owners[template] = role

    def ready(self) -> list[str]:
        """Return those that are on the server."""
        return [name for (name,) in self._admin.rows(_EVERY, (READY.stem,))]

    def find(self, fingerprint: str) -> str:
        """Return the finished template of a schema; "" if there is none."""
        name = READY.template(fingerprint)
        found = self._admin.rows(_FINISHED, (name, READY.role))
        for (role,) in found:
            self.belongs(name, role)
        return name if found else ""

    def keep(self, template: str, fingerprint: str) -> str:
        """Leave a finished template to all runs; return what it is called from now on.

        It stays its run's where there are enough, or where another run was quicker.
        """
        name = READY.template(fingerprint)
        if len(self.ready()) >= LIMIT or not self._renamed(template, name):
            return template
        self.belongs(name, name)
        return name

    def _renamed(self, name: str, new: str) -> bool:
        """Rename a template and the role of that name: both, or neither."""
        from psycopg import errors

        each, other = quoted(name), quoted(new)
        try:
            with self._admin.connection() as connection, connection.transaction():
                connection.execute(f"ALTER ROLE {each} NOLOGIN PASSWORD NULL".encode())
                connection.execute(f"ALTER ROLE {each} RENAME TO {other}".encode())
                connection.execute(f"ALTER DATABASE {each} RENAME TO {other}".encode())
        except (errors.DuplicateObject, errors.DuplicateDatabase, errors.ObjectInUse):
            return False
        return True
