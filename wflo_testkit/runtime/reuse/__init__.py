"""Servers that outlive a run: where they are written down, who uses them, when they go."""
