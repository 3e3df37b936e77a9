"""What a template calls a secret is what policies call it."""

import json

TEMPLATE = json.dumps(
    {
        "Resources": {
            "Key": {
                "Type": "AWS::SecretsManager::Secret",
                "Properties": {"GenerateSecretString": {"PasswordLength": 40}},
            }
        },
        "Outputs": {"Key": {"Value": {"Ref": "Key"}}},
    }
)


SOON = {"Delay": 1}


def reference(cloud, stack):
    cloudformation = cloud.instance.client("cloudformation")
    cloudformation.create_stack(StackName=stack, TemplateBody=TEMPLATE)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=SOON)
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return found["Outputs"][0]["OutputValue"]


def test_a_reference_is_the_arn_and_leads_to_the_secret_until_the_stack_goes(cloud):
    arn = reference(cloud, "secrets")
    assert arn.startswith("arn:aws:secretsmanager:")
    secrets, cloudformation = (
        cloud.instance.client(service) for service in ("secretsmanager", "cloudformation")
    )
    assert len(secrets.get_secret_value(SecretId=arn)["SecretString"]) == 40
    cloudformation.delete_stack(StackName="secrets")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="secrets", WaiterConfig=SOON)
    assert not secrets.list_secrets()["SecretList"]


def test_the_bare_emulator_gives_the_name(bare):
    assert not reference(bare, "secrets").startswith("arn:")
