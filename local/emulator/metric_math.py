"""CloudWatch's metric math, as far as alarms here need it: what is missing stays missing."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from statistics import fmean
from typing import Any

Series = dict[float, float]  # the start of a period -> its value, if there is one
Value = float | Series
Operand = Value | list[Value]

WORDS = {"&&": " and ", "||": " or ", "AND": " and ", "OR": " or ", "^": "**"}
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda *values: all(values),
    ast.Or: lambda *values: any(values),
}
OF_EACH: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
OF_ALL: dict[str, Callable[[list[float]], float]] = {
    "AVG": fmean,
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
}


def evaluate(
    queries: Mapping[str, Series | str], times: Sequence[float], period: int
) -> dict[str, Series]:
    """The series of every query.

    Args:
        queries: id -> what was measured, or an expression over other ids.
        times: the starts of all periods, also of those without data, in order.
        period: of all metrics, in seconds.

    Raises:
        ValueError: an expression can't be read, uses what is not there, or gives no time series.
    """
    return Evaluation(queries, times, period).all()


class Evaluation:
    def __init__(
        self, queries: Mapping[str, Series | str], times: Sequence[float], period: int
    ) -> None:
        self._queries = queries
        self._times = times
        self._period = period
        self._found: dict[str, Value] = {}
        self._open: list[str] = []

    def all(self) -> dict[str, Series]:
        found = {}
        for name, query in self._queries.items():
            value = self._query(name)
            if not isinstance(value, dict):
                raise ValueError(f"{name}: {query!r} is a number, wanted a time series")
            found[name] = value
        return found

    def _query(self, name: str) -> Value:
        if name not in self._queries:
            raise ValueError(f"there is no metric or expression {name!r}")
        if name in self._open:
            raise ValueError(f"{name!r} depends on itself")
        if name not in self._found:
            query = self._queries[name]
            self._open.append(name)
            value = self._value(parse(query)) if isinstance(query, str) else query
            self._open.pop()
            if isinstance(value, list):
                raise ValueError(f"{name}: {query!r} is several time series, wanted one")
            self._found[name] = value
        return self._found[name]

    def _value(self, node: ast.expr) -> Operand:
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self._query(name)
            case ast.List(elts=nodes):
                return [self._one(each) for each in nodes]
            case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
                return pointwise(OPERATORS[type(op)], self._one(operand))
            case ast.BinOp(left=left, op=binary, right=right) if type(binary) in OPERATORS:
                return pointwise(OPERATORS[type(binary)], self._one(left), self._one(right))
            case ast.Compare(left=left, ops=[comparison], comparators=[right]):
                return pointwise(OPERATORS[type(comparison)], self._one(left), self._one(right))
            case ast.BoolOp(op=boolean, values=nodes):
                return pointwise(OPERATORS[type(boolean)], *map(self._one, nodes))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        raise ValueError(f"the emulator's metric math has no {ast.unparse(node)!r}")

    def _one(self, node: ast.expr) -> Value:
        value = self._value(node)
        if isinstance(value, list):
            raise ValueError(f"{ast.unparse(node)!r} is several time series, wanted one")
        return value

    def _call(self, name: str, arguments: list[ast.expr]) -> Operand:
        match name, arguments:
            case ("IF", [condition, *rest]) if len(rest) in (1, 2):
                return choose(self._one(condition), *map(self._one, rest))
            case ("FILL", [filled, with_what]):
                return self._fill(self._value(filled), with_what)
            case ("PERIOD", [_]):
                return float(self._period)
            case ("METRICS", []):
                return [query for query in self._queries.values() if isinstance(query, dict)]
            case (_, [argument]) if name in OF_EACH:
                return pointwise(OF_EACH[name], self._one(argument))
            case (_, [argument]) if name in OF_ALL:
                return aggregate(OF_ALL[name], self._value(argument))
        said = ", ".join(map(ast.unparse, arguments))
        raise ValueError(f"the emulator's metric math has no {name}({said})")

    def _fill(self, filled: Operand, with_what: ast.expr) -> Operand:
        if isinstance(filled, list):
            return [self._fill_one(each, with_what) for each in filled]
        return self._fill_one(filled, with_what)

    def _fill_one(self, filled: Value, with_what: ast.expr) -> Value:
        if not isinstance(filled, dict):
            return filled
        if isinstance(with_what, ast.Name) and with_what.id == "REPEAT":
            return repeat(filled, self._times)
        value = self._one(with_what)
        other = value if isinstance(value, dict) else dict.fromkeys(self._times, value)
        return {**other, **filled}


def parse(expression: str) -> ast.expr:
    text = re.sub(r"&&|\|\||\^|\b(?:AND|OR)\b", lambda found: WORDS[found[0]], expression)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{expression!r} is no metric math: {error.msg}") from error


def pointwise(function: Callable[..., Any], *values: Value) -> Value:
    """Of numbers a number; of series that of the periods in which all have data."""
    series = [value for value in values if isinstance(value, dict)]
    if not series:
        try:
            return float(function(*values))
        except ArithmeticError:
            return {}
    found: Series = {}
    for time in sorted(set(series[0]).intersection(*series[1:])):
        with suppress(ArithmeticError):  # what is divided by zero is missing
            found[time] = float(function(*(at(value, time) for value in values)))
    return found


def choose(condition: Value, yes: Value, no: Value | None = None) -> Value:
    no = {} if no is None else no
    if not isinstance(condition, dict):
        return yes if condition else no
    chosen = {time: at(yes if met else no, time) for time, met in condition.items()}
    return {time: value for time, value in chosen.items() if value is not None}


def aggregate(function: Callable[[list[float]], float], value: Operand) -> Value:
    """Of several series one series over what each period has; of one series a number."""
    if not isinstance(value, list):
        numbers = list(value.values()) if isinstance(value, dict) else [value]
        return float(function(numbers)) if numbers else {}
    times = sorted({time for each in value if isinstance(each, dict) for time in each})
    rows = {time: [at(each, time) for each in value] for time in times}
    return {
        time: float(function([one for one in row if one is not None])) for time, row in rows.items()
    }


def repeat(series: Series, times: Sequence[float]) -> Series:
    filled: Series = {}
    last = None
    for time in times:
        last = series.get(time, last)
        if last is not None:
            filled[time] = last
    return filled


def at(value: Value, time: float) -> float | None:
    return value.get(time) if isinstance(value, dict) else value
