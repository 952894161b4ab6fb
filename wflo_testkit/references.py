"""`{name.attribute}` in the texts of a spec: an address of another server, or of a lease.

As in the setting `env`: `{gateway.urls[http]}`, `{postgres.sqlalchemy_url:asyncpg}`. In two braces,
`{{redis.host}}`, it is another tool's, and stays.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from wflo_testkit.errors import SettingError
from wflo_testkit.model import Spec

_REFERENCE = re.compile(
    r"(?!(?<=\{)\{[^{}]*\}\})\{(?P<name>[a-z][a-z0-9_]*)\.(?P<attribute>[a-z]\w*)(?:\[(?P<key>\w+)\])?(?::(?P<given>[\w+.-]*))?\}"
)
_TEXTS = ("environment", "files", "secrets")
_WORDS = ("command", "entrypoint")


def names(spec: Spec, known: Collection[str]) -> list[str]:
    """Return what the texts of `spec` refer to, each once.

    Raises SettingError for a name that is not `known`; in files it is left alone, since templates
    of other tools look the same.
    """
    found: dict[str, None] = {}
    for where, text in _texts(spec):
        for each in _REFERENCE.finditer(text):
            if each["name"] in known:
                found[each["name"]] = None
            elif where != "files":
                raise _unknown(spec, each[0], where, each["name"], known)
    return list(found)


def found(spec: Spec) -> list[str]:
    """Return every name before a dot in braces, whether it is one or not."""
    texts = (text for _where, text in _texts(spec))
    return list(dict.fromkeys(each["name"] for text in texts for each in _REFERENCE.finditer(text)))


def hold(spec: Spec, words: Collection[str]) -> bool:
    """Say whether the texts of `spec` hold one of `words`."""
    return any(word in text for _where, text in _texts(spec) for word in words)


def filled(spec: Spec, values: Mapping[str, Any]) -> Spec:
    """Return `spec` with every reference to a name in `values` replaced.

    Raises SettingError for an attribute that is not there.
    """

    def fill(text: str) -> str:
        return _REFERENCE.sub(lambda found: _value(spec, found, values), text)

    if not values:
        return spec
    changed: dict[str, Any] = {
        name: {key: fill(text) for key, text in getattr(spec, name).items()} for name in _TEXTS
    }
    changed |= {name: tuple(map(fill, getattr(spec, name))) for name in _WORDS}
    return dataclasses.replace(spec, **changed)


def _texts(spec: Spec) -> Iterator[tuple[str, str]]:
    for name in _TEXTS:
        yield from ((name, text) for text in getattr(spec, name).values())
    for name in _WORDS:
        yield from ((name, text) for text in getattr(spec, name))


def value_of(target: Any, attribute: str, *, key: str = "", argument: str = "") -> Any:
    """Return what a server or a handle has under a name; a method is called.

    key: of what is found. argument: what to call it with. Raises Missing.
    """
    if attribute.startswith("_") or not hasattr(target, attribute):
        raise Missing(attribute, [each for each in dir(target) if not each.startswith("_")])
    value = getattr(target, attribute)
    if callable(value):
        value = value(argument) if argument else value()
    elif argument:
        raise Missing(f"{attribute}:{argument}", [attribute])
    if not key:
        return value
    if not isinstance(value, Mapping) or key not in value:
        raise Missing(key, list(value) if isinstance(value, Mapping) else [])
    return value[key]


class Missing(LookupError):
    """There is no such word. known: those that there are."""

    def __init__(self, word: str, known: list[str]) -> None:
        super().__init__(word)
        self.word = word
        self.known = known


def _value(spec: Spec, found: re.Match[str], values: Mapping[str, Any]) -> str:
    if found["name"] not in values:
        return found[0]
    target, key, argument = values[found["name"]], found["key"] or "", found["given"] or ""
    try:
        return str(value_of(target, found["attribute"], key=key, argument=argument))
    except Missing as error:
        raise _unknown(spec, found[0], "its texts", error.word, error.known) from None


def _unknown(
    spec: Spec, reference: str, where: str, word: str, known: Collection[str]
) -> SettingError:
    near = get_close_matches(word, known, n=1)
    return SettingError(
        f"{spec.name} refers to {reference}, which is nowhere",
        looked_at=f"{where} of the server {spec.name!r}",
        fix=(f"did you mean {near[0]!r}? " if near else "") + "known are " + ", ".join(known),
    )
