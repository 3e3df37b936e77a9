"""Models, or versions, side by side on the same cases: is one better, or is it noise?

`compare` reads rows of the ledger and nothing else. Cases are what is sampled: every mean is over
cases, each weighing the same, and every interval knows how cases vary. Trials of a case are not
taken for cases.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations
from statistics import NormalDist, fmean, stdev, variance
from typing import NamedTuple

import numpy as np

from driftgate import intervals, stats
from driftgate import variance as components
from driftgate.errors import BadInput
from driftgate.schemas.benchmark import (
    QUANTITIES,
    Average,
    By,
    CallOrder,
    Comparison,
    Conclusion,
    Contender,
    Discrimination,
    Pair,
    PairOutcome,
    Protocol,
    ProtocolKept,
    Quantity,
    ToolShare,
    Variance,
)
from driftgate.schemas.ledger import Execution
from driftgate.schemas.record import count

PRIMARY = "task_success"
MARGIN = 0.05
ALPHA = 0.05
PERMUTATIONS = 10_000
Z_POWER = 0.841621  # 80 %
UNIT = 720_720_000  # holds thousandths of the mean of up to 16 trials exactly
SHOWN_TOOLS, SHOWN_ORDERS, SHOWN_FLAT = 20, 5, 20
NOTABLE = 0.1  # a difference of shares that is worth a sentence
TRUNCATED = ("max_tokens", "length", "max_output_tokens", "model_context_window_exceeded")
UNKNOWN = "unknown"
Values = Mapping[str, Sequence[float]]  # case id -> of its trials


class Group(NamedTuple):
    """The rows of a contender, and the values that it is compared by."""

    name: str
    rows: tuple[Execution, ...]
    values: dict[str, list[float]]


def compare(
    rows: Iterable[Execution],
    *,
    by: By = "model",
    metric: str = PRIMARY,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    protocol: Protocol | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare what made the rows, on one dataset.

    Args:
        by: what a contender is: a model, a version of an agent, or an agent.
        metric: of the rows' scores.
        margin: the smallest difference that matters, in (0, 1).
        alpha: the chance of calling any pair different where none is, over all pairs together.
        protocol: what every trial is held to besides.
        seed: of the permutations.

    Raises:
        BadInput: no rows, or rows that can't be compared: of several datasets, or scored by
            different metrics; no row has a value of the metric.
    """
    every = sorted(rows, key=lambda row: row.key)  # ties are broken alike whatever the order
    _refuse_mixed(every, metric)
    asked = protocol or Protocol()
    groups = _groups(every, by, metric)
    pairs = tuple(_pairs(groups, margin, alpha, seed))
    order = sorted(groups, key=lambda g: (-_mean(g.values), g.name))
    contenders = _on_frontier([_contender(group, metric, asked) for group in order])
    shared = sorted(set.intersection(*(set(g.values) for g in groups)))
    found = _discrimination(order, shared, seed)
    conclusion, reason = _conclude(contenders, pairs, found, margin)
    return Comparison(
        metric=metric,
        by=by,
        dataset=every[0].dataset,
        rows=len(every),
        margin=margin,
        alpha=alpha,
        seed=seed,
        protocol=asked,
        contenders=contenders,
        pairs=pairs,
        variance=_variance(order, shared),
        discrimination=found,
        conclusion=conclusion,
        reason=reason,
        cheapest=_cheapest(contenders, pairs),
        notes=tuple(_notes(every, groups, shared, by, metric)),
    )


def pass_hat(values: Values) -> tuple[float, ...]:
    """pass^1, pass^2, …: the chance that one case is solved in all of k trials.

    A case with c of n trials solved contributes C(c, k) / C(n, k), which is unbiased for p**k. Only
    as many k are told as every case has trials, so that all are of the same cases. A trial is
    solved if its value is 1.

    Source:
        Yao et al. 2024, tau-bench, arXiv:2406.12045 (there written pass^k).
    """
    solved = [(sum(value == 1 for value in of), len(of)) for of in values.values()]
    most = min((n for _, n in solved), default=0)
    return tuple(
        fmean(math.comb(c, k) / math.comb(n, k) for c, n in solved) for k in range(1, most + 1)
    )


def success(values: Values, missing: int = 0) -> Average | None:
    """The mean over cases, with Wilson's interval for as many values as cases of this variance are
    worth: as many as there are trials if cases don't differ, as few as cases if trials don't.

    Source:
        Kish 1965, Survey Sampling, 8.2 (the effective size of a sample of clusters).
    """
    if not values:
        return None
    means = [fmean(of) for of in values.values()]
    mean, cases = fmean(means), len(means)
    trials = sum(len(of) for of in values.values())
    spread = variance(means) if cases > 1 else 0.0
    worth = mean * (1 - mean) / spread * cases if spread else cases
    low, high = intervals.wilson(mean, min(max(worth, cases), trials))
    return Average(mean=mean, low=low, high=high, cases=cases, missing=missing)


def average(values: Values, missing: int = 0) -> Average | None:
    """The mean over cases of a quantity, with the normal interval."""
    if not values:
        return None
    means = [fmean(of) for of in values.values()]
    mean, low, high = fmean(means), None, None
    if len(means) > 1:
        half = intervals.Z * stdev(means) / math.sqrt(len(means))
        low, high = mean - half, mean + half
    return Average(mean=mean, low=low, high=high, cases=len(means), missing=missing)


def _refuse_mixed(rows: Sequence[Execution], metric: str) -> None:
    if not rows:
        raise BadInput("wanted executions to compare, the ledger has none that fit")
    for field, what in (("dataset", "one dataset"), ("harness", "one harness")):
        found = sorted({getattr(row, field) for row in rows})
        if len(found) > 1:
            raise BadInput(f"wanted executions of {what}, got {' and '.join(found)}")
    if all(row.score(metric) is None for row in rows):
        known = sorted({name for row in rows for name, s in row.scores.items() if s.scored})
        raise BadInput(f"no execution has a value of {metric}; there is {', '.join(known)}")


def _groups(rows: Sequence[Execution], by: By, metric: str) -> list[Group]:
    """The contenders with a value, by name. Those of an unknown model are one, called so."""
    found: dict[str, list[Execution]] = {}
    for row in rows:
        found.setdefault(_name(row, by), []).append(row)
    groups = [
        Group(name, tuple(of), _values(of, lambda row: row.score(metric)))
        for name, of in sorted(found.items())
    ]
    return [group for group in groups if group.values]


def _name(row: Execution, by: By) -> str:
    if by == "model":
        return row.model or UNKNOWN
    return row.agent if by == "agent" else f"{row.agent}@{row.version}"


def _values(
    rows: Iterable[Execution], value_of: Callable[[Execution], float | None]
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        value = value_of(row)
        if value is not None:
            found.setdefault(row.case_id, []).append(value)
    return found


def _mean(values: Values) -> float:
    return fmean(fmean(of) for of in values.values())


def _contender(group: Group, metric: str, protocol: Protocol) -> Contender:
    rows, scored = group.rows, sum(map(len, group.values.values()))
    others = sorted({name for row in rows for name in row.scores if name != metric})
    scores = {name: _of_score(rows, name) for name in others}
    return Contender(
        name=group.name,
        versions=tuple(sorted({f"{row.agent}@{row.version}" for row in rows})),
        models=tuple(sorted({row.model or UNKNOWN for row in rows})),
        cases=len(group.values),
        trials=len(rows),
        unscored=len(rows) - scored,
        success=success(group.values, len(rows) - scored),
        pass_hat=pass_hat(group.values),
        measures={quantity: _measure(rows, quantity) for quantity in QUANTITIES},
        scores={name: found for name, found in scores.items() if found},
        protocol=_kept(rows, protocol),
        tools=tuple(_tools(rows)),
        orders=tuple(_orders(rows)),
        cost_per_solved_usd=_cost_per_solved(group, metric),
    )


def _measure(rows: Sequence[Execution], quantity: Quantity) -> Average | None:
    field = "findings_count" if quantity == "findings" else quantity
    values = _values(rows, lambda row: getattr(row, field))
    return average(values, len(rows) - sum(map(len, values.values())))


def _of_score(rows: Sequence[Execution], metric: str) -> Average | None:
    values = _values(rows, lambda row: row.score(metric))
    return success(values, len(rows) - sum(map(len, values.values())))


def _cost_per_solved(group: Group, metric: str) -> float | None:
    """USD spent for each case that was solved, over the cases of which both are known."""
    costs = _values(group.rows, lambda row: row.cost_usd if row.score(metric) is not None else None)
    solved = sum(fmean(group.values[case_id]) for case_id in costs)
    return sum(fmean(of) for of in costs.values()) / solved if solved else None


def _kept(rows: Sequence[Execution], protocol: Protocol) -> ProtocolKept:
    enough = [row.calls >= protocol.min_calls for row in rows if protocol.min_calls]
    drilled = [_drilled(row, protocol) for row in rows if protocol.overview]
    told = [row.stop_reason.lower() in TRUNCATED for row in rows if row.stop_reason is not None]
    return ProtocolKept(
        enough_calls=fmean(enough) if enough else None,
        drilled_down=fmean(drilled) if drilled else None,
        truncated=fmean(told) if told else None,
        at_limit=fmean(row.ending.kind == "limit" for row in rows),
    )


def _drilled(row: Execution, protocol: Protocol) -> bool:
    seen = False
    for tool in row.tools:
        if seen and _fits(tool, protocol.drill_down):
            return True
        seen = seen or _fits(tool, protocol.overview)
    return False


def _fits(tool: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(tool, pattern) for pattern in patterns)


def _tools(rows: Sequence[Execution]) -> Iterator[ToolShare]:
    used = Counter(tool for row in rows for tool in set(row.tools))
    for tool, trials in sorted(used.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_TOOLS]:
        yield ToolShare(tool=tool, trials=trials / len(rows))


def _orders(rows: Sequence[Execution]) -> Iterator[CallOrder]:
    orders = Counter(row.tools for row in rows)
    for tools, trials in sorted(orders.items(), key=lambda item: (-item[1], item[0]))[
        :SHOWN_ORDERS
    ]:
        yield CallOrder(tools=tools, trials=trials)


def _on_frontier(contenders: Sequence[Contender]) -> tuple[Contender, ...]:
    """Say of each whose cost is known if another one is at least as good for less, or better for
    the same.
    """
    known = {one.name: (_usd(one), one.success.mean) for one in contenders if one.success}
    priced = {name: (usd, mean) for name, (usd, mean) in known.items() if usd is not None}
    marked = []
    for one in contenders:
        if one.name not in priced:
            marked.append(one)
            continue
        usd, mean = priced[one.name]
        over = [
            (other_usd, name)
            for name, (other_usd, other) in priced.items()
            if (other_usd <= usd and other > mean) or (other_usd < usd and other >= mean)
        ]
        dominated = min(over)[1] if over else None
        update = {"on_frontier": dominated is None, "dominated_by": dominated}
        marked.append(one.model_copy(update=update))
    return tuple(marked)


def _usd(contender: Contender) -> float | None:
    found = contender.measures["cost_usd"]
    return None if found is None else found.mean


def _cheapest(contenders: Sequence[Contender], pairs: Sequence[Pair]) -> str | None:
    """The cheapest of the best one and those that are not shown to be worse than it."""
    if len(contenders) < 2:
        return None
    best = contenders[0].name
    worse = {p.worse for p in pairs if p.better == best and p.outcome == "signal"}
    compared = {best} | {p.worse for p in pairs if p.better == best}
    fit = [(usd, one.name) for one in contenders if (usd := _usd(one)) is not None]
    fit = [(usd, name) for usd, name in fit if name in compared - worse]
    return min(fit)[1] if fit else None


class _Differences(NamedTuple):
    """What a pair is decided on: of each case, the better one's mean less the worse one's."""

    better: Group
    worse: Group
    case_ids: list[str]
    values: list[float]


def _pairs(groups: Sequence[Group], margin: float, alpha: float, seed: int) -> Iterator[Pair]:
    """All pairs with cases in common, tested together, the surest first."""
    found = [_differences(a, b) for a, b in combinations(groups, 2)]
    found = [pair for pair in found if pair.values]
    if not found:
        return
    place = {case_id: n for n, case_id in enumerate(sorted({i for p in found for i in p.case_ids}))}
    whole = np.zeros((len(place), len(found)), np.int64)
    for column, pair in enumerate(found):
        for case_id, value in zip(pair.case_ids, pair.values, strict=True):
            whole[place[case_id], column] = round(value * UNIT)
    tested = stats.sign_flip_max_t(whole, seed=seed, permutations=PERMUTATIONS, alpha=alpha)
    z_alike = NormalDist().inv_cdf(1 - alpha / len(found))
    pairs = [
        _pair(pair, p, adjusted, tested.threshold, z_alike, margin, alpha)
        for pair, p, adjusted in zip(found, tested.p, tested.adjusted, strict=True)
    ]
    yield from sorted(pairs, key=lambda pair: (pair.adjusted_p, -pair.difference, pair.better))


def _differences(a: Group, b: Group) -> _Differences:
    shared = sorted(a.values.keys() & b.values.keys())
    values = [fmean(a.values[i]) - fmean(b.values[i]) for i in shared]
    if shared and math.fsum(values) < 0:
        return _Differences(b, a, shared, [-value for value in values])
    return _Differences(a, b, shared, values)


def _pair(
    pair: _Differences,
    p: float,
    adjusted_p: float,
    z: float,
    z_alike: float,
    margin: float,
    alpha: float,
) -> Pair:
    values = pair.values
    estimate = intervals.paired_difference(values)
    spread = stdev(values) if len(values) > 1 else 0.0
    outcome: PairOutcome = "buried in noise"
    if adjusted_p <= alpha:
        outcome = "signal"
    elif estimate.upper(z_alike) < margin and estimate.lower(z_alike) > -margin:
        outcome = "no difference that matters"
    trials, cases = None, None
    if outcome == "buried in noise":
        trials, cases = _needed(pair, estimate.error, margin / (z + z_alike))
    return Pair(
        better=pair.better.name,
        worse=pair.worse.name,
        cases=len(values),
        difference=estimate.mean,
        low=estimate.lower(),
        high=estimate.upper(),
        p=p,
        adjusted_p=adjusted_p,
        effect=estimate.mean / spread if spread else None,
        wins=sum(value > 0 for value in values),
        losses=sum(value < 0 for value in values),
        detectable=(z + Z_POWER) * estimate.error,
        outcome=outcome,
        trials_needed=trials,
        cases_needed=cases,
        why=tuple(_why(pair.better, pair.worse)) if outcome == "signal" else (),
    )


def _needed(pair: _Differences, error: float, small: float) -> tuple[int | None, int | None]:
    """How many trials of each of these cases, or how many such cases with as many trials as now,
    would settle it: with so small an error any difference is either a signal or does not matter.

    More trials only take from the part of the error that trials make. None: no number of trials is
    enough, or nobody knows what part it is, as nothing was tried twice.
    """
    cases = len(pair.values)
    whole, allowed = error**2 * cases, small**2 * cases
    more_cases = math.ceil(cases * whole / allowed)
    of_trials = _noise(pair)
    if of_trials is None or (between := max(0.0, whole - of_trials)) >= allowed:
        return None, more_cases
    now = fmean(len(g.values[i]) for g in (pair.better, pair.worse) for i in pair.case_ids)
    return math.ceil(now * of_trials / (allowed - between)), more_cases


def _noise(pair: _Differences) -> float | None:
    """What trials add to the variance of a case's difference; None: no case was tried twice."""
    total = 0.0
    for group in (pair.better, pair.worse):
        cells = [group.values[case_id] for case_id in pair.case_ids]
        freedom = sum(len(cell) - 1 for cell in cells)
        if not freedom:
            return None
        squares = math.fsum((v - fmean(cell)) ** 2 for cell in cells for v in cell)
        total += squares / freedom * fmean(1 / len(cell) for cell in cells)
    return total


def _why(better: Group, worse: Group) -> Iterator[str]:
    """What the worse one does otherwise on the cases that both were tried on."""
    shared = better.values.keys() & worse.values.keys()
    good = [row for row in better.rows if row.case_id in shared]
    bad = [row for row in worse.rows if row.case_id in shared]
    mine, theirs = (fmean(row.calls for row in rows) for rows in (bad, good))
    if abs(mine - theirs) > NOTABLE * max(mine, theirs):
        yield f"it makes {mine:.2f} tool calls a trial, {better.name} {theirs:.2f}"
    yield from _other_order(better.name, good, bad)
    yield from _other_tools(better.name, good, bad)
    yield from _lower_scores(better.name, good, bad)


def _other_order(name: str, good: Sequence[Execution], bad: Sequence[Execution]) -> Iterator[str]:
    """How often each calls the tools in the order that the better one most often solves a case."""
    orders: dict[str, Counter[tuple[str, ...]]] = {}
    for row in good:
        if row.score(PRIMARY) == 1:
            orders.setdefault(row.case_id, Counter())[row.tools] += 1
    usual = {
        case_id: max(sorted(of), key=of.__getitem__)
        for case_id, of in orders.items()
        if of.total() > 1  # one trial alone is always in its own order
    }
    shares = [
        fmean(row.tools == usual[row.case_id] for row in rows if row.case_id in usual)
        for rows in (bad, good)
        if any(row.case_id in usual for row in rows)
    ]
    if len(shares) == 2 and shares[1] - shares[0] >= NOTABLE:
        yield (
            f"it calls the tools in the order in which {name} most often solves the case in "
            f"{shares[0]:.0%} of the trials, {name} in {shares[1]:.0%}"
        )


def _other_tools(name: str, good: Sequence[Execution], bad: Sequence[Execution]) -> Iterator[str]:
    mine, theirs = ({t.tool: t.trials for t in _tools(rows)} for rows in (bad, good))
    moved = {t: mine.get(t, 0.0) - theirs.get(t, 0.0) for t in mine.keys() | theirs.keys()}
    for tool in sorted(moved, key=lambda t: (-abs(moved[t]), t))[:3]:
        if abs(moved[tool]) >= NOTABLE:
            yield (
                f"it calls {tool} in {mine.get(tool, 0.0):.0%} of the trials, "
                f"{name} in {theirs.get(tool, 0.0):.0%}"
            )


def _lower_scores(name: str, good: Sequence[Execution], bad: Sequence[Execution]) -> Iterator[str]:
    fell = []
    for metric in sorted({m for row in good for m in row.scores} - {PRIMARY}):
        mine, theirs = _of_score(bad, metric), _of_score(good, metric)
        if mine and theirs and theirs.mean - mine.mean >= NOTABLE:
            fell.append((mine.mean - theirs.mean, metric, mine.mean, theirs.mean))
    for _, metric, mean, other in sorted(fell)[:3]:
        yield f"its {metric} is {mean:.2f}, {name}'s {other:.2f}"


def _variance(groups: Sequence[Group], shared: Sequence[str]) -> Variance | None:
    if not shared:
        return None
    found = components.components([group.values for group in groups], shared)
    total = math.fsum(part for part in found if part is not None)
    told = _told_parts(found, total)
    return Variance(cases_in_common=len(shared), total=total, told=told, **found._asdict())


def _told_parts(found: components.Components, total: float) -> str:
    if not total:
        return "every trial came out the same"
    names = {
        "models": "between models",
        "cases": "between cases",
        "interaction": "in which one is better at which case",
        "within": "between trials of one at a case",
    }
    parts = ", ".join(
        f"{value / total:.1%} {names[name]}"
        for name, value in found._asdict().items()
        if value is not None
    )
    told = f"of the variance of one trial lie {parts}"
    if found.within is None or found.models is None:
        return told
    if found.models > found.within:
        return f"{told}; models differ more than trials of one model do"
    return f"{told}; trials of one model differ as much as models do, or more"


def _discrimination(groups: Sequence[Group], shared: Sequence[str], seed: int) -> Discrimination:
    seen = {i: {value for group in groups for value in group.values[i]} for i in shared}
    flat = [case_id for case_id, values in seen.items() if len(values) == 1]
    return Discrimination(
        cases=len(shared),
        all_solved=sum(seen[i] == {1.0} for i in flat),
        none_solved=sum(seen[i] == {0.0} for i in flat),
        informative=len(shared) - len(flat),
        p=components.shuffled_p([group.values for group in groups], shared, seed),
        flat=tuple(flat[:SHOWN_FLAT]),
    )


def _conclude(
    contenders: Sequence[Contender],
    pairs: Sequence[Pair],
    found: Discrimination,
    margin: float,
) -> tuple[Conclusion, str]:
    if not pairs:
        names = ", ".join(one.name for one in contenders)
        return "nothing to compare", f"there is no case that two were tried on: {names} alone"
    surest = pairs[0]
    if surest.outcome == "signal":
        differing = sum(pair.outcome == "signal" for pair in pairs)
        rest = len(pairs) - differing
        also = f"; of {rest} more, none is shown to differ" if rest else ""
        return "signal", (
            f"{differing} of {len(pairs)} pairs differ by more than chance gives: "
            f"{_told(surest)}, adjusted p {surest.adjusted_p:.4f}{also}"
        )
    if found.cases and found.share <= 0.5:
        return "the data is the bottleneck", (
            f"{found.cases - found.informative} of {count(found.cases, 'case')} came out the same "
            f"in every trial of every one ({found.all_solved} always solved, {found.none_solved} "
            "never): they tell nothing apart, however often they are tried; what is needed is "
            "cases that some solve and others do not"
        )
    if all(pair.outcome == "no difference that matters" for pair in pairs):
        widest = max(pairs, key=lambda pair: pair.high)
        return "no difference that matters", (
            f"every pair is alike to within {100 * margin:g} points, the least sure one "
            f"{_told(widest)}"
        )
    return "buried in noise", _buried(pairs, margin)


def _told(pair: Pair) -> str:
    return (
        f"{pair.better} is {100 * pair.difference:.1f} points above {pair.worse} over "
        f"{count(pair.cases, 'case')} ({100 * pair.low:+.1f} to {100 * pair.high:+.1f})"
    )


def _buried(pairs: Sequence[Pair], margin: float) -> str:
    unsure = [pair for pair in pairs if pair.outcome == "buried in noise"]
    worst = max(unsure, key=lambda pair: pair.detectable)
    needed = [
        f"{worst.trials_needed} trials of each of these cases" if worst.trials_needed else "",
        f"{worst.cases_needed} such cases" if worst.cases_needed else "",
    ]
    told = " or ".join(filter(None, needed))
    hopeless = "" if worst.trials_needed else "; more trials of the same cases alone would not do"
    return (
        f"{len(unsure)} of {len(pairs)} pairs can't be told apart: {_told(unsure[0])}, "
        f"adjusted p {unsure[0].adjusted_p:.2f}. A difference of {100 * worst.detectable:.1f} "
        f"points would be found in four of five comparisons of {worst.better} and {worst.worse}; "
        f"to settle whether {100 * margin:g} points lie between them takes {told}{hopeless}"
    )


def _notes(
    rows: Sequence[Execution], groups: Sequence[Group], shared: Sequence[str], by: By, metric: str
) -> Iterator[str]:
    """What a reader must know to believe the numbers."""
    versions = {f"{row.agent}@{row.version}" for row in rows}
    if by == "model" and len(versions) > 1:
        yield f"of several versions, which may differ by themselves: {', '.join(sorted(versions))}"
    models = {row.model or UNKNOWN for row in rows}
    if by != "model" and len(models) > 1:
        yield f"of several models, which may differ by themselves: {', '.join(sorted(models))}"
    without = {_name(row, by) for row in rows} - {group.name for group in groups}
    if without:
        yield f"without any value of {metric}, so not compared: {', '.join(sorted(without))}"
    tried = {case_id for group in groups for case_id in group.values}
    if len(shared) < len(tried):
        yield (
            f"{len(shared)} of {count(len(tried), 'case')} were tried by all: the means are over "
            "each one's own cases, the differences over those of both"
        )
    unscored = sum(row.score(metric) is None for row in rows)
    if unscored:
        yield f"{unscored} of {count(len(rows), 'trial')} have no value of {metric}: in no mean"
    if missing := Counter(row.cost_missing for row in rows if row.cost_usd is None):
        why, _ = missing.most_common(1)[0]
        told = f", most often: {why}" if why else ""
        yield f"of {missing.total()} of {count(len(rows), 'trial')} the cost is missing{told}"
    if not any(len(of) > 1 for group in groups for of in group.values.values()):
        yield "nothing was tried twice: how trials vary by themselves is not known"
