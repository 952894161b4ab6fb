"""Warm images: the slow part of a server's start, done once and committed."""
