"""What an isolation mode can do is said by the mode: nobody asks for one by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from wflo_testkit.services import table

PACKAGE = Path(__file__).parents[2] / "wflo_testkit"
CLASS = re.compile(r"isinstance\(.*Mode\)")
NAMES = {mode for service in table().values() for mode in service.modes}


def asked_for(source: str) -> Iterator[str]:
    """Yield each comparison with a mode's name, and each question for a mode's class."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            words = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
            subscripts = {
                c.slice.value
                for c in ast.walk(node)
                if isinstance(c, ast.Subscript) and isinstance(c.slice, ast.Constant)
            }
            if (words - subscripts) & NAMES:
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and CLASS.fullmatch(ast.unparse(node)):
            yield ast.unparse(node)


def test_no_file_does() -> None:
    found = {
        str(path.relative_to(PACKAGE)): asked
        for path in PACKAGE.rglob("*.py")
        if (asked := [*asked_for(path.read_text())])
    }

    # A verb of Kafka's topics, not the mode.
    assert found.pop("services/kafka/isolation.py", []) == ["verb not in ('create', 'told')"]
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        'if handle.mode == "rollback": pass',
        'x = mode in ("schema", "create")',
        "isinstance(mode, SchemaMode)",
        'wanted = name != "prefix"',
    ],
)
def test_one_that_did_would_be_found(source: str) -> None:
    assert [*asked_for(source)]
