"""Engines and sessions on top of a test's database; SQLAlchemy is imported at first use."""
