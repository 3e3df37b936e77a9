"""Build the stacks of one environment: `cdk deploy --all -c environment=dev`."""

from stacks.platform import build

build().synth()
