"""The fixture `wflo_container`: a container that a fixture of the project's own describes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from wflo_testkit import services
from wflo_testkit.errors import SettingError
from wflo_testkit.outline import CONTAINER
from wflo_testkit.plugin.reporting import report_errors
from wflo_testkit.plugin.session import session_of
from wflo_testkit.settings.project import suggestion
from wflo_testkit.settings.values import checked

if TYPE_CHECKING:
    from wflo_testkit.model import Server, Spec
    from wflo_testkit.plugin.session import PluginSession
    from wflo_testkit.service import Service


def container(request: pytest.FixtureRequest) -> Callable[..., Server]:
    """Return what starts a container: `wflo_container("gateway", image=..., ports={...})`."""
    session = session_of(request.config)

    def start(what: Any, *, name: str = "", **words: Any) -> Any:
        with report_errors(session):
            row, is_object = services.row(CONTAINER), not isinstance(what, str)
            if is_object:
                name = name or _name_of(what)
                words["object"] = _described(what)
            spec = _spec(session, row, name or what, words)
            if is_object:
                session.tasks.learn_object(spec.name, what)
            return session.value(session.own(spec, row))

    return start


def _name_of(thing: Any) -> str:
    """Return what a Testcontainers object is called: its class, without `Container`."""
    plain = type(thing).__name__.removesuffix("Container") or "container"
    return plain.lower().replace("_", "-")


def _described(thing: Any) -> str:
    """Return a text that is equal for equal objects of all workers."""
    known = {name: getattr(thing, name, None) for name in ("image", "ports", "env")}
    ports, variables = sorted(known["ports"] or {}), sorted(known["env"] or {})
    home = f"{type(thing).__module__}:{type(thing).__qualname__}"
    return f"{home} {known['image']} {ports} {variables}"


def _spec(session: PluginSession, row: Service, name: str, words: Mapping[str, Any]) -> Spec:
    _refuse_name(session, name)
    values = _values(row, f"wflo_container({name!r})", words)
    values["root"] = str(session.process.config.rootpath)
    spec = session.resolved(row, name, values)
    for what, given in (("ready", values["ready"]), ("fill", values["fill"])):
        several = given if isinstance(given, list | tuple) else [given]
        if callables := [each for each in several if callable(each)]:
            session.tasks.learn(name, what, callables)
    return spec


def _refuse_name(session: PluginSession, name: str) -> None:
    problem = ""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name):
        problem = "it becomes a host name: lower-case letters, digits, single dashes"
    elif name in session.process.servers:
        problem = f"a server has that name already: the fixture {name}_server gives it"
    if problem:
        raise SettingError(
            f"a container cannot be called {name!r}",
            cause=problem,
            looked_at=f"wflo_container({name!r}, ...)",
            fix="call it otherwise",
        )


def _values(row: Service, where: str, words: Mapping[str, Any]) -> dict[str, Any]:
    options = {option.key.removeprefix(f"{CONTAINER}_"): option for option in row.options}
    values = {word: option.default for word, option in options.items()}
    for word, value in words.items():
        if word not in options:
            hint = row.hints.get(word)
            raise SettingError(
                f"a container has no {word!r}",
                looked_at=where,
                fix=f"write {hint}" if hint else suggestion(word, list(options)),
            )
        is_call = word == "fill" and callable(value)
        values[word] = value if is_call else checked(options[word], value, f"{word} of {where}")
    return values
