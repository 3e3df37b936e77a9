"""The few lines an agent author adds. Standard library only, and nothing else of Driftgate's."""
