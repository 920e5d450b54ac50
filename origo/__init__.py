"""A private cloud that installs from one ISO: the core."""

VERSION = "0.1.0"
