"""From resolved settings to a run and its broker, for pytest and for the command line."""
