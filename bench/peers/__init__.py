"""Driftgate's scoring and that of three peers, each a process that scores recorded runs on request.

`recorded` reads and serves; it imports neither Driftgate nor a peer, so each runs in its own
environment, from the lock beside it.
"""
