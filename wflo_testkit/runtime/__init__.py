"""Runs containers; knows no service."""
