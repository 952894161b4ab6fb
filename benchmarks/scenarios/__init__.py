"""The scenarios, one per file: each has `measure(bench)`, which yields rows of the table."""

SECONDS = {
    "start": 75,
    "start_each": 60,
    "suite": 75,
    "peers": 120,
    "handout": 120,
    "reset": 30,
    "back_to_back": 80,
    "first_result": 20,
    "first_use": 30,
    "failing": 10,
    "own_containers": 20,
    "scale": 160,
    "idle": 40,
    "import_cost": 60,
}
"""Name -> about how long a full run takes on two free cores; in the order of the table."""
NAMES = tuple(SECONDS)
