"""What a server runs: its service's answer to the settings, as `pytest_wflo_spec` leaves it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wflo_testkit.errors import SettingError, TestkitError
from wflo_testkit.model import MAIN, Spec

if TYPE_CHECKING:
    from pluggy import HookCaller

    from wflo_testkit.service import Service


def resolved(service: Service, name: str, values: Mapping[str, Any], hook: HookCaller) -> Spec:
    """Return what to run for the server `name`. Raises SettingError.

    What a service's row or a hook raises is that error's cause, but for a TestkitError.
    """
    try:
        spec = service.spec(name, values)
    except TestkitError:
        raise
    except Exception as error:
        raise SettingError(
            f"the service {service.name!r} cannot say what to run for {name!r}",
            cause=error,
            looked_at=f"its row's `spec`, with the settings {', '.join(sorted(values))}",
            fix="correct the settings, or the package that brings the service",
        ) from error
    try:
        # What somebody makes of it may reach other servers by name; the kit's own does not.
        changed = hook(spec=dataclasses.replace(spec, networked=True))
    except TestkitError:
        raise
    except (Exception, SystemExit) as error:
        raise _refused(name, "failed", error, hook) from error
    if changed is None:
        return spec
    if fault := _fault(changed, spec):
        raise _refused(name, "returned what cannot be run", fault, hook)
    return changed  # type: ignore[no-any-return]


def _fault(changed: Any, spec: Spec) -> str:
    """Say what is wrong with the hook's answer; "" if nothing is. Values may be secrets."""
    if not isinstance(changed, Spec):
        return f"a {type(changed).__name__} instead of a Spec"
    if (changed.service, changed.name) != (spec.service, spec.name):
        return "another `service` or `name` than it was given"
    try:
        Spec.from_json(changed.to_json())
        changed.fingerprint  # noqa: B018 - it has to be JSON
    except (TypeError, ValueError) as error:
        return str(error)
    needs_port = not (changed.external or changed.keeps_ports)
    return f"no port {MAIN!r}" if needs_port and MAIN not in changed.ports else ""


def _refused(name: str, what: str, cause: str | BaseException, hook: HookCaller) -> SettingError:
    codes = [getattr(each.function, "__code__", None) for each in hook.get_hookimpls()]
    places = [f"{code.co_filename}:{code.co_firstlineno}" for code in codes if code]
    return SettingError(
        f"the hook pytest_wflo_spec {what} for the server {name!r}",
        cause=cause,
        looked_at=f"pytest_wflo_spec in {', '.join(places) or 'a plugin'}",
        fix="return None, or dataclasses.replace(spec, ...) with fields as wflo_testkit.Spec "
        "describes them",
    )
