"""Tests of the process that owns a run's broker."""
