"""Engine and sessions."""

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from wflo.settings import Settings

Sessions = async_sessionmaker[AsyncSession]


def make_engine(settings: Settings) -> AsyncEngine:
    """Build a lazy engine on asyncpg; a plain postgresql:// address will do."""
    url = make_url(settings.database_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+asyncpg")
    return create_async_engine(url, echo=settings.database_echo)


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Build the session factory; objects stay readable after a commit."""
    return async_sessionmaker(engine, expire_on_commit=False)
