"""The pinned AWS emulator with its gaps filled. Runs in an environment of its own."""
