"""Does a run of 200 cases end within a quarter of an hour under AgentCore's quotas?

    make bench-capacity

A discrete-event simulation: two arms, looks at 2, 3 and 5 trials, all of them reached, 35 s a trial
with a long tail, at the concurrency that PlanRun chooses in prod, by the same function. A new
session that comes too soon is throttled and tried again as the state machine does. The bound is
held by the slowest of many seeds, and once more with half of AgentCore's quotas taken by others.
"""

import heapq
import random
from statistics import median

from bench.results import Results
from driftgate import capacity
from driftgate.schemas.capacity import Quotas
from stacks.environments import ENVIRONMENTS

CASES, ARMS, LOOKS = 200, 2, (2, 3, 5)
MEAN_S, SPREAD = 35.0, 0.5  # of the logarithm: one trial in a hundred takes three times as long
COLD_S, BETWEEN_LOOKS_S = 3.0, 20.0  # a function's first start; DecideGate, and the map's start
RETRY_S, BACKOFF, MOST_WAIT_S = 2.0, 1.5, 60.0  # of a throttled session, as in the state machine
SEEDS = range(100)


def main() -> None:
    results = Results("bench", "capacity")
    added = [CASES * ARMS * (now - before) for before, now in zip((0, *LOOKS), LOOKS, strict=False)]
    quotas = ENVIRONMENTS["prod"].quotas_of_a_run
    chosen = capacity.of_run(CASES, ARMS, LOOKS, MEAN_S, quotas)
    for name, left in (("alone", quotas), ("half of AgentCore's is taken", _halved(quotas))):
        walls, throttled = zip(
            *(simulate(added, chosen.concurrency, left, seed) for seed in SEEDS), strict=True
        )
        results.figure(f"{name}: trials at a time", chosen.concurrency)
        results.figure(f"{name}: minutes foretold", round(chosen.wall_s / 60, 1))
        results.figure(f"{name}: minutes, median", round(median(walls) / 60, 1))
        results.figure(f"{name}: sessions throttled, most of a run", max(throttled))
        results.check(f"{name}: minutes, slowest run", round(max(walls) / 60, 1), "<", 15)
    serial = simulate(added, 20, quotas, seed=0)[0]
    results.figure("20 at a time: minutes", round(serial / 60, 1))
    results.finish()


def simulate(looks: list[int], concurrency: int, quotas: Quotas, seed: int) -> tuple[float, int]:
    """The wall time of all looks in seconds, and how often a new session was throttled."""
    noise = random.Random(seed)  # noqa: S311  a simulation
    now, throttled = 0.0, 0
    for trials in looks:
        now, more = _look(now + BETWEEN_LOOKS_S, trials, concurrency, quotas, noise)
        throttled += more
    return now, throttled


def _look(
    begin: float, trials: int, concurrency: int, quotas: Quotas, noise: random.Random
) -> tuple[float, int]:
    """Run a look's trials; each lane takes the next one when it has ended one."""
    lanes = [(begin + noise.uniform(0, COLD_S), 0) for _ in range(min(concurrency, trials))]
    heapq.heapify(lanes)  # when a lane asks for a session, and how often it was refused
    tokens, refilled = quotas.new_sessions_per_s, begin
    running: list[float] = []  # when the sessions that are active end
    left, throttled, end = trials, 0, begin
    while left:
        now, refused = heapq.heappop(lanes)
        while running and running[0] <= now:
            heapq.heappop(running)
        rate = quotas.new_sessions_per_s
        tokens, refilled = min(rate, tokens + (now - refilled) * rate), now
        if tokens < 1 or len(running) >= quotas.active_sessions:
            throttled += 1
            wait = noise.uniform(0, min(MOST_WAIT_S, RETRY_S * BACKOFF**refused))
            heapq.heappush(lanes, (now + max(wait, 0.05), refused + 1))
            continue
        tokens -= 1
        left -= 1
        done = now + noise.lognormvariate(0, SPREAD) * MEAN_S / 1.1331  # exp(SPREAD**2 / 2)
        heapq.heappush(running, done)
        end = max(end, done)
        heapq.heappush(lanes, (done, 0))
    return end, throttled


def _halved(quotas: Quotas) -> Quotas:
    return Quotas(
        new_sessions_per_s=quotas.new_sessions_per_s / 2,
        active_sessions=quotas.active_sessions // 2,
    )


if __name__ == "__main__":
    main()
