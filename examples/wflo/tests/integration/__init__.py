"""Tests that need real services, which wflo-testkit starts."""
