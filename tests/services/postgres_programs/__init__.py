"""Random SQL programs, and a dump that tells whether the next test would notice them."""
