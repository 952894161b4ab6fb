"""The kit's own connection to a server: one, kept open.

Every test waits for a look through it, so commands are written to the library's connection, not
to its client, which borrows one for each pipeline: a look takes 0.24 ms, not 0.39 (measured).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wflo_testkit.errors import IsolationFailed, MissingExtra, ServiceUnavailable
from wflo_testkit.services.redis.remedies import remedy
from wflo_testkit.services.redis.server import RedisServer
from wflo_testkit.wait import WaitTimeout, wait_until

NAME = "wflo-testkit"
"""What the kit's connections are called in CLIENT LIST, but those to an external server."""

TIMEOUT = 30.0
"""Seconds for one answer: a script of a test may keep the server busy for a while."""

TIMEOUT_OF_ONE_TEST = 5.0
"""The same on a server of one test, which goes away with it: the test may have stopped it."""

SCRIPT_TIMEOUT = 30.0
"""Seconds that a script may keep the server busy: until it ends, or others' tests have ended."""

PAGE = 1000
"""Keys looked at in one step of a SCAN: a shared server must not be stopped for long."""
Command = tuple[str | int | bytes, ...]


def somebody() -> Sequence[str]:
    """Return whose script may run where nothing is known of that."""
    return ("whoever else uses the server",)


class Admin:
    """Runs commands as the server's administrator. Safe to use from several threads.

    others: says whose script may keep the server busy besides those of tests that are over; while
        it names anybody no script is ended.
    name: what the connection is called; on an external server the run can be told by it.
    """

    def __init__(
        self, server: RedisServer, others: Callable[[], Sequence[str]] = somebody, name: str = NAME
    ) -> None:
        try:
            import redis
        except ModuleNotFoundError as error:
            raise MissingExtra.of("a private part of Redis", "redis", "redis", error) from None
        self.name = name
        self._server = server
        self._others = others
        self._lock = threading.Lock()
        self._errors = (redis.RedisError,)
        self._lost = redis.ConnectionError
        timeout = TIMEOUT_OF_ONE_TEST if server.is_for_one_test else TIMEOUT
        account: dict[str, Any] = {"username": server.username, "password": server.password}
        self._client: Any = (
            redis.Redis(unix_socket_path=server.socket, socket_timeout=timeout, **account)
            if server.socket
            else redis.Redis.from_url(server.url, socket_timeout=timeout)
        )
        self._connection: Any = self._client.connection_pool.make_connection()
        self._is_named = False
        self._has_written = False

    def run(self, *commands: Command, patience: float | None = None) -> list[Any]:
        """Send `commands` in one round trip and return an answer for each.

        All of them run, also after one that fails. The connection is in the server's own database
        before and after. A script that runs for longer than Redis allows is ended first if it can
        be nobody else's.
        patience: seconds to wait for the end of such a script, SCRIPT_TIMEOUT by default.
        Raises IsolationFailed, and ServiceUnavailable for a denied command.
        """
        answers = self.tried(*commands, patience=patience)
        if errors := [each for each in answers if isinstance(each, Exception)]:
            raise self._translated(errors[0])
        return answers

    def tried(self, *commands: Command, patience: float | None = None) -> list[Any]:
        """Do the same, but return in its place the error that a command was answered with.

        Raises IsolationFailed.
        """
        try:
            with self._lock:
                return wait_until(
                    lambda: self._attempt(commands),
                    timeout=SCRIPT_TIMEOUT if patience is None else patience,
                    poll=0.005,
                    describe="end of a script",
                    catch=(),
                )
        except WaitTimeout:
            raise self._busy() from None
        except self._errors as error:
            raise self._translated(error) from None

    def _attempt(self, commands: tuple[Command, ...]) -> list[Any]:
        """Send; while a script keeps all out it is told to end, and nothing comes back."""
        try:
            answers = self._send(commands)
        except self._errors as error:
            if not _says_busy(error):
                raise
            answers = [error]
        if not any(_says_busy(each) for each in answers):
            return answers
        if not self._others():
            # An error says that it has ended by itself, or that it has written and cannot be ended.
            with contextlib.suppress(*self._errors):
                told = self._exchange((("SCRIPT KILL",), ("FUNCTION KILL",)))
                self._has_written = any("UNKILLABLE" in str(each) for each in told)
        return []

    def _send(self, commands: tuple[Command, ...]) -> list[Any]:
        selects = any(command[0] == "SELECT" for command in commands)
        home: tuple[Command, ...] = (("SELECT", self._server.address.db),) if selects else ()
        try:
            answers = self._exchange((*commands, *home))
        except self._lost:  # a test may end every connection, this one included
            answers = self._exchange((*commands, *home))
        return answers[: len(commands)]

    def _exchange(self, commands: tuple[Command, ...]) -> list[Any]:
        """Return each command's answer, or error; a connection with answers left is closed.

        A new one is named here, not by the library: while a script keeps the server busy it may
        log in, but be given no name.
        """
        naming: tuple[Command, ...] = () if self._is_named else (("CLIENT", "SETNAME", self.name),)
        connection = self._connection
        try:
            connection.send_packed_command(connection.pack_commands((*naming, *commands)))
            answers = [self._answer(str(command[0])) for command in (*naming, *commands)]
        except BaseException:
            self._is_named = False
            connection.disconnect()
            raise
        self._is_named = self._is_named or not isinstance(answers[0], Exception)
        return answers[len(naming) :]

    def _answer(self, command: str) -> Any:
        from redis.exceptions import ResponseError

        try:
            return self._client.parse_response(self._connection, command)
        except ResponseError as error:
            return error

    def pages(self, pattern: str) -> Iterator[list[bytes]]:
        """Yield the keys that match, in portions; those written meanwhile may be missing."""
        cursor: int = 0
        while True:
            [(cursor, keys)] = self.run(("SCAN", cursor, "MATCH", pattern, "COUNT", PAGE))
            if keys:
                yield keys
            if int(cursor) == 0:
                return

    def close(self) -> None:
        """Drop the connection."""
        with self._lock:
            self._connection.disconnect()
            self._client.close()

    def _translated(self, error: Exception) -> IsolationFailed | ServiceUnavailable:
        from redis.exceptions import NoPermissionError

        server = self._server
        if isinstance(error, NoPermissionError) or "unknown command" in str(error).lower():
            return ServiceUnavailable(
                f"the Redis server {server.name} does not let the kit make a user per test",
                cause=error,
                looked_at=self._place(),
                fix=f"grant it: {self._grant()}; or unset redis_url, and the kit starts a server",
            )
        return IsolationFailed(
            f"Redis {server.name} refused what a test's private part needs",
            cause=error,
            looked_at=self._place(),
            fix=remedy(error, server),
        )

    def _busy(self) -> IsolationFailed:
        """Return the error of a script that did not end in time; it says whose that may be."""
        others, name = self._others(), self._server.name
        whose = f"it may be of {' or '.join(others)}" if others else "a test that is over left it"
        why = "it was told to end"
        if others:
            why = "no script is ended while it may be another test's"
        elif self._has_written:
            why = "it has written, and such a script Redis ends by SHUTDOWN NOSAVE alone"
        return IsolationFailed(
            f"a script keeps Redis {name} busy and did not end",
            cause=f"{whose}; {why}",
            looked_at=self._place(),
            fix="let the script end, or give the test a server that nobody else uses: "
            f'@pytest.mark.wflo({name}="own_server")',
        )

    def _place(self) -> str:
        server = self._server
        return f"{server.host}:{server.port} as {server.username or 'default'!r}"

    def _grant(self) -> str:
        prefix = self._server.options.get("prefix", "")
        rules = "+acl|setuser +acl|deluser +acl|users +client|list +client|setname +scan +unlink"
        rules += " +select +ping"
        user = self._server.username or "default"
        return f"ACL SETUSER {user} {rules} ~{prefix}* (Redis 6 or newer)"


def _says_busy(answer: object) -> bool:
    return isinstance(answer, Exception) and "BUSY " in str(answer)
