"""Driftgate without an AWS account: the emulator, its instances, and deploying to them."""
