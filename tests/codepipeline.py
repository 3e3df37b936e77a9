"""CodePipeline and Step Functions as far as a gate action asks them, over HTTP.

A job is answered once: then, and after its time, both answers to it are refused. Requests and
responses must be what botocore's own models of the services say.
"""

import json
import re
import threading
import uuid
from collections import deque
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import botocore.session
from botocore.config import Config
from botocore.validate import ParamValidator

RETRIES = {"mode": "standard", "total_max_attempts": 2}


class Services(ThreadingHTTPServer):
    """`faults` happen to the next calls: a status and a code refuse one before it is done, "lost"
    breaks the connection after it was done, "broken" before.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.jobs, self.answers, self.executions = {}, [], {}
        self.faults = deque()

    def new_job(self):
        job_id = str(uuid.uuid4())
        self.jobs[job_id] = "InProgress"
        return job_id

    def expire(self, job_id):
        """What the service does when nobody answers in time."""
        if self.jobs[job_id] == "InProgress":
            self.jobs[job_id] = "TimedOut"

    @cache  # noqa: B019  there is one server a module
    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(retries=RETRIES, read_timeout=5),
        )


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.faults.popleft() if self.server.faults else None
        if fault == "broken":
            self.close_connection = True
        elif isinstance(fault, tuple):
            self._send(fault[0], {"__type": fault[1], "message": fault[1]})
        else:
            target, _, operation = self.headers["X-Amz-Target"].partition(".")
            service = "codepipeline" if target.startswith("CodePipeline_") else "stepfunctions"
            status, answer = getattr(self, operation)(read(service, operation, body))
            if fault == "lost":
                self.close_connection = True
            else:
                self._send(status, answer)

    def PutJobSuccessResult(self, asked):  # noqa: N802
        return self._put(asked, "Succeeded")

    def PutJobFailureResult(self, asked):  # noqa: N802
        return self._put(asked, "Failed")

    def _put(self, asked, state):
        jobs = self.server.jobs
        if asked["jobId"] not in jobs:
            return 400, {"__type": "JobNotFoundException", "message": "no such job"}
        if jobs[asked["jobId"]] != "InProgress":
            return 400, {"__type": "InvalidJobStateException", "message": "not in progress"}
        jobs[asked["jobId"]] = state
        self.server.answers.append(asked)
        return 200, {}

    def DescribeExecution(self, asked):  # noqa: N802
        found = self.server.executions.get(asked["executionArn"])
        if found is None:
            return 400, {"__type": "ExecutionDoesNotExist", "message": "no such execution"}
        machine = asked["executionArn"].rpartition(":")[0].replace(":execution:", ":stateMachine:")
        answer = {
            "executionArn": asked["executionArn"],
            "stateMachineArn": machine,
            "startDate": 1e9,
            **found,
        }
        shape = model("stepfunctions").operation_model("DescribeExecution").output_shape
        assert not list(unmet(shape, answer))
        return 200, answer

    def _send(self, status, answer):
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def serve():
    server = Services()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def event(job_id, parameters):
    """What CodePipeline invokes a function with; `parameters` as text, None: none are set."""
    configuration = {"FunctionName": "AnswerPipeline"}
    if parameters is not None:
        configuration["UserParameters"] = parameters
    data = {
        "actionConfiguration": {"configuration": configuration},
        "inputArtifacts": [],
        "outputArtifacts": [],
        "artifactCredentials": {
            "accessKeyId": "AKIASECRET",
            "secretAccessKey": "verysecret",
            "sessionToken": "verysecret",
        },
    }
    details = {"id": job_id, "accountId": "123456789012", "data": data}
    assert not list(unmet(model("codepipeline").shape_for("JobDetails"), details))
    return {"CodePipeline.job": details}


def read(service, operation, body):
    """A request's members, after checking that they are what the service takes."""
    shape = model(service).operation_model(operation).input_shape
    asked = json.loads(body)
    wrong = [*unmet(shape, asked)]
    assert not wrong, f"{operation}: {wrong}"
    return asked


def model(service):
    return botocore.session.get_session().get_service_model(service)


def unmet(shape, value):
    """What botocore says is wrong with a value, and what it leaves to the service to find."""
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        yield report.generate_report()
        return
    yield from _limits(shape, value)


def _limits(shape, value):
    limits = shape.metadata
    match shape.type_name:
        case "structure":
            for name, inner in value.items():
                yield from _limits(shape.members[name], inner)
        case "map":
            for key, inner in value.items():
                yield from _limits(shape.key, key)
                yield from _limits(shape.value, inner)
        case "list":
            for inner in value:
                yield from _limits(shape.member, inner)
        case "string":
            if not limits.get("min", 0) <= len(value) <= limits.get("max", len(value)):
                yield f"{shape.name}: {len(value)} characters"
            if "enum" in limits and value not in limits["enum"]:
                yield f"{shape.name}: {value} is none of {limits['enum']}"
            if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
                yield f"{shape.name}: {value} does not match {limits['pattern']}"
