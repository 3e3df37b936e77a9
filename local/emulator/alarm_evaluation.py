"""When a CloudWatch alarm is in which state, by the rules of its user guide."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
TREATMENTS = {"missing": "", "ignore": "", "breaching": "Breaching", "notBreaching": "NonBreaching"}
HIGH_RESOLUTION = (10, 20, 30)  # periods in seconds; all others are of minutes
EXTRA_PERIODS = 2  # AWS looks further back than it evaluates; in its examples, by two periods
Points = Sequence[float | None]  # of consecutive periods, the latest last


@dataclass(frozen=True)
class Rule:
    """What an alarm compares, and how many of its points must breach."""

    comparison: str
    threshold: float
    periods: int
    to_alarm: int
    treatment: str

    def starts(self, now: float, period: int) -> list[float]:
        """The starts of the closed periods to look at, the latest last.

        Evaluation goes on by the minute, or every ten seconds; a longer period slides along.
        """
        step = 10 if period in HIGH_RESOLUTION else 60
        end = now // step * step
        return [end - period * back for back in range(self.periods + EXTRA_PERIODS, 0, -1)]

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)

    def state(self, points: Points, current: str) -> str:
        """The state that follows from the points of all `starts`.

        As many real points as there are evaluation periods decide by themselves, however many are
        missing between them. With fewer the treatment of missing data fills up the rest.
        """
        real = [point for point in points if point is not None][-self.periods :]
        breaching = sum(map(self.breaches, real))
        missing = self.periods - len(real)
        if breaching >= self.to_alarm:
            return "ALARM"
        if self.treatment == "breaching":
            return "ALARM" if breaching + missing >= self.to_alarm else "OK"
        if self.treatment == "notBreaching" or breaching < len(real):
            return "OK"
        if not real:
            return current if self.treatment == "ignore" else "INSUFFICIENT_DATA"
        # All that is known breaches, and it is too little. The points to come could still speak
        # against an alarm, unless even the oldest had the time to.
        oldest = next(index for index, point in enumerate(points) if point is not None)
        due = len(points) - oldest >= self.to_alarm
        return "ALARM" if due and self.treatment == "missing" else current

    def reason(self, points: Points, starts: Sequence[float], state: str) -> str:
        """Why, in the words of AWS."""
        real = [(p, s) for p, s in zip(points, starts, strict=True) if p is not None]
        real = real[-self.periods :]
        if not real and state == "INSUFFICIENT_DATA":
            points_said = count(self.periods, "datapoint")
            return f"Insufficient Data: {points_said} {was(self.periods)} unknown."
        if not real:
            return (
                f"Threshold Crossed: no datapoints were received for"
                f" {count(self.periods, 'period')} and {count(self.periods, 'missing datapoint')}"
                f" {was(self.periods)} treated as [{TREATMENTS[self.treatment]}]."
            )
        shown = [f"{p} ({datetime.fromtimestamp(s, UTC):%d/%m/%y %H:%M:%S})" for p, s in real]
        words = f"{COMPARISONS[self.comparison][1]} the threshold ({self.threshold})"
        listed = f"[{', '.join(reversed(shown))}]"
        if state != "ALARM":
            said = count(len(real), "datapoint")
            return f"Threshold Crossed: {said} {listed} {was(len(real))} not {words}."
        breaching = sum(self.breaches(point) for point, _ in real)
        return (
            f"Threshold Crossed: {breaching} out of the last {self.periods} datapoints {listed}"
            f" {was(breaching)} {words} (minimum {count(self.to_alarm, 'datapoint')}"
            f" for OK -> ALARM transition)."
        )


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def was(number: int) -> str:
    return "was" if number == 1 else "were"
