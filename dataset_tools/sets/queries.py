"""Which sequences: a small language of conditions on facts and on weights. Pure.

    jawOpen > 0.8 and loss < 1 %
    subject in ("anna", "ben") and not sync == "bad"
    mean(mouthSmileLeft) > 0.1 or matches(take, "rom*") or "speech" in labels

A name is a fact of the sequence (`docs/dataset.md` lists them), or one of the 52 shapes, which
stands for its largest value in the sequence; `min`, `mean` and `std` of a shape are there too.
`labels` are the names of its segments. Text stands in quotes; `1 %` is 0.01; comparisons chain;
`and`, `or`, `not`, `in` and brackets are those of Python, of which this is a part.
"""

import ast
import difflib
import fnmatch
import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.blendshapes import ARKIT_NAMES, INDEX
from dataset_tools.sets.facts import STATISTICS
from firmware_host.errors import ConfigError

Facts = Mapping[str, Any]
Query = Callable[[Facts], bool]

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_TEXT = re.compile(r"('[^']*'|\"[^\"]*\")")
_HINT = "see docs/dataset.md, Choosing sequences"


def query_of(text: str) -> Query:
    """The condition that a text states, as a function of the facts of a sequence.

    Raises:
        ConfigError: it is no such condition; by the function too, where a name is unknown.
    """
    tree = _parsed(text)
    return lambda facts: bool(_Reader(facts, None, text).value(tree.body))


def stretches_of(text: str) -> Callable[[Facts, NDArray[np.float32]], NDArray[np.bool_]]:
    """The same condition for every row: shapes are their value there.

    The function takes facts and weights (T, 52) and gives (T,), False where there is no face.
    """
    tree = _parsed(text)

    def holds(facts: Facts, weights: NDArray[np.float32]) -> NDArray[np.bool_]:
        value = _Reader(facts, weights, text).value(tree.body)
        known = np.isfinite(weights).all(axis=1)
        return np.broadcast_to(np.asarray(value, np.bool_), len(weights)) & known

    return holds


def _parsed(text: str) -> ast.Expression:
    parts = _TEXT.split(text)  # text in quotes is every second one
    parts[::2] = [_PERCENT.sub(lambda m: repr(float(m[1]) / 100), part) for part in parts[::2]]
    try:
        return ast.parse("".join(parts).strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"query {text!r}: not understood", _HINT) from error


class _Reader:
    """Evaluates a condition for one sequence, or for every row of it."""

    def __init__(self, facts: Facts, weights: NDArray[np.float32] | None, text: str) -> None:
        self._facts, self._weights, self._text = facts, weights, text

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.BoolOp(op, values):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return reduce(join, [self.value(v) for v in values])
            case ast.UnaryOp(ast.Not(), operand):
                return np.logical_not(self.value(operand))
            case ast.UnaryOp(ast.USub(), ast.Constant(number)) if isinstance(number, int | float):
                return -number
            case ast.Compare(left, ops, comparators):
                return self._compared(left, ops, comparators)
            case ast.Call(ast.Name(name), arguments, []):
                return self._called(name, arguments)
            case ast.Name(name):
                return self._named(name)
            case ast.Constant(value) if isinstance(value, str | int | float | bool):
                return value
            case ast.Tuple(items) | ast.List(items):
                return [self.value(item) for item in items]
        raise self._error(f"{ast.unparse(node)!r} is not understood")

    def _compared(self, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> Any:
        values = [self.value(left), *map(self.value, others)]
        pairs = zip(ops, values[:-1], values[1:], strict=True)
        return reduce(np.logical_and, [self._pair(op, a, b) for op, a, b in pairs], np.True_)

    def _pair(self, op: ast.cmpop, a: Any, b: Any) -> Any:
        try:
            if isinstance(op, ast.In | ast.NotIn):
                return (a in b) == isinstance(op, ast.In)
            if a is None or b is None:  # a fact that nobody knows meets no condition
                return False
            return _COMPARISONS[type(op)](a, b)
        except (TypeError, KeyError) as error:
            raise self._error(f"cannot compare {a!r} and {b!r}") from error

    def _called(self, name: str, arguments: list[ast.expr]) -> Any:
        match name, arguments:
            case "matches", [text, ast.Constant(str(pattern))]:
                return fnmatch.fnmatchcase(str(self.value(text)), pattern)
            case _, [ast.Name(shape)] if name in STATISTICS and shape in INDEX:
                return self._facts[f"weights_{name}"][INDEX[shape]]
        raise self._error(f"{name}(…) is not understood; there are matches, min, max, mean, std")

    def _named(self, name: str) -> Any:
        if name in INDEX:
            if self._weights is not None:
                return self._weights[:, INDEX[name]]
            return self._facts["weights_max"][INDEX[name]]
        if name == "labels":
            return [segment["label"] for segment in self._facts["segments"]]
        if name in self._facts:
            return self._facts[name]
        known = [*self._facts, *ARKIT_NAMES, "labels"]
        near = difflib.get_close_matches(name, known, 1)
        raise self._error(f"{name!r} is unknown", f"did you mean {near[0]}?" if near else _HINT)

    def _error(self, what: str, hint: str = _HINT) -> ConfigError:
        return ConfigError(f"query {self._text!r}: {what}", hint)
