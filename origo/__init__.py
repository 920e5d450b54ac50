"""A private cloud that installs from one ISO: the core."""
