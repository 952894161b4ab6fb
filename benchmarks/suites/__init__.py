"""What the measured suites consist of; copied into a folder and run by pytest there."""
