"""Stand-ins for the services that have no local edition, over HTTP on the loopback address."""
