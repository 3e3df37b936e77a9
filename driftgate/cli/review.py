"""`driftgate review`: from what was found in production, or made, to a dataset's next version."""

import json
from pathlib import Path
from typing import Annotated, get_args

import typer

from driftgate import publication, registry, review
from driftgate.adapters.local import LAPTOP
from driftgate.cli import completion, console, options
from driftgate.datasets import read_case
from driftgate.errors import BadInput
from driftgate.review import Desk
from driftgate.schemas.cases import Case
from driftgate.schemas.datasets import Dataset
from driftgate.schemas.record import count
from driftgate.schemas.redaction import RedactionRules
from driftgate.schemas.reviews import CheckKind, Review, State

app = typer.Typer(
    help="Review what was found in production, and make cases of it.", no_args_is_help=True
)
Agent = Annotated[str, typer.Option(help="Whose candidates.", autocompletion=completion.agents)]
Candidate = Annotated[str, typer.Argument(help="The candidate's fingerprint, or how it starts.")]
Revision = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", help="That was read; if it is another by now, nothing is done."
    ),
]
As = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who does it, on a laptop; default: the user.")
]
Because = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, in words.")]
START = 12  # characters of a fingerprint that are shown


@app.command("list", epilog=options.examples("review list --agent support --environment prod"))
def list_(
    context: typer.Context,
    agent: Agent,
    state: Annotated[
        str, typer.Option(help="new, claimed, needs_work, accepted, rejected, published or all.")
    ] = "open",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The first so many.")] = 20,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """List the candidates, those worth the most first: bad, frequent, and covered by few cases."""
    known = (*get_args(State), "open", "all")
    if state not in known:
        raise BadInput(f"--state: wanted one of {', '.join(known)}, got {state!r}")
    where = options.reviewing(context, environment)
    found = review.queue(agent, where.reviews, _pinned(agent, where).cases)
    some = [
        item
        for item in found
        if state in ("all", item.review.state)
        or (state == "open" and item.review.state in review.OPEN)
    ]
    console.table(
        ("candidate", "state", "value", "sessions", "cases", "what", "reasons"),
        [
            (
                item.candidate.fingerprint[:START],
                f"{item.review.state} {item.review.holder}".strip(),
                f"{item.value:.2f}",
                len(item.candidate.session_ids),
                item.covered,
                item.cluster,
                "; ".join(item.candidate.reasons),
            )
            for item in some[:limit]
        ],
    )
    console.say(f"{min(limit, len(some))} of {count(len(some), 'candidate')}")
    if as_json:
        console.emit(some[:limit])


@app.command(epilog=options.examples("review show 3f2a --agent support --draft draft.json"))
def show(
    context: typer.Context,
    candidate: Candidate,
    agent: Agent,
    draft: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the draft there, to be edited.")
    ] = None,
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show a candidate: why it is there, its draft, and all that was done to it."""
    desk, fingerprint = _desk(context, environment, agent, candidate)
    found, now, made = (
        desk.candidate(fingerprint),
        desk.review(fingerprint),
        desk.draft(fingerprint),
    )
    console.say(f"candidate {fingerprint[:START]} of {agent} {found.version}, {found.task_type}")
    console.say(f"{now.state} {now.holder}".strip() + f", revision {now.revision}")
    for reason in found.reasons:
        console.say(f"because: {reason}")
    for number, turn in enumerate(made.case.turns, start=1):
        console.say(f"turn {number}: {turn.user}")
    for index, call in enumerate(made.case.expected_calls):
        mark = "suggested: " if f"expected_calls.{index}" in made.suggested else ""
        arguments = json.dumps(call.model_dump(mode="json")["arguments"], ensure_ascii=False)
        console.say(f"{mark}{call.tool} ({call.effect}) {arguments}")
    for note in made.notes:
        console.say(f"note: {note}")
    if lacking := desk.lacking(now.approvals, made, found):
        console.say(f"wanted: {lacking}")
    for event in desk.trail(fingerprint):
        console.say(f"{event.at[:16]} {event.by}: {event.action} {event.reason}".strip())
    if draft is not None:
        try:
            with draft.open("x", encoding="utf-8") as file:
                file.write(json.dumps(made.case.model_dump(mode="json"), indent=2) + "\n")
        except OSError as error:
            raise BadInput(f"{draft}: can't write it: {error.strerror}") from error
    if as_json:
        console.emit(
            {
                "candidate": found.model_dump(mode="json"),
                "review": now.model_dump(mode="json"),
                "draft": made.model_dump(mode="json"),
                "trail": [event.model_dump(mode="json") for event in desk.trail(fingerprint)],
            }
        )


@app.command(epilog=options.examples("review claim 3f2a --agent support --environment prod"))
def claim(
    context: typer.Context,
    candidate: Candidate,
    agent: Agent,
    revision: Revision = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Take a candidate, so that nobody else works on it."""
    desk, fingerprint = _desk(context, environment, agent, candidate, who)
    _told(desk.claim(fingerprint, _revision(desk, fingerprint, revision)), as_json)


@app.command(epilog=options.examples("review release 3f2a --agent support"))
def release(
    context: typer.Context,
    candidate: Candidate,
    agent: Agent,
    revision: Revision = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Put a candidate back for others; what was edited stays."""
    desk, fingerprint = _desk(context, environment, agent, candidate, who)
    _told(desk.release(fingerprint, _revision(desk, fingerprint, revision)), as_json)


@app.command(
    epilog=options.examples(
        "review edit 3f2a --agent support --case draft.json",
        "review edit 3f2a --agent support --case draft.json --dataset support-adversarial",
    )
)
def edit(
    context: typer.Context,
    candidate: Candidate,
    agent: Agent,
    case: Annotated[Path, typer.Option(metavar="FILE", help="The case, as JSON.")],
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="That it is for; default: the manifest's.")
    ] = "",
    revision: Revision = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Write the draft anew. What stands in it is confirmed; approvals so far are gone."""
    desk, fingerprint = _desk(context, environment, agent, candidate, who)
    now = _revision(desk, fingerprint, revision)
    _told(desk.edit(fingerprint, now, _read(case), dataset=dataset), as_json)


@app.command(epilog=options.examples("review accept 3f2a --agent support --environment prod"))
def accept(
    context: typer.Context,
    candidate: Candidate,
    agent: Agent,
    revision: Revision = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Approve a draft that somebody else wrote. It is accepted once enough people have."""
    desk, fingerprint = _desk(context, environment, agent, candidate, who)
    after = desk.accept(fingerprint, _revision(desk, fingerprint, revision))
    if after.state != "accepted":
        console.say(f"approved, not accepted yet: {desk.trail(fingerprint)[-1].reason}")
    _told(after, as_json)


@app.command(
    "needs-work",
    epilog=options.examples(
        "review needs-work 3f2a --agent support --reason 'The amount is in the wrong currency'"
    ),
)
def needs_work(
    context: typer.Context,
    candidate: Candidate,
    agent: Agent,
    reason: Because,
    revision: Revision = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Send a draft back, with what is to be done."""
    desk, fingerprint = _desk(context, environment, agent, candidate, who)
    _told(desk.needs_work(fingerprint, _revision(desk, fingerprint, revision), reason), as_json)


@app.command(
    epilog=options.examples("review reject 3f2a --agent support --reason 'The user was joking'")
)
def reject(
    context: typer.Context,
    candidate: Candidate,
    agent: Agent,
    reason: Because,
    revision: Revision = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Say that a candidate becomes no case, and why."""
    desk, fingerprint = _desk(context, environment, agent, candidate, who)
    _told(desk.reject(fingerprint, _revision(desk, fingerprint, revision), reason), as_json)


@app.command(
    epilog=options.examples("review developers support", "review developers support dev1 dev2")
)
def developers(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="The agent.", autocompletion=completion.agents)],
    people: Annotated[
        list[str] | None, typer.Argument(help="All who develop it, from now on.")
    ] = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Show or say who develops an agent: they can't approve its cases alone."""
    desk = _at(context, environment, agent, who)
    named = desk.name_developers(people) if people else desk.developers()
    if named is None:
        console.say(f"nobody has said who develops {agent}; so every case needs two people")
    else:
        console.say(f"{agent}: {', '.join(named.people)}; {named.by} said so at {named.at[:16]}")
    if as_json:
        console.emit(named or {})


@app.command(
    epilog=options.examples(
        "review publish support --plan",
        "review publish support --environment prod --waive near_duplicate",
    )
)
def publish(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="The dataset's name.")],
    only_plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be published, and publish nothing.")
    ] = False,
    waive: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="Let its findings pass: near_duplicate."),
    ] = None,
    who: As = "",
    environment: options.Environment = LAPTOP,
    as_json: options.Json = False,
) -> None:
    """Publish the accepted cases of a dataset as its next version, once the checks let them."""
    kinds = {kind: kind for kind in get_args(CheckKind)}
    if unknown := [name for name in waive or () if name not in kinds]:
        raise BadInput(f"--waive: wanted one of {', '.join(kinds)}, got {unknown[0]!r}")
    where = options.reviewing(context, environment)
    agents = {key.split("/")[1] for key in where.registry.keys("agent/")}
    desks = [_at(context, environment, agent, who) for agent in sorted(agents)]
    place = options.place(context, environment)
    rules = RedactionRules()
    if environment != LAPTOP:
        rules = options.watching(context, environment).watch.redaction
    planned = publication.plan(dataset, desks, where.registry, place.records, _find_personal(rules))
    found = planned.publication
    console.say(f"{dataset} {found.base} -> {found.header.version}: {found.why_bump}")
    console.say(f"owner {found.header.owner}; {found.header.changelog}")
    for finding in found.findings:
        waived = " (waived)" if finding.waivable and finding.kind in (waive or ()) else ""
        mark = "FAULT" if finding.blocks else "note"
        console.say(f"{mark}{waived}: {finding.kind}: {finding.case_id or 'all'}: {finding.said}")
    if only_plan:
        if as_json:
            console.emit(found)
        return
    row = publication.publish(
        planned, place.publish_dataset, who or place.caller(), [kinds[k] for k in waive or ()]
    )
    console.say(f"dataset {row.name}@{row.version}: {row.count} cases, sha256 {row.sha256}")
    if as_json:
        console.emit(row)


def _find_personal(rules: RedactionRules) -> publication.FindPersonal:
    """What in a case may be a person's, by the same patterns that redact production."""
    from driftgate.redaction import Redactor  # needs what the extra `redaction` installs

    redactor = Redactor(rules, b"nothing is kept of it")
    return lambda content: redactor.value(content).found


def _desk(
    context: typer.Context, environment: str, agent: str, candidate: str, who: str = ""
) -> tuple[Desk, str]:
    desk = _at(context, environment, agent, who)
    return desk, desk.find(candidate)


def _at(context: typer.Context, environment: str, agent: str, who: str) -> Desk:
    from driftgate.adapters.clock import SystemClock

    if who and environment != LAPTOP:
        raise BadInput("--as: in a deployed environment it is whoever has these credentials")
    where = options.reviewing(context, environment)
    return Desk(
        agent=agent,
        who=who or options.place(context, environment).caller(),
        reviews=where.reviews,
        traces=where.traces,
        stored=where.registry,
        clock=SystemClock(),
    )


def _revision(desk: Desk, fingerprint: str, given: int | None) -> int:
    return desk.review(fingerprint).revision if given is None else given


def _told(after: Review, as_json: bool) -> None:
    console.say(f"candidate {after.fingerprint[:START]}: {after.state}, revision {after.revision}")
    if as_json:
        console.emit(after)


def _read(path: Path) -> Case:
    try:
        return read_case(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: can't read it: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from error


def _pinned(agent: str, where: options.Reviewing) -> Dataset:
    """The dataset that the newest version of an agent is held to, as it is published last."""
    versions = registry.list_agents(where.registry, agent)
    name = versions[-1].manifest.datasets["regression"].name if versions else ""
    published = registry.list_datasets(where.registry, name) if name else []
    if not published:
        raise BadInput(f"agent {agent}: no version of it is published in {where.registry.where}")
    return registry.load_dataset(published[-1], where.registry)
