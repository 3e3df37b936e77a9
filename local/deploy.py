"""Deploy a synthesized cloud assembly to a local emulator, through its CloudFormation.

It does what `cdk deploy` does with an assembly, without npm: publish the assets to the bootstrap
bucket, then create or update each stack after those it depends on.
"""

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError

from driftgate.errors import BadInput, InfrastructureFailed
from driftgate.schemas.record import Record
from local.instances import ROOT, Instance

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
BOOTSTRAP_VERSION = "30"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS")
STACK_S = 300.0


class StackResult(Record):
    """What became of one stack."""

    name: str
    result: Literal["created", "updated", "no changes"]
    seconds: float
    outputs: dict[str, str]


class Stack(Record):
    """A stack of the assembly."""

    name: str
    template_url: str
    environment: str
    parameters: dict[str, str]
    tags: dict[str, str]
    needs: tuple[str, ...]  # names of stacks


class Assets(Record):
    """One manifest of files to publish, and the folder its paths are in."""

    folder: Path
    files: dict[str, Any]


def deploy(
    assembly: Path,
    instance: Instance,
    *,
    only: Collection[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[StackResult]:
    """Bring the emulator to the state that the assembly describes.

    Args:
        assembly: the folder that synthesis wrote (`cdk.out`).
        only: names of stacks; those they depend on must then be deployed already, or be named too.
        tell: is told a line about each stack.

    Raises:
        BadInput: the assembly can't be read, or is not meant for here.
        InfrastructureFailed: a stack failed; the message has the reason of each failed resource.
    """
    assets, stacks = read_assembly(assembly)
    if only is not None:
        if unknown := set(only) - {stack.name for stack in stacks}:
            raise BadInput(f"{assembly} has no stack {', '.join(sorted(unknown))}")
        stacks = [stack for stack in stacks if stack.name in only]
    for stack in stacks:
        place = f"aws://{instance.account}/{instance.region}"
        if "unknown" not in stack.environment and stack.environment != place:
            raise BadInput(f"stack {stack.name} is for {stack.environment}, not for {place}")
    publish(assets, instance)
    results = []
    for stack in in_order(stacks):
        results.append(deploy_stack(stack, instance))
        tell(f"{stack.name}: {results[-1].result} in {results[-1].seconds:.1f} s")
    return results


def synthesize(environment: str) -> Path:
    """Make the stacks of an environment, and return the folder of their assembly.

    Raises:
        InfrastructureFailed: the stacks can't be made; the message has what synthesis said.
    """
    folder = ROOT / "build" / "cdk.out" / environment
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={
            **os.environ,
            "CDK_OUTDIR": str(folder),
            "CDK_CONTEXT_JSON": json.dumps({"environment": environment}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InfrastructureFailed(f"synthesis of {environment} failed:\n{done.stdout[-3000:]}")
    return folder


def read_assembly(folder: Path) -> tuple[list[Assets], list[Stack]]:
    """The files to publish and the stacks of an assembly, with those of its stages."""
    assets: list[Assets] = []
    stacks: list[Stack] = []
    for where, artifacts in manifests(folder):
        names = {
            key: artifact["properties"].get("stackName", key)
            for key, artifact in artifacts.items()
            if artifact["type"] == "aws:cloudformation:stack"
        }
        for key, artifact in artifacts.items():
            properties = artifact.get("properties", {})
            if artifact["type"] == "cdk:asset-manifest":
                assets.append(read_assets(where / properties["file"]))
            if key in names:
                stack = Stack(
                    name=names[key],
                    template_url=properties["stackTemplateAssetObjectUrl"],
                    environment=artifact["environment"],
                    parameters=properties.get("parameters", {}),
                    tags=properties.get("tags", {}),
                    needs=tuple(
                        names[one] for one in artifact.get("dependencies", ()) if one in names
                    ),
                )
                stacks.append(stack)
    return assets, stacks


def manifests(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    try:
        artifacts = json.loads((folder / "manifest.json").read_bytes())["artifacts"]
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{folder}: wanted a cloud assembly, as synthesis writes it: {error}"
        ) from error
    yield folder, artifacts
    for artifact in artifacts.values():
        if artifact["type"] == "cdk:cloud-assembly":
            yield from manifests(folder / artifact["properties"]["directoryName"])


def read_assets(path: Path) -> Assets:
    manifest = json.loads(path.read_bytes())
    if manifest.get("dockerImages"):
        raise BadInput(f"{path} has images, and the emulator runs no containers")
    return Assets(folder=path.parent, files=manifest.get("files", {}))


def in_order(stacks: list[Stack]) -> list[Stack]:
    """Each stack after those it needs."""
    here = {stack.name for stack in stacks}
    ordered: list[Stack] = []
    waiting = list(stacks)
    while waiting:
        done = {stack.name for stack in ordered}
        ready = [stack for stack in waiting if here & set(stack.needs) <= done]
        if not ready:
            raise BadInput(f"stacks need each other: {', '.join(s.name for s in waiting)}")
        ordered += ready
        waiting = [stack for stack in waiting if stack not in ready]
    return ordered


def publish(assets: list[Assets], instance: Instance) -> None:
    """Put the files where the templates expect them. Their names are hashes: none changes."""
    instance.client("ssm").put_parameter(
        Name=BOOTSTRAP_PARAMETER, Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True
    )
    s3 = instance.client("s3")
    wanted = {
        (here(place["bucketName"], instance), here(place["objectKey"], instance)): (
            each.folder / file["source"]["path"],
            file["source"]["packaging"],
        )
        for each in assets
        for file in each.files.values()
        for place in file["destinations"].values()
    }
    for bucket in sorted({bucket for bucket, _ in wanted}):
        s3.create_bucket(Bucket=bucket)  # in us-east-1 one's own bucket is no error
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: publish_file(s3, *item[0], *item[1]), wanted.items()))


def publish_file(s3: Any, bucket: str, key: str, source: Path, packaging: str) -> None:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        body = zip_folder(source) if packaging == "zip" else source.read_bytes()
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def zip_folder(folder: Path) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return data.getvalue()


def deploy_stack(stack: Stack, instance: Instance) -> StackResult:
    formation = instance.client("cloudformation")
    start = time.monotonic()
    bucket, _, key = here(stack.template_url, instance).removeprefix("s3://").partition("/")
    request = {
        "StackName": stack.name,
        "TemplateURL": f"{instance.endpoint_url}/{bucket}/{key}",
        "Capabilities": CAPABILITIES,
        "Parameters": pairs(stack.parameters, "ParameterKey", "ParameterValue"),
        "Tags": pairs(stack.tags, "Key", "Value"),
    }
    status = find_status(formation, stack.name)
    if status in DEAD:
        formation.delete_stack(StackName=stack.name)
        settled(formation, stack.name)
        status = None
    result: Literal["created", "updated", "no changes"] = "updated" if status else "created"
    try:
        (formation.update_stack if status else formation.create_stack)(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise InfrastructureFailed(f"stack {stack.name}: {error}") from error
        result = "no changes"
    reached = settled(formation, stack.name)
    if reached not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise InfrastructureFailed(
            f"stack {stack.name} ended as {reached}:{failures(formation, stack.name)}"
        )
    described = formation.describe_stacks(StackName=stack.name)["Stacks"][0]
    return StackResult(
        name=stack.name,
        result=result,
        seconds=round(time.monotonic() - start, 2),
        outputs={one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())},
    )


def find_status(formation: Any, name: str) -> str | None:
    try:
        status = str(formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return None if status == "DELETE_COMPLETE" else status


def settled(formation: Any, name: str) -> str | None:
    """The status of a stack, or None if it is gone, once nothing is in progress."""
    end = time.monotonic() + STACK_S
    while (status := find_status(formation, name)) and status.endswith("_IN_PROGRESS"):
        if time.monotonic() > end:
            raise InfrastructureFailed(f"stack {name} is still {status} after {STACK_S:.0f} s")
        time.sleep(0.1)
    return status


def failures(formation: Any, name: str) -> str:
    """A line for each failed resource, the first failure first."""
    pages = formation.get_paginator("describe_stack_events").paginate(StackName=name)
    events = [event for page in pages for event in page["StackEvents"]]
    return "".join(
        f"\n  {event['LogicalResourceId']} ({event['ResourceType']}):"
        f" {event.get('ResourceStatusReason', 'no reason is given')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
    )


def here(text: str, instance: Instance) -> str:
    for name, value in (
        ("AWS::Partition", "aws"),
        ("AWS::AccountId", instance.account),
        ("AWS::Region", instance.region),
    ):
        text = text.replace(f"${{{name}}}", value)
    return text


def pairs(values: dict[str, str], key: str, value: str) -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in values.items()]
