"""The command line: one file of commands for each noun, over the HTTP client alone."""
