"""What a schema was made from: recorded while it is applied, compared before it is served again."""

from wflo_testkit.services.postgres.schema.manifest.content import Manifest
from wflo_testkit.services.postgres.schema.manifest.recorder import Recorder
from wflo_testkit.services.postgres.schema.manifest.store import Manifests

ANOTHER_DATABASE = "it reads another database"
"""Why a manifest is incomplete whose schema connected where a setting allows it."""

__all__ = ["ANOTHER_DATABASE", "Manifest", "Manifests", "Recorder"]
