"""A closed window folded into what is known of an agent: counts, monitors, rates, and what is told.

Pure, so that a window that is folded again comes to the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from driftgate import latency, mining, monitor, names, risk, sampling
from driftgate.sampling import Drawn, Kind, Spending, Traffic, strata_of
from driftgate.schemas.events import Announcement, QualityRegressed, SessionsFlagged
from driftgate.schemas.monitoring import (
    Counts,
    LatencyCounts,
    LatencyWindow,
    Reading,
    RiskModel,
    Thresholds,
    Window,
)
from driftgate.schemas.online import (
    MOST_EXAMPLES,
    OTHER,
    AgentState,
    Alarm,
    Clockwork,
    ClosedSession,
    Estimate,
    FoldedWindow,
    KindOutcomes,
    Level,
    MonitorKind,
    SampledSession,
    Seen,
    SessionJudgment,
    VersionState,
    Watch,
    WindowReport,
)
from driftgate.schemas.record import count

DAY_S = 86_400
FORGOTTEN_S = 3 * DAY_S  # a version without sessions for so long has no monitors any more
MOST_KINDS = 400  # of a day that are kept apart: a row holds some 2,000
MOST_PLACES = 300  # of numbers in tools' results, whose sizes are remembered


class SeenWindow(NamedTuple):
    """All rows of a window."""

    agent: str
    window: int
    closed: Sequence[ClosedSession]
    sampled: Mapping[str, SampledSession]
    judged: Mapping[str, SessionJudgment]
    complained: Sequence[ClosedSession] = ()  # of windows before, of which a user complained now


class Knowledge(NamedTuple):
    """What was learned before, by version."""

    thresholds: Thresholds
    history: Mapping[str, Seen]  # of the last 14 days
    acknowledged: int | None  # the last window that somebody has seen to


def fold(
    state: AgentState, window: SeenWindow, known: Knowledge, environment: str, watch: Watch
) -> FoldedWindow:
    """What a window came to, and what the next one starts from."""
    day = int(window.window * watch.clockwork.window_s // DAY_S)
    by_version = _by_version((*window.closed, *window.complained))
    seen = {version: summed(window, by_version[version], watch) for version in by_version}
    versions = [
        _next_version(version, seen.get(version.version, Seen()), known, window, day)
        for version in _known_versions(state, list(by_version), window, watch)
    ]
    readings = {
        version.version: [monitor.read(one, known.thresholds) for one in version.monitors]
        for version in versions
    }
    alarms = tuple(_alarms(readings, state, window, watch))
    today = state.judged_today if state.day == day else 0
    rates = sampling.renew(
        state.rates or sampling.first_rates(window.agent, watch.sampling),
        watch.sampling,
        _traffic(window, watch),
        _nearest(readings),
        Spending(today, DAY_S - window.window * watch.clockwork.window_s % DAY_S),
    )
    after = AgentState(
        agent=window.agent,
        window=window.window,
        rates=rates,
        versions=tuple(versions),
        alarmed=tuple(sorted(f"{alarm.version} {alarm.stratum}" for alarm in alarms)),
        day=day,
        judged_today=today + len(window.judged),
    )
    alarmed = {alarm.version for alarm in alarms}
    return FoldedWindow(
        report=_report(window, seen, after, readings, alarms, environment, watch),
        state=after,
        calm={version: what for version, what in seen.items() if version not in alarmed},
    )


def summed(window: SeenWindow, closed: Iterable[ClosedSession], watch: Watch) -> Seen:
    """What sessions showed, by kind, tool and size."""
    kinds: dict[Kind, Counter[str]] = defaultdict(Counter)
    calls: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    before = {session.session_id for session in window.complained}
    for session in closed:
        seen = kinds[kind_of(session)]
        if session.session_id in before:  # it counted in its own window, but for the complaint
            seen["negative"] += 1
            continue
        sampled = window.sampled.get(session.session_id)
        good = is_good(window.judged.get(session.session_id), watch)
        in_base = sampled is not None and sampled.sampled.base and good is not None
        seen += Counter(
            sessions=1,
            flagged=int(session.looks_wrong),
            negative=int(sampled is not None and sampled.sampled.negative),
            judged=int(in_base),
            failed=int(in_base and not good),
        )
        for call in session.timed:
            calls[call.tool].append(call.latency_s)
        for one in session.measured:
            sizes[f"{one.tool} {one.path}"][one.size] += 1
    return _seen(kinds, {tool: latency.count(calls[tool]) for tool in calls}, sizes)


def together(parts: Iterable[Seen]) -> Seen:
    """Several windows or days as one."""
    kinds: dict[Kind, Counter[str]] = defaultdict(Counter)
    calls: dict[str, LatencyCounts] = {}
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for part in parts:
        for one in part.kinds:
            numbers = one.model_dump(exclude={"task_type", "tools"})
            kinds[one.task_type, frozenset(one.tools)] += Counter(numbers)
        for tool, counts in part.latency.items():
            calls[tool] = calls[tool] + counts if tool in calls else counts
        for place, found in part.sizes.items():
            sizes[place] += Counter(found)
    return _seen(kinds, calls, sizes)


def of_the_busiest(seen: Seen) -> Seen:
    """With the rare kinds as one: an agent may use its tools in any combination."""
    kinds = sorted(seen.kinds, key=lambda kind: (-kind.sessions, kind.task_type, kind.tools))
    rare: Counter[str] = Counter()
    for kind in kinds[MOST_KINDS:]:
        rare += Counter(kind.model_dump(exclude={"task_type", "tools"}))
    sizes = sorted(seen.sizes.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    kept = Seen(
        kinds=tuple(kinds[:MOST_KINDS]), latency=seen.latency, sizes=dict(sizes[:MOST_PLACES])
    )
    return together((kept, _rare(rare)) if rare else (kept,))


def _rare(numbers: Mapping[str, int]) -> Seen:
    return Seen(kinds=(KindOutcomes(task_type=OTHER, tools=(), **numbers),))


def _seen(
    kinds: Mapping[Kind, Counter[str]],
    calls: Mapping[str, LatencyCounts],
    sizes: Mapping[str, Counter[int]],
) -> Seen:
    """In one order, so that equal counts are equal records."""
    by_name = sorted(
        ((kind[0], tuple(sorted(kind[1])), seen) for kind, seen in kinds.items()),
        key=lambda one: one[:2],
    )
    return Seen(
        kinds=tuple(
            KindOutcomes(task_type=task_type, tools=tools, **seen)
            for task_type, tools, seen in by_name
        ),
        latency={tool: calls[tool] for tool in sorted(calls)},
        sizes={place: dict(sorted(sizes[place].items())) for place in sorted(sizes)},
    )


def counts_of(report: WindowReport) -> dict[str, Counts]:
    """What a window showed by stratum, over all versions."""
    counts: dict[str, Counts] = {}
    for of_version in report.counts.values():
        for stratum, more in of_version.items():
            counts[stratum] = counts.get(stratum, Counts()) + more
    return counts


def calls_of(report: WindowReport) -> dict[str, LatencyCounts]:
    """Each tool's calls in a window, over all versions."""
    calls: dict[str, LatencyCounts] = {}
    for of_version in report.latency.values():
        for tool, more in of_version.items():
            calls[tool] = calls[tool] + more if tool in calls else more
    return calls


def by_tool(
    by_window: Sequence[Mapping[str, LatencyCounts]], usual: Mapping[str, LatencyCounts]
) -> dict[str, list[LatencyCounts]]:
    """The same by tool, of those of which it is known what is usual."""
    none = latency.count(())
    return {tool: [calls.get(tool, none) for calls in by_window] for tool in sorted(usual)}


def kind_of(session: ClosedSession) -> Kind:
    return session.task_type, frozenset(session.tools)


def is_good(judgment: SessionJudgment | None, watch: Watch) -> bool | None:
    """None: nobody judged it, or the judge failed."""
    if judgment is None or judgment.value is None:
        return None
    return judgment.value >= watch.good_from


def examples(
    alarm: Alarm,
    closed: Iterable[ClosedSession],
    judged: Mapping[str, SessionJudgment],
    watch: Watch,
) -> tuple[str, ...]:
    """The sessions of an alarm's stratum that speak for it: badly judged first, then the newest."""
    slow = alarm.monitor == "latency"
    worth = []
    for session in closed:
        mine = session.version == alarm.version and alarm.stratum in _strata(session)
        failed = is_good(judged.get(session.session_id), watch) is False
        if mine and (failed or session.looks_wrong or slow):
            seconds = max((one.latency_s for one in session.timed), default=0.0) if slow else 0.0
            worth.append((seconds, failed, session.ended, session.session_id))
    return tuple(worth[-1] for worth in sorted(worth, reverse=True)[:MOST_EXAMPLES])


def events(
    report: WindowReport, environment: str, clockwork: Clockwork
) -> tuple[Announcement, ...]:
    """What the event bus is told: each alarm once, when it is new, and sessions that went wrong."""
    new = sorted((a for a in report.alarms if a.is_new), key=lambda alarm: -alarm.ratio)
    regressed = tuple(
        Announcement(
            detail_type="QualityRegressed",
            detail=QualityRegressed(
                environment=environment,
                agent=report.agent,
                version=alarm.version,
                stratum=alarm.stratum,
                monitor=alarm.monitor,
                ratio=alarm.ratio,
                since=_begin(alarm.since, clockwork),
                window=report.window,
                at=_begin(report.window + 1, clockwork),
                evidence=alarm.evidence,
                session_ids=alarm.session_ids,
            ),
        )
        for alarm in new
    )
    if not report.flagged:
        return regressed
    flagged = SessionsFlagged(
        environment=environment,
        agent=report.agent,
        window=report.window,
        at=_begin(report.window + 1, clockwork),
        session_ids=report.flagged,
    )
    return (*regressed, Announcement(detail_type="SessionsFlagged", detail=flagged))


def _by_version(closed: Iterable[ClosedSession]) -> dict[str, list[ClosedSession]]:
    found: dict[str, list[ClosedSession]] = defaultdict(list)
    for session in closed:
        found[session.version].append(session)
    return dict(sorted(found.items()))


def _known_versions(
    state: AgentState, met: Sequence[str], window: SeenWindow, watch: Watch
) -> list[VersionState]:
    """Those of before that are not forgotten, and those that are met for the first time."""
    oldest = window.window - FORGOTTEN_S // watch.clockwork.window_s
    kept = [
        one.model_copy(update={"last_seen": window.window}) if one.version in met else one
        for one in state.versions
        if one.version in met or one.last_seen >= oldest
    ]
    known = {one.version for one in kept}
    new = [VersionState(version=v, last_seen=window.window) for v in met if v not in known]
    return [*kept, *new]


def _next_version(
    before: VersionState, seen: Seen, known: Knowledge, window: SeenWindow, day: int
) -> VersionState:
    """A version's monitors after the window. Without a model they wait: nothing is expected yet."""
    model, learned_on = before.model, before.learned_on
    if model is None or learned_on != day:
        model, learned_on = learn(before.version, known.history) or model, day
    # Those at 0 are as new ones: what a model or a user makes up by the hundred is forgotten.
    states = {one.stratum: one for one in before.monitors if one.excursions}
    if known.acknowledged is not None:
        states = {s: monitor.reset(one, known.acknowledged) for s, one in states.items()}
    if model is not None:
        for stratum, counts in risk.tally(_outcomes(seen), model).items():
            state = states.get(stratum) or monitor.begin(window.agent, before.version, stratum)
            states[stratum] = monitor.update(state, Window(id=window.window, counts=counts))
    for tool, calls in seen.latency.items():
        usual = _usual_latency(before.version, tool, known.history)
        if usual is not None:
            state = latency.begin(window.agent, before.version, tool)
            state = states.get(state.stratum, state)
            timed = LatencyWindow(id=window.window, counts=calls)
            states[state.stratum] = latency.update(state, timed, usual)
    return before.model_copy(
        update={
            "model": model,
            "learned_on": learned_on,
            "monitors": tuple(states[stratum] for stratum in sorted(states)),
        }
    )


def learn(version: str, history: Mapping[str, Seen]) -> RiskModel | None:
    """What is expected: of the version itself, or until it has enough sessions, of the one before
    it that has.
    """
    for other in (version, *reversed([one for one in history if one != version])):
        if other in history and (model := risk.learn(other, _outcomes(history[other]))):
            return model
    return None


def _usual_latency(version: str, tool: str, history: Mapping[str, Seen]) -> LatencyCounts | None:
    for other in (version, *reversed([one for one in history if one != version])):
        counts = history.get(other, Seen()).latency.get(tool)
        if counts is not None and sum(counts.buckets) >= risk.WARM_UP:
            return counts
    return None


def _outcomes(seen: Seen) -> dict[Kind, risk.Outcomes]:
    return {
        (one.task_type, frozenset(one.tools)): risk.Outcomes(
            judged=one.judged,
            failed=one.failed,
            sessions=one.sessions,
            flagged=one.flagged,
            negative=one.negative,
        )
        for one in seen.kinds
    }


def _traffic(window: SeenWindow, watch: Watch) -> Traffic:
    kinds = Counter(kind_of(session) for session in window.closed)
    negative = sum(one.sampled.negative for one in window.sampled.values())
    return Traffic(window.window, watch.clockwork.window_s, kinds, negative)


def _nearest(readings: Mapping[str, Sequence[Reading]]) -> dict[str, float]:
    """How near each stratum is to an alarm, over all versions."""
    nearest: dict[str, float] = {}
    for reading in (one for of_version in readings.values() for one in of_version):
        nearest[reading.stratum] = max(nearest.get(reading.stratum, 0.0), reading.ratio)
    return nearest


def _alarms(
    readings: Mapping[str, Sequence[Reading]], before: AgentState, window: SeenWindow, watch: Watch
) -> Iterator[Alarm]:
    for version, of_version in readings.items():
        for reading in of_version:
            if not reading.alarms or reading.detector is None or reading.since is None:
                continue
            alarm = Alarm(
                version=version,
                stratum=reading.stratum,
                monitor=_kind(reading.detector),
                ratio=round(reading.ratio, 4),
                since=reading.since,
                evidence=_evidence(reading),
                session_ids=(),
                is_new=f"{version} {reading.stratum}" not in before.alarmed,
            )
            found = examples(alarm, window.closed, window.judged, watch)
            yield alarm.model_copy(update={"session_ids": found})


def _kind(detector: str) -> MonitorKind:
    kinds: dict[str, MonitorKind] = {"judge": "judge", "fused": "fused", "latency": "latency"}
    return kinds[detector.partition("_")[0]]


def _evidence(reading: Reading) -> str:
    counts = reading.counts
    if isinstance(counts, LatencyCounts):
        return f"{count(sum(counts.buckets), 'call')}, slower than before"
    if counts is None:
        return ""
    said = [
        f"{counts.failed} of {counts.judged} judged sessions failed, "
        f"{counts.expected_failed:.1f} were expected",
        f"{counts.flagged} of {counts.sessions} sessions look wrong, "
        f"{counts.expected_flagged:.1f} were expected",
    ]
    if counts.negative:
        said.append(f"{counts.negative} have negative feedback, {counts.expected_negative:.1f}")
        said[-1] += " were expected"
    return "; ".join(said)


def _strata(session: ClosedSession) -> set[str]:
    named = {latency.begin("", "", tool).stratum for tool in session.tools}
    return {*strata_of(*kind_of(session)), *named}


def _begin(window: int, clockwork: Clockwork) -> datetime:
    return datetime.fromtimestamp(window * clockwork.window_s, UTC)


def _report(
    window: SeenWindow,
    seen: Mapping[str, Seen],
    after: AgentState,
    readings: Mapping[str, Sequence[Reading]],
    alarms: tuple[Alarm, ...],
    environment: str,
    watch: Watch,
) -> WindowReport:
    judged = [one for one in window.judged.values() if one.value is not None]
    drawn = sum(one.sampled.judged for one in window.sampled.values())
    costs = [one.cost_usd for one in window.judged.values()]
    negative = [one for one in window.sampled.values() if one.sampled.negative]
    worst = monitor.worst(one for of_version in readings.values() for one in of_version)
    models = {one.version: one.model for one in after.versions}
    report = WindowReport(
        agent=window.agent,
        window=window.window,
        sessions=len(window.closed),
        judged=len(judged),
        judge_faults=max(0, drawn - len(judged)),
        negative=len(negative),
        negative_judged=sum(one.session_id in {j.session_id for j in judged} for one in negative),
        spent_usd=sum(c for c in costs if c is not None) if None not in costs else None,
        estimates=tuple(_estimates(window, watch)),
        ratio=round(worst.ratio if worst else 0.0, 4) if any(models.values()) else None,
        alarms=alarms,
        flagged=_flagged(window),
        notes=after.rates.notes if after.rates else (),
        levels=(),
        counts={
            version: risk.tally(_outcomes(what), model)
            for version, what in seen.items()
            if (model := models[version]) is not None
        },
        latency={version: what.latency for version, what in seen.items()},
    )
    levels = tuple(_levels(report, window, after, readings, environment, watch))
    return report.model_copy(update={"levels": levels})


def _flagged(window: SeenWindow) -> tuple[str, ...]:
    """The window's sessions that went wrong, with those of before that somebody complained of."""
    complained = {one.session_id for one in window.sampled.values() if one.sampled.negative}
    return mining.worst(
        {
            session.session_id: mining.severity(
                session,
                window.judged.get(session.session_id),
                session.session_id in complained,
            )
            for session in (*window.closed, *window.complained)
        }
    )


def _estimates(window: SeenWindow, watch: Watch) -> Iterator[Estimate]:
    """The weighted quality of each version, over all and by task type and tool."""
    groups: dict[tuple[str, str], list[ClosedSession]] = defaultdict(list)
    for session in window.closed:
        for stratum in strata_of(*kind_of(session)):
            groups[session.version, stratum].append(session)
    for (version, stratum), sessions in sorted(groups.items()):
        drawn = []
        for session in sessions:
            sampled = window.sampled.get(session.session_id)
            if sampled is not None and sampled.sampled.judged:
                good = is_good(window.judged.get(session.session_id), watch)
                score = None if good is None else float(good)
                drawn.append(Drawn(score, sampled.sampled.probability))
        yield Estimate(
            version=version,
            stratum=stratum,
            sessions=len(sessions),
            quality=sampling.estimate(drawn),
        )


def _levels(
    report: WindowReport,
    window: SeenWindow,
    after: AgentState,
    readings: Mapping[str, Sequence[Reading]],
    environment: str,
    watch: Watch,
) -> Iterator[Level]:
    ours = {"agent": window.agent, "monitor": names.online_monitor(environment)}
    yield Level(name=names.WINDOWS_PUBLISHED, value=1, unit="Count", dimensions=ours)
    yield Level(name=names.SESSIONS, value=report.sessions, unit="Count", dimensions=ours)
    for name, value in _of_agent(window, after, readings, watch):
        if value is not None:
            yield Level(name=name, value=round(value, 6), dimensions=ours)
    yield from _latencies(window)
    for estimate in report.estimates:
        of_stratum = {"agent": window.agent, "version": estimate.version}
        for prefix, dimension in (
            (sampling.of_type(""), "task_type"),
            (sampling.of_tool(""), "tool"),
        ):
            if estimate.stratum.startswith(prefix):
                of_stratum[dimension] = estimate.stratum.removeprefix(prefix)
        yield Level(
            name=names.SESSIONS, value=estimate.sessions, unit="Count", dimensions=of_stratum
        )
        if quality := estimate.quality:
            for name, value in (
                (names.QUALITY, quality.mean),
                (names.QUALITY_LOWER, quality.lower),
                (names.QUALITY_UPPER, quality.upper),
            ):
                yield Level(name=name, value=round(value, 6), dimensions=of_stratum)


def _latencies(window: SeenWindow) -> Iterator[Level]:
    """Seconds of a tool's calls, by version: those of half of them, and of nearly all."""
    calls: dict[tuple[str, str], list[float]] = defaultdict(list)
    for session in window.closed:
        for one in session.timed:
            calls[session.version, one.tool].append(one.latency_s)
    for (version, tool), seconds in sorted(calls.items()):
        ordered = sorted(seconds)
        of_tool = {"agent": window.agent, "version": version, "tool": tool}
        for name, share in ((names.LATENCY_P50, 0.5), (names.LATENCY_P95, 0.95)):
            value = round(ordered[int(share * (len(ordered) - 1))], 6)
            yield Level(name=name, value=value, unit="Seconds", dimensions=of_tool)


def _of_agent(
    window: SeenWindow,
    after: AgentState,
    readings: Mapping[str, Sequence[Reading]],
    watch: Watch,
) -> Iterator[tuple[str, float | None]]:
    """Levels of an agent over all versions; None where there is nothing to take a share of."""
    every = [one for of_version in readings.values() for one in of_version]
    timed = [one.ratio for one in every if one.stratum.startswith("latency ")]
    other = [one.ratio for one in every if not one.stratum.startswith("latency ")]
    if any(one.model for one in after.versions):  # else nothing is expected yet
        yield names.CUSUM_RATIO, max(other, default=0.0)
        yield names.LATENCY_RATIO, max(timed, default=0.0)
    for name, kind in (
        (names.TURN_LIMIT_RATE, "turn_limit"),
        (names.UNRECOVERED_ERROR_RATE, "unrecovered_error"),
    ):
        flagged = [any(one.kind == kind for one in s.signals) for s in window.closed]
        yield name, _share(flagged)
    yield names.ESCALATION_RATE, _share([session.escalated for session in window.closed])
    answered = {id for id, one in window.judged.items() if one.value is not None}
    drawn = [id for id, one in window.sampled.items() if one.sampled.judged]
    complaints = [id for id, one in window.sampled.items() if one.sampled.negative]
    yield names.JUDGE_FAULT_RATE, _share([id not in answered for id in drawn])
    yield names.COVERAGE, _share([session.session_id in answered for session in window.closed])
    yield names.NEGATIVE_COVERAGE, _share([id in answered for id in complaints])
    limit = watch.sampling.judgments_per_day
    if limit is not None:
        yield names.BUDGET_USED, after.judged_today / limit


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
