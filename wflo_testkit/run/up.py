"""Servers and leases of a project that are there without a test, for as long as somebody wants."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import SettingError, without_passwords
from wflo_testkit.settings.project import suggestion
from wflo_testkit.wait import pause

if TYPE_CHECKING:
    from wflo_testkit.run.session import RunSession

POLL = 1.0
"""Seconds between two looks at whether the servers still run."""


class Up:
    """What is up together.

    wanted: names of servers and leases; none means all that the project's file declares.
    say: shows a line to who waits. Raises SettingError for a name of neither.
    """

    def __init__(
        self, session: RunSession, wanted: list[str], *, say: Callable[[str], None]
    ) -> None:
        self._session = session
        self._say = say
        self._names = list(dict.fromkeys(wanted or chain(session.settings.servers, session.leases)))
        self._refuse_unknown()
        self._leases = [name for name in self._names if name in session.leases]
        self._servers = [name for name in self._names if name not in session.leases]

    def start(self) -> dict[str, str]:
        """Start all of it, side by side where the order allows; return name -> URL, if it has one.

        Says of each where it is, without passwords. Raises TestkitError.
        """
        session, urls = self._session, {}
        below = [session.leases[name].server for name in self._leases]
        for name in [*below, *self._servers]:
            session.begin(session.unique(session.spec(name)))
        for name in self._names:
            is_lease = name in self._leases
            found: Any = session.declared_lease(name) if is_lease else session.server(name)
            if places := _places(found):
                urls[name] = places[0]
            self._tell(name, without_passwords(" ".join(places)) or found.state)
        return urls

    def watch(self) -> None:
        """Stay for good; say which server ends, or runs again. Raises BrokerLost."""
        session, ends = self._session, dict.fromkeys(self._servers, "")
        while True:
            for name, before in ends.items():
                ends[name] = session.broker.ended(session.server(name).key)
                if ends[name] != before:
                    self._tell(name, ends[name] or "runs again")
            pause(POLL)

    def _tell(self, name: str, what: str) -> None:
        width = max(map(len, self._names))
        self._say(f"{name:<{width}}  {what}")

    def _refuse_unknown(self) -> None:
        known = [*self._session.servers, *self._session.leases]
        for name in self._names:
            if name not in known:
                what = f"no server and no lease is called {name!r}"
                raise self._refused(what, suggestion(name, known))
        if not self._names:
            what = "this project declares no server and no lease"
            raise self._refused(what, f"name some of {', '.join(known)}")

    def _refused(self, what: str, fix: str) -> SettingError:
        where = f"pyproject.toml in {self._session.rootdir}"
        return SettingError(what, looked_at=where, fix=fix)


def _places(found: Any) -> list[str]:
    """Return the URLs of a server, one for each port of a container of one's own, or of a lease."""
    urls = getattr(found, "urls", None)
    return [found.url] if urls is None else list(urls.values())
