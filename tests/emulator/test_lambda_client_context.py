"""The caller's ClientContext reaches the handler."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

READ = """
def handler(event, context):
    given = context.client_context
    return given and [given.custom, given.env, given.client and given.client.app_title]
"""


def encoded(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_custom_env_and_client_are_attributes(cloud):
    given = {"custom": {"bedrockAgentCoreToolName": "x"}, "client": {"app_title": "a"}}
    function = cloud.function(READ)
    assert cloud.call(function, ClientContext=encoded(given)) == [
        {"bedrockAgentCoreToolName": "x"},
        None,
        "a",
    ]
    assert cloud.call(function) is None


def test_the_bare_emulator_drops_it(bare):
    assert bare.call(bare.function(READ), ClientContext=encoded({"custom": {}})) is None


@pytest.mark.parametrize("text", ["no base64!", encoded([1])])
def test_what_is_no_object_is_refused(cloud, text):
    with pytest.raises(ClientError, match="Base64-encoded JSON object"):
        cloud.call(cloud.function(READ), ClientContext=text)
