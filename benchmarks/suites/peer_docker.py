"""pytest plugin for other packages' processes: their containers listen on 127.0.0.1 only.

They carry a label, so that whoever started the process can remove them.

With BENCH_SERVER set, their server also gets the command, environment and tmpfs of the kit's.
"""

import json
import os
from typing import Any

from docker.api.container import ContainerApiMixin

_inner = ContainerApiMixin.create_container_from_config


def _create(self: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
    given = config.get("Labels") or {}
    labels = given if isinstance(given, dict) else dict.fromkeys(given, "")
    config["Labels"] = {**labels, "wflo-bench": os.environ["BENCH_RUN"]}
    host = config["HostConfig"]
    for bindings in (host.get("PortBindings") or {}).values():
        for binding in bindings or ():
            binding["HostIp"] = "127.0.0.1"
    if "BENCH_SERVER" in os.environ and config["Image"] == os.environ["BENCH_IMAGE"]:
        server = json.loads(os.environ["BENCH_SERVER"])
        config["Cmd"] = server["command"]
        config["Env"] = [*(config["Env"] or []), *server["environment"]]
        host["Tmpfs"] = server["tmpfs"]
    return _inner(self, config, *args, **kwargs)


ContainerApiMixin.create_container_from_config = _create
