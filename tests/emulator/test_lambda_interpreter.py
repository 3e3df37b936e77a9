"""Handlers run on an interpreter that has boto3 and nothing else."""

from local.instances import WORKER_PYTHON
from tests.emulator.conftest import archive

WHO = "import sys\ndef handler(event, context): return [sys.executable, sys.path]"
AWS = """
import boto3, os
def handler(event, context):
    session = boto3.Session()
    url = boto3.client("sts").meta.endpoint_url
    return [session.available_profiles, url, boto3.client("sts").get_caller_identity()["Account"]]
"""
SHADOWED = "import layered, os\ndef handler(event, context): return [layered.WHO, os.getcwd()]"


def test_the_interpreter_is_the_workers(cloud):
    executable, path = cloud.call(cloud.function(WHO))
    assert executable == str(WORKER_PYTHON)
    assert not [place for place in path if "emulator/lib" in place or "product/lib" in place]


def test_the_bare_emulator_runs_handlers_on_its_own_interpreter(bare):
    assert "emulator" in bare.call(bare.function(WHO))[0]


def test_a_package_of_the_product_is_not_there(cloud):
    answer = cloud.call(cloud.function("import pydantic"))
    assert answer["errorType"] == "Runtime.ImportModuleError"


def test_boto3_finds_the_emulator_and_no_profile_of_the_user(cloud):
    url = cloud.instance.endpoint_url
    assert cloud.call(cloud.function(AWS)) == [[], url, "000000000000"]


def test_a_layer_brings_modules_and_the_functions_own_come_first(cloud):
    def layer(who):
        return cloud.lambdas.publish_layer_version(
            LayerName=who, Content={"ZipFile": archive({"python/layered.py": f"WHO = {who!r}"})}
        )["LayerVersionArn"]

    layers = [layer("first"), layer("second")]
    assert cloud.call(cloud.function(SHADOWED, Layers=layers))[0] == "first"
    own = archive({"code.py": SHADOWED, "layered.py": "WHO = 'own'"})
    function = cloud.function(SHADOWED, Layers=layers)
    cloud.lambdas.update_function_code(FunctionName=function, ZipFile=own)
    assert cloud.call(function)[0] == "own"


def test_the_context_is_the_functions(cloud):
    function = cloud.function(
        "def handler(e, c): return [c.function_name, c.invoked_function_arn,"
        " c.memory_limit_in_mb, c.get_remaining_time_in_millis(), len(c.aws_request_id)]",
        MemorySize=256,
    )
    name, arn, memory, remaining, length = cloud.call(function)
    assert (name, arn, memory, length) == (function.split(":")[-1], function, "256", 36)
    assert 9000 < remaining <= 10000
