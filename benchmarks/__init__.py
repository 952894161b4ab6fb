"""What the kit costs, measured: `python -m benchmarks [NAMES...] [--quick]` writes RESULTS.md."""
