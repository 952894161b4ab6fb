"""The scenarios, one per file: each has `measure(bench)`, which yields rows of the table."""

NAMES = ("start", "start_each", "handout", "suite", "import_cost")
"""In the order of the table."""
