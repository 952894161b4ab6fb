"""Write docs/settings.md from the table of options; `--check` only says whether it is current."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from generated import update

from wflo_testkit import services, settings
from wflo_testkit.service import Option
from wflo_testkit.settings.values import Duration

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
INTRO = """\
<!-- Written by scripts/settings_doc.py. Change the options or that script, not this file. -->

# Settings

A setting has one name. It can be set in four places; the stronger one wins:

1. the default,
2. `[tool.wflo-testkit]` in the `pyproject.toml` of pytest's root folder,
3. the environment, as `WFLO_TESTKIT_` and the name in capitals,
4. the command line, as `--wflo-` and the name with dashes.

After all of them comes the hook `pytest_wflo_spec(spec)` in a `conftest.py`: it gets the `Spec` of
a server and returns another one, or `None`. One that raises, or returns anything else, fails the
tests that use that server, and the error names it.

- An unknown name in the file is an error that names the nearest known one. An unknown
  `WFLO_TESTKIT_` variable is only reported.
- A variable that is empty counts as not set.
- On and off are `1`, `true`, `yes`, `on` and `0`, `false`, `no`, `off`. Lists are separated by
  commas in a variable, tables are JSON objects there.
- `reuse` in the file or the environment is ignored where `CI` is set; `--wflo-reuse` is obeyed.

`wflo-testkit doctor` lists what is set here, and where.

## What a run would start

```console
$ pytest --wflo-specs=json
```

prints the `Spec` of each server under `specs`, with settings, `addopts`, conftests and the hook
applied as in a run, and ends: no test is collected, nothing is started. Of conftests those count
that pytest loads before it collects: in its root folder, in `testpaths` or the folders given, and
in folders `test*` of these. A server whose tests the hook skips is left out. An error of the
settings or the hook is under `error`, and the exit code is 4. What you have put into a spec
stands there as it is, **passwords too**. Under `leases` are those that the file declares.

`wflo-testkit doctor`, `clean` and `images warm` ask the `pytest` of their Python the same
question in the current folder, so they go by what a plain `pytest` there would do. What conftests
print does not disturb them. Where pytest cannot answer, they say what it said; `doctor` and
`clean` still do the rest.

## One server's own settings

Several servers of a kind have a table each. The name of the table begins the names of the server's
fixtures; its settings are those of the service, without the service's name in front.

```toml
# pyproject.toml
[tool.wflo-testkit]
postgres_startup_timeout = 90

[tool.wflo-testkit.servers.orders]
service = "postgres"
max_connections = 50
```

This gives `orders_server`, `orders_database`, `orders_session` and so on, beside `postgres_server`
and its family. `WFLO_TESTKIT_ORDERS_MAX_CONNECTIONS` overrides the table. A table without `service`
is [a container of your own](containers.md).

A table `[tool.wflo-testkit.leases.<name>]` declares a lease by name: [Scopes](scopes.md).
"""


def page() -> str:
    """Return the whole page."""
    parts = [INTRO, _section("General", settings.GENERAL)]
    for service in services.table().values():
        options = (*settings.common(service.name), *service.options)
        parts.append(_section(f"Service `{service.name}`", options))
    return "\n".join(parts)


def _section(title: str, options: Iterable[Option]) -> str:
    rows = "\n".join(line for option in options for line in _rows(option))
    head = "| setting | default | what it does |\n|---|---|---|"
    return f"## {title}\n\n{head}\n{rows}\n"


def _rows(option: Option) -> Iterator[str]:
    text = " ".join(option.help.split()).replace("|", "\\|")
    text = text[0].upper() + text[1:] + ("" if text.endswith((".", "`")) else ".")
    if option.choices:
        text += f" One of {', '.join(f'`{choice}`' for choice in option.choices)}."
    if option.variables:
        text += f" Also read from {', '.join(f'`{name}`' for name in option.variables)}."
    if not option.in_environment:
        text += " In the file only."
    elif not option.on_command_line:
        text += " Not on the command line."
    yield f"| `{option.key}` | {_default(option.default)} | {text} |"


def _default(value: Any) -> str:
    if isinstance(value, Duration):
        value = str(value)
    return "empty" if value in ("", [], {}) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    sys.exit(update(PAGE, page()))
