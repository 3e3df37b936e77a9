"""Does the simulation sample and watch as the product does? Both on the same random windows."""

import numpy as np

from bench import online_simulation as simulation
from bench.online_simulation import KINDS, NO_CHANGE, STRATA, TOOLS, Fleet, Sampler
from bench.results import Results
from driftgate import latency, monitor, risk, sampling, thresholds
from driftgate.sampling import Spending, Traffic
from driftgate.schemas.monitoring import LatencyCounts, Window
from driftgate.schemas.sampling import SamplingPolicy

WINDOWS, VOLUME = 300, 3000


def check(results: Results) -> None:
    random = np.random.Generator(np.random.PCG64([simulation.SEED, 1]))
    results.figure("windows compared with the product", WINDOWS)
    for name, off in (
        ("probabilities that sampling.renew makes otherwise, most", probabilities(random)),
        ("levels that monitor.update makes otherwise, most", levels(random)),
        ("evidence that latency.increments finds otherwise, most", evidence(random)),
    ):
        results.check(name, off, "<=", 1e-9)


def probabilities(random: np.random.Generator) -> float:
    """The largest difference, with critical tools, ceilings and strata that look anomalous."""
    policy = SamplingPolicy(critical_tools=tuple(TOOLS[6:]), ceiling_per_hour=20, anomalous_hours=1)
    fleet, sampler = Fleet(VOLUME, policy, 1, random), Sampler(policy, 1)
    rates, most = sampling.first_rates("support", policy), 0.0
    for number in range(WINDOWS):
        quiet_hours = 100 <= number < 200
        sessions = fleet.window(NO_CHANGE).sessions * (not quiet_hours)
        ratios = random.random(len(STRATA)) ** 8
        kinds = dict(zip(KINDS, map(int, sessions.ravel()), strict=True))
        traffic = Traffic(number, simulation.PERIOD_S, kinds)
        by_stratum = dict(zip(STRATA, map(float, ratios), strict=True))
        rates = sampling.renew(rates, policy, traffic, by_stratum, Spending(0, 86400))
        sampler.renew(number, simulation.by_stratum(sessions), ratios[None])
        fleet.hold()
        ours = [sampling.probability(kind, rates) for kind in KINDS]
        most = max(most, float(np.abs(sampler.probabilities().ravel() - ours).max()))
    return most


def levels(random: np.random.Generator) -> float:
    """The largest difference of any CUSUM, through a drop of a task type."""
    policy = SamplingPolicy()
    before = simulation.history_of(
        VOLUME, policy, simulation.Agents(simulation.true_model(1), np.full((1, 4), 9.0)), random
    )
    learned = simulation.learned_by(before, 0)
    model = simulation.expected([learned])
    fleet = Fleet(VOLUME, policy, 1, random)
    states = {stratum: monitor.begin("support", "1.0.0", stratum) for stratum in STRATA}
    level, most = np.zeros((1, len(STRATA), len(thresholds.DETECTORS))), 0.0
    for number in range(WINDOWS):
        drop = 0.2 if number > WINDOWS // 2 else 0.0
        seen = fleet.window(simulation.Change("type 14 %", drop))
        fleet.hold()
        level = simulation.step(level, simulation.increments(seen, model))
        outcomes = {
            kind: risk.Outcomes(int(judged), int(failed), int(sessions), int(flagged), int(told))
            for kind, sessions, judged, failed, flagged, told in zip(
                KINDS, *(one.ravel() for one in seen[:5]), strict=True
            )
        }
        counts = risk.tally(outcomes, learned)
        for index, stratum in enumerate(STRATA):
            states[stratum] = monitor.update(
                states[stratum], Window(id=number, counts=counts[stratum])
            )
            found = states[stratum].excursions
            for detector, name in enumerate(thresholds.DETECTORS):
                ours = found[name].level if name in found else 0.0
                most = max(most, abs(ours - float(level[0, index, detector])))
    return most


def evidence(random: np.random.Generator) -> float:
    """The largest difference of what a window of a tool's calls adds."""
    from bench import online_latency

    buckets = random.integers(0, 200, size=(WINDOWS, len(latency.BOUNDS_S) + 1))
    baseline = LatencyCounts(buckets=tuple(int(number) for number in buckets[0] * 50))
    theirs = online_latency.Evidence.of([baseline]).added(buckets[1:, None, :] // 8)
    ours = [
        list(latency.increments(LatencyCounts(buckets=tuple(map(int, row))), baseline).values())
        for row in buckets[1:] // 8
    ]
    return float(np.abs(theirs[:, 0] - np.array(ours)).max())
