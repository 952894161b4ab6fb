"""The isolation modes, one per file; `MODES` of spec.py lists them."""
