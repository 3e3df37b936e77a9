"""Serve the stand-ins of one emulator instance.

    python -m local.standins.serve --instance instance.json --port 4600

Agents are started from the working directory, and end with this process, however it ends.
"""

import argparse
from functools import partial
from pathlib import Path

import uvicorn
from botocore.config import Config

from driftgate.adapters import deployment
from local.instances import Instance
from local.standins.app import make_app
from local.standins.deployment import Deployment


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the stand-ins of an emulator instance.")
    parser.add_argument("--instance", type=Path, required=True, help="the instance's JSON file")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    instance = Instance.model_validate_json(arguments.instance.read_bytes())

    def find_deployment() -> Deployment:
        config = Config(max_pool_connections=64)  # invocations load their version in threads
        return deployment.find("local", partial(instance.client, config=config))

    uvicorn.run(
        make_app(instance, find_deployment, f"http://127.0.0.1:{arguments.port}"),
        host="127.0.0.1",
        port=arguments.port,
        lifespan="on",
        log_level="warning",
        timeout_graceful_shutdown=2,  # a running invocation must not outlive the command to stop
    )


if __name__ == "__main__":
    main()
