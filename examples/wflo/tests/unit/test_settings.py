"""Settings from the environment."""

import pytest

from wflo.settings import Settings


def test_environment_overrides_defaults() -> None:
    """A variable has the name of its field in capitals; what is not set keeps its default."""
    env = {"DATABASE_URL": "postgresql://db/wflo", "DATABASE_ECHO": "True", "PATH": "/bin"}

    settings = Settings.from_env(env)

    assert settings.database_echo is True, "the flag was read"
    assert settings.temporal_namespace == "default", "the default stayed"


def test_database_url_is_required() -> None:
    """There is no default database: the error names the variable."""
    with pytest.raises(KeyError, match="DATABASE_URL"):
        Settings.from_env({})
