"""The online demo: a tool changes in production, nothing raises, and the watch tells of it.

    make demo-online

The real sample agent talks with simulated customers; its spans go through CloudWatch Logs of the
local AWS into deployed functions. Its history is seeded, as it takes days. After some windows the
balance service moves from cents to currency units, and nobody changes the agent.

The clock is short: a window takes seconds (stacks/environments.py, `local`), and the demo itself is
the schedule, with a tick in each window. All else is as it is deployed.
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.results import Results
from demos.offline import VERSIONS, Demo, title
from driftgate import registry, sessions
from driftgate.adapters import deployment as deployments
from driftgate.adapters.http_agents import HttpAgents
from driftgate.adapters.mcp_server import LocalTools
from driftgate.adapters.watching import Watching
from driftgate.errors import AgentUnavailable
from driftgate.risk import WARM_UP
from driftgate.schemas.cases import Case
from driftgate.schemas.manifests import AgentVersion, DatasetRef
from driftgate.schemas.online import KindOutcomes, Seen, WindowReport
from local.instances import DEFAULT, Instance, Instances

RUNTIME = "support-d3m0d3m0d3"  # as AgentCore would call it
LOG_GROUP = f"/aws/bedrock-agentcore/runtimes/{RUNTIME}-DEFAULT"
HOME = Path("build/demo/online-home")
SPANS = HOME.absolute() / "spans.jsonl"
CUSTOMERS = 3  # who talk at the same time
PAUSE_S = 0.25  # between two conversations of one of them
CALM_WINDOWS = 6  # with traffic, before the change
MOST_WINDOWS = 24  # after it
ABOUT = ("balance", "exchange", "transactions")  # what the conversations are about


@dataclass
class Traffic:
    """Customers that talk with the agent, and the agent's spans on their way to its log group."""

    agents: HttpAgents
    tools: LocalTools
    client: Any
    deployed: AgentVersion
    backend: AgentVersion  # whose contracts the tools keep to
    cases: tuple[Case, ...]
    conversations: int = 0
    _next: Iterator[Case] = field(init=False)
    _taking: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._next = cycle(self.cases)

    def talk(self) -> None:
        """One customer after the other, until the demo is over."""
        while not self._stopped.is_set():
            with self._taking:
                case = next(self._next)
                self.conversations += 1
                session_id = f"production-{self.conversations:08d}-{os.urandom(8).hex()}"
            self.tools.register(session_id, self.backend, case)
            session = self.agents.open(self.deployed, session_id, self.conversations)
            try:
                for turn in case.turns:
                    session.say(turn.user, 30)
            except (AgentUnavailable, TimeoutError) as error:
                print(f"a conversation broke off: {error}")
            time.sleep(PAUSE_S)

    def ship(self) -> None:
        """What AgentCore does: put the spans into the log group, some seconds later at most."""
        self.client("logs").create_log_stream(logGroupName=LOG_GROUP, logStreamName="spans")
        at = 0
        while not self._stopped.wait(0.5) or SPANS.stat().st_size > at:
            with SPANS.open() as file:
                file.seek(at)
                lines = file.readlines()
            whole = [line for line in lines if line.endswith("\n")]
            at += sum(len(line.encode()) for line in whole)
            now = int(time.time() * 1000)
            for start in range(0, len(whole), 200):
                self.client("logs").put_log_events(
                    logGroupName=LOG_GROUP,
                    logStreamName="spans",
                    logEvents=[
                        {"timestamp": now, "message": line.strip()}
                        for line in whole[start : start + 200]
                    ],
                )

    @contextmanager
    def flowing(self) -> Iterator[None]:
        SPANS.touch()
        with ThreadPoolExecutor(CUSTOMERS + 1) as pool:
            working = [pool.submit(self.ship), *(pool.submit(self.talk) for _ in range(CUSTOMERS))]
            try:
                yield
            finally:
                self._stopped.set()
                for one in working:
                    one.result()


def main() -> None:
    demo = Demo(HOME, "local")
    results = Results("demo", "online")
    started = time.perf_counter()
    demo.driftgate("local", "stop")
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    os.environ["SPANS_FILE"] = str(SPANS)
    try:
        title("a local AWS is started, Driftgate deployed to it, and the agent registered")
        demo.driftgate("local", "start")
        demo.driftgate("local", "deploy")
        instance = Instances(HOME).get(DEFAULT)
        watching, versions = _prepared(demo, instance)
        tell(watching, instance, versions, results)
    finally:
        demo.driftgate("local", "stop")
    results.check("seconds in all", round(time.perf_counter() - started, 1), "<=", 240)
    results.finish()


def _prepared(demo: Demo, instance: Instance) -> tuple[Watching, dict[str, AgentVersion]]:
    for dataset in ("datasets/support", "datasets/support-adversarial"):
        demo.driftgate("dataset", "publish", dataset, *demo.there)
    for version in ("1.0.0", "2.0.0"):
        demo.driftgate("agent", "publish", f"{VERSIONS}/{version}.yaml", *demo.there)
    instance.client("logs").create_log_group(logGroupName=LOG_GROUP)
    demo.driftgate("agent", "register", "support@1.0.0", "--runtime", RUNTIME, *demo.there)
    found = deployments.find("local", instance.client)
    versions = {v: registry.load_agent("support", v, found.registry) for v in ("1.0.0", "2.0.0")}
    return Watching(found, instance.client), versions


def tell(
    watching: Watching, instance: Instance, versions: dict[str, AgentVersion], results: Results
) -> None:
    """A calm time, the change, and what is told of it."""
    stored = watching.registry
    pin = DatasetRef(name="support", version="1.2.0")
    cases = tuple(
        case
        for case in registry.load_cases(registry.load_dataset_row(pin, stored), stored)
        if case.task_type in ABOUT and not case.mocks
    )
    alarms = _listen(instance)
    window_s = watching.watch.clockwork.window_s
    _seed(watching)
    with (
        LocalTools() as tools,
        HttpAgents(
            tools.url, lambda version: registry.load_code(version, stored), Path.cwd()
        ) as agents,
    ):
        traffic = Traffic(
            agents, tools, instance.client, versions["1.0.0"], versions["1.0.0"], cases
        )
        title(f"calm: {len(cases)} kinds of conversations, a window every {window_s} s")
        with traffic.flowing():
            began = time.time()
            _tick_until(watching, began + CALM_WINDOWS * window_s)
            changed = int(time.time() // window_s)
            title("the balance service moves to currency units; the agent stays as it is")
            traffic.backend = versions["2.0.0"]
            deadline = time.time() + MOST_WINDOWS * window_s
            while time.time() < deadline and not _is_told(watching, alarms):
                _tick_until(watching, time.time() + window_s)
    _show(watching, changed)
    _check(watching, alarms, changed, traffic.conversations, results)


def _seed(watching: Watching) -> None:
    """A quiet yesterday, by kinds of conversations: what a new agent would learn in days."""
    day = int(time.time() // 86_400) - 1
    kinds = [
        KindOutcomes(
            task_type=task_type,
            tools=tools,
            judged=WARM_UP,
            failed=WARM_UP // 25,
            sessions=10 * WARM_UP,
            flagged=WARM_UP // 10,
            negative=WARM_UP // 50,
        )
        for task_type, tools in (
            ("balance", ("get_account_balance",)),
            ("exchange", ("get_exchange_rate",)),
            ("exchange", ("get_account_balance", "get_exchange_rate")),
            ("transactions", ("list_transactions",)),
            ("other", ()),
        )
    ]
    sessions.add_to_history("support", "1.0.0", day, 0, Seen(kinds=tuple(kinds)), watching.watched)


def _tick_until(watching: Watching, moment: float) -> None:
    """One tick a window, as the schedule has it."""
    while time.time() < moment:
        began = time.time()
        execution = watching.tick()
        while not watching.ticked(execution):
            time.sleep(0.1)
        left = watching.watch.clockwork.window_s - (time.time() - began)
        time.sleep(max(0.0, min(left, moment - time.time())))


def _listen(instance: Instance) -> "Alarms":
    """Somebody who is woken by alarms: a queue at the end of their topic."""
    sqs, sns = instance.client("sqs"), instance.client("sns")
    stack = instance.client("cloudformation").describe_stacks(
        StackName="Driftgate-local-Monitoring"
    )
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Stacks"][0]["Outputs"]}
    queue = sqs.create_queue(QueueName="on-call")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn["QueueArn"])
    return Alarms(sqs, queue)


@dataclass
class Alarms:
    sqs: Any
    queue: str
    heard: list[dict[str, Any]] = field(default_factory=list)

    def names(self) -> list[str]:
        """The alarms that have called so far."""
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                body = json.loads(message["Body"])
                self.heard.append(json.loads(body.get("Message", "{}")))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [str(told["AlarmName"]) for told in self.heard if "AlarmName" in told]


def _reports(watching: Watching) -> list[WindowReport]:
    return list(sessions.reports("support", 500, watching.watched, watching.traces))


def _candidates(watching: Watching) -> list[dict[str, Any]]:
    return watching.reviews.rows("candidate.support/")


def _is_told(watching: Watching, alarms: Alarms) -> bool:
    return bool(alarms.names()) and bool(_candidates(watching))


def _first_alarm(reports: list[WindowReport]) -> WindowReport | None:
    return next((report for report in reports if report.alarms), None)


def _show(watching: Watching, changed: int) -> None:
    """The timeline, window by window."""
    title("the timeline")
    window_s = watching.watch.clockwork.window_s
    print("window    sessions  judged  flagged  good    worst monitor")
    for report in _reports(watching):
        if not report.sessions:
            continue
        whole = [e.quality for e in report.estimates if e.stratum == "all conversations"]
        good = f"{whole[0].mean:6.1%}" if whole and whole[0] else "     -"
        flagged = sum(
            one.looks_wrong
            for one in sessions.closed_in("support", report.window, watching.watched)
        )
        marks = ["<- the tool changes"] if report.window == changed else []
        marks += [f"<- {alarm.stratum}: {alarm.evidence}" for alarm in report.alarms[:1]]
        moment = datetime.fromtimestamp(report.window * window_s, UTC).strftime("%H:%M:%S")
        ratio = "     -" if report.ratio is None else f"{report.ratio:6.2f}"
        told = f"{report.sessions:8d}  {report.judged:6d}  {flagged:7d}  {good}  {ratio}"
        print(f"{moment}  {told}  {' '.join(marks)}")


def _check(
    watching: Watching, alarms: Alarms, changed: int, conversations: int, results: Results
) -> None:
    reports = _reports(watching)
    first = _first_alarm(reports)
    rates = sessions.load_state("support", watching.watched, watching.traces).rates
    raised = [s for s, r in (rates.strata if rates else {}).items() if r.why == "anomalous"]
    about_balance = [c for c in _candidates(watching) if "get_account_balance" in str(c)]
    results.figure("conversations", conversations)
    results.figure("sessions counted", sum(report.sessions for report in reports))
    results.figure("seconds of a window", watching.watch.clockwork.window_s)
    results.figure("alarm: in windows after the change", first.window - changed if first else None)
    results.figure("alarm: evidence", first.alarms[0].evidence if first else None)
    results.figure("alarms that called", sorted(set(alarms.names())))
    results.figure("rates that rose", raised)
    results.figure("candidates", len(_candidates(watching)))
    results.check("an alarm after the change", first is not None, "==", True)
    results.check(
        "alarms before the change",
        sum(bool(r.alarms) for r in reports if r.window < changed),
        "==",
        0,
    )
    called = "Driftgate-local-agent-support" in alarms.names()  # the one that wakes
    results.check("the alarm called through the topic", called, "==", True)
    results.check("strata judged more often", len(raised), ">=", 1)
    results.check("candidates for review", len(_candidates(watching)), ">=", 1)
    results.check("of them about the balance", len(about_balance), ">=", 1)


if __name__ == "__main__":
    main()
