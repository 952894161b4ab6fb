"""The command line `wflo-testkit`: one module per subcommand."""
