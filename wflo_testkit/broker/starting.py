"""Starts a container for a spec and waits until it serves."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from wflo_testkit import readiness
from wflo_testkit.errors import ServiceUnavailable, SettingError, StartFailed, TestkitError
from wflo_testkit.model import Server, Spec
from wflo_testkit.runtime.containers import Containers
from wflo_testkit.runtime.images import ResolvedImage
from wflo_testkit.runtime.running import Running
from wflo_testkit.runtime.watched import Watched
from wflo_testkit.service import Service
from wflo_testkit.wait import Deadline, WaitTimeout, clock, wait_until

if TYPE_CHECKING:
    from wflo_testkit.broker.warming import Warming
    from wflo_testkit.runtime.warm.order import Warm

POLL = 0.03
EXTERNAL_TIMEOUT = 10.0
LOG_LINES = 20


class Starter:
    """Starts servers among `containers`. Safe to use from several threads.

    warming: where warm images are found; None starts every server from its own image.
    """

    def __init__(self, containers: Containers, warming: Warming | None = None) -> None:
        self.containers = containers
        self._warming = warming

    def start(self, spec: Spec, service: Service) -> Server:
        """Return a ready server. Raises what Containers.start raises, and StartFailed."""
        began = clock.monotonic()
        image = self.containers.image(spec)
        server = self._warmly(spec, service, image) or self._ready(spec, service, image)
        return dataclasses.replace(server, seconds=clock.monotonic() - began)

    def _warmly(self, spec: Spec, service: Service, image: ResolvedImage) -> Server | None:
        """Return a server that was started from a warm image; None if there is no good one."""
        if self._warming is None:
            return None
        warm = self._warming.find(spec, service, self.containers, image)
        if warm is None:
            return None
        try:
            return self._ready(spec, service, image, warm)
        except StartFailed:
            if self.containers.are_ending or not self._is_to_blame(warm, spec, self._warming):
                raise
            # So that another can have its name.
            self.containers.remove(self.containers.name(spec))
        return None

    def _is_to_blame(self, warm: Warm, spec: Spec, warming: Warming) -> bool:
        """Tell whether it may help to do without a warm image from which a start has failed.

        Where one that is good was started and does not answer, as at a wrong address, another
        would not answer either. What a daemon that is lost would say stays open.
        """
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            return self._is_out_of_use(warm, spec, warming)
        except (DockerException, RequestException):
            return False

    def _is_out_of_use(self, warm: Warm, spec: Spec, warming: Warming) -> bool:
        """Tell whether no server runs from an image, or none should; then others use it no more.

        It is taken away from them only if its server has ended by itself, or if it says so itself.
        """
        if warming.is_gone(warm, self.containers):
            return True
        state = self.containers.state(self.containers.name(spec))
        fault = f"its server {state}" if state.ended_by_itself else ""
        if fault := fault or warming.fault(warm, self.containers):
            warming.reject(warm, self.containers, fault)
        return bool(fault) or state.status != "running"

    def _ready(
        self, spec: Spec, service: Service, image: ResolvedImage, warm: Warm | None = None
    ) -> Server:
        password = warm.password if warm is not None else secrets.token_hex(16)
        running = self.containers.start(spec, password, image, warm)
        server = _server(spec, service, running, password)
        self.wait(spec, service, server, running, warm)
        return server

    def replica(self, spec: Spec, service: Service, server: Server, number: int) -> Running:
        """Start one more container of a server; return it when it is ready. Raises like `start`."""
        image = self.containers.image(spec)
        running = self.containers.start(spec, server.password, image, number=number)
        self.wait(spec, service, server, running)
        return running

    def wait(
        self,
        spec: Spec,
        service: Service,
        server: Server,
        running: Running,
        warm: Warm | None = None,
    ) -> None:
        """Return when a container that was started is ready. Raises StartFailed, SettingError."""
        server = dataclasses.replace(server, host=running.host, ports=dict(running.ports))
        deadline = Deadline(spec.startup_timeout)
        self._wait_for(lambda: answers(service, server), deadline, spec, running, warm)
        for each in spec.ready:
            own = Deadline(each["timeout"]) if "timeout" in each else deadline
            check = partial(readiness.check, each, Watched(self.containers, running))
            self._wait_for(check, own, spec, running, warm)

    def _wait_for(
        self,
        check: Callable[[], bool],
        deadline: Deadline,
        spec: Spec,
        running: Running,
        warm: Warm | None,
    ) -> None:
        def is_so() -> bool | SettingError:
            try:
                return check()
            except SettingError as error:
                return error  # it never will be

        try:
            answer = wait_until(
                is_so,
                timeout=deadline.left,
                poll=POLL,
                describe=spec.name,
                give_up=lambda: self.raise_if_dead(spec, running),
            )
        except WaitTimeout as error:
            raise self._too_slow(spec, deadline, running, error.__cause__, warm) from None
        if isinstance(answer, SettingError):
            raise answer

    def raise_if_dead(self, spec: Spec, running: Running) -> None:
        """Raise StartFailed with what is known of a container that has ended, but for a job."""
        state = self.containers.state(running.id)
        is_done = readiness.is_job(spec) and state.has_succeeded
        if not state.alive and not is_done:
            remedy = "give Docker more memory, or " if state.out_of_memory else ""
            raise self._failed(f"{spec.name} ({running.image}) {state}", running, None, remedy)

    def _too_slow(
        self,
        spec: Spec,
        deadline: Deadline,
        running: Running,
        last: BaseException | None,
        warm: Warm | None,
    ) -> StartFailed:
        what = f"{spec.name} ({running.image}) was not ready after {deadline.seconds:g} s"
        cold = "start it without its warm image (warm_images = false), " if warm else ""
        setting = f"the setting {spec.service}_startup_timeout"
        if spec.keeps_ports:
            setting = "its startup_timeout, or the timeout of its `ready`"
        return self._failed(what, running, last, f"raise {setting}, {cold}or ")

    def _failed(
        self, what: str, running: Running, last: BaseException | None, remedy: str = ""
    ) -> StartFailed:
        logs = self.containers.logs(running.id, tail=LOG_LINES).rstrip() or "(no output)"
        probe = f"last probe: {type(last).__name__}: {last}\n" if last else ""
        ports = ", ".join(f"{running.host}:{port}" for port in running.ports.values())
        return StartFailed(
            what,
            cause=f"{probe}last log lines:\n{logs}",
            looked_at=f"{ports}, container {running.id[:12]}",
            fix=f"{remedy}run `wflo-testkit doctor`",
        )


def connect(spec: Spec, service: Service) -> Server:
    """Return the external server of `spec` once it answers. Raises ServiceUnavailable."""
    if spec.unique and not spec.per_process:
        raise ServiceUnavailable(
            f"a test asks for a {spec.name} server of its own, but {spec.name} is external",
            cause="what it may do to a whole server would be done to one that others use",
            looked_at=f"server {spec.name!r}: an address is set, so none is started",
            fix="leave the test out of this run, or unset the address",
        )
    server = dataclasses.replace(_external(spec, service), key=spec.fingerprint)
    try:
        wait_until(lambda: answers(service, server), timeout=EXTERNAL_TIMEOUT, describe=spec.name)
    except WaitTimeout as error:
        address = f"{server.host}:{server.port}"
        raise ServiceUnavailable(
            f"the external {spec.service} server at {address} does not answer",
            cause=error.__cause__,
            looked_at=f"{address} (server {spec.name!r}: an address is set, so none was started)",
            fix="start that server, correct the address, or unset it to get a container",
        ) from None
    return server


def _external(spec: Spec, service: Service) -> Server:
    """Return what the service reads from an address, which a hook may have set unchecked."""
    if service.external is None:
        raise ServiceUnavailable(
            f"{spec.name} cannot be external: the kit has to start it",
            cause=f"the service {spec.service!r} has no `external`",
            looked_at="the hook pytest_wflo_spec, which gave the spec an address",
            fix="unset the address, or give the service's row an `external`",
        )
    try:
        return service.external(spec)
    except TestkitError:
        raise
    except Exception as error:
        raise SettingError(
            f"the address of the external server {spec.name!r} cannot be used",
            cause=error,
            looked_at=f"{spec.external!r} of a {spec.service} server",
            fix="write it as the setting for such an address takes it",
        ) from error


def answers(service: Service, server: Server) -> bool:
    """Return True once the server can be used. Raises what its probe raises until then."""
    service.probe(server)
    return True


def _server(spec: Spec, service: Service, running: Running, password: str) -> Server:
    return service.server(
        service=spec.service,
        name=spec.name,
        host=running.host,
        ports=dict(running.ports),
        sockets=running.sockets,
        internal_host=running.internal_host,
        internal_ports=dict(spec.ports),
        username=spec.username,
        password=password if _uses_password(spec) else "",
        options=dict(spec.options),
        container_id=running.id,
        on_network=running.network,
        image=running.image,
        origin=running.origin,
        is_for_one_test=bool(spec.unique) and not spec.per_process,
        key=spec.fingerprint,
    )


def _uses_password(spec: Spec) -> bool:
    texts = (
        *spec.command,
        *spec.environment.values(),
        *spec.files.values(),
        *spec.secrets.values(),
    )
    return any(mark in text for text in texts for mark in ("{password}", "{password_sha256}"))
