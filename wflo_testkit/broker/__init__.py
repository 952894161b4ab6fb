"""The one owner of a run's servers and leases; the only place where services meet the runtime."""
