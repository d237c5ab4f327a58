"""L-BFGS."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..engine import engine
from ..tensor import Tensor, from_array
from .optimizer import Optimizer, check, check_rate
from .wolfe import Point, strong_wolfe


class LBFGS(Optimizer):
    """Newton's method with an estimate of the inverse Hessian from the last changes of parameters and gradients.

    A step calls the closure several times, which must clear the gradients, compute the loss, call backward() and return
    the loss. Nocedal, Mathematics of Computation 35, 1980; Nocedal and Wright, Numerical Optimization, algorithm 7.4.
    """
    counts = False

    def __init__(self, params: Any, lr: Any = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None) -> None:
        check_rate(lr)
        super().__init__(params, dict(lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None
                                      else max_eval, tolerance_grad=tolerance_grad, tolerance_change=tolerance_change,
                                      history_size=history_size, line_search_fn=line_search_fn))
        check(len(self.param_groups) != 1, "LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable) -> Any:  # type: ignore[override]
        """Up to max_iter iterations, or max_eval calls of `closure`. Returns the loss before them."""
        group, (held, save) = self.param_groups[0], self._memory()
        search, lr = group["line_search_fn"], float(group["lr"])
        if search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        first = self._loss(closure)
        loss, gradient, calls = float(first), self._gradient(), 1
        held["func_evals"] += 1
        if not np.abs(gradient).max() > group["tolerance_grad"]:
            save(held)
            return first
        for k in range(1, group["max_iter"] + 1):
            held["n_iter"] += 1
            direction = self._direction(held, gradient, group["history_size"])
            held["prev_flat_grad"], held["prev_loss"], before = gradient, loss, loss
            held["t"] = t = lr * min(1.0, 1.0 / float(np.abs(gradient).sum())) if held["n_iter"] == 1 else lr
            slope = float(gradient.dot(direction))
            if slope > -group["tolerance_change"]:
                break
            used, last = 0, k == group["max_iter"]
            if search:
                start, origin = Point(0.0, loss, gradient, slope), self._values()
                evaluate = functools.partial(self._at, closure, origin, direction)
                point, used = strong_wolfe(evaluate, start, t,
                                           float(np.abs(direction).max()), group["tolerance_change"],
                                           group["max_eval"] - calls)
                held["t"], loss, gradient = point[:3]
                self._place(origin + self._scaled(held["t"], direction))
            else:
                self._place(self._values() + self._scaled(t, direction))
                if not last:
                    loss, used = float(self._loss(closure)), 1
                    gradient = self._gradient()
            calls += used
            held["func_evals"] += used
            if last or calls >= group["max_eval"] or not np.abs(gradient).max() > group["tolerance_grad"]:
                break
            change = group["tolerance_change"]
            if np.abs(direction * held["t"]).max() <= change or abs(loss - before) < change:
                break
        save(held)
        return first

    def _direction(self, held: dict[str, Any], gradient: np.ndarray, size: int) -> np.ndarray:
        """The direction of the next iteration, by the two loops over the remembered changes."""
        if held["n_iter"] == 1:
            held.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            held["d"] = -gradient
            return held["d"]
        change, moved = gradient - held["prev_flat_grad"], self._scaled(held["t"], held["d"])
        product = change.dot(moved)
        changes, moves, inverse = held["old_dirs"], held["old_stps"], held["ro"]
        if product > 1e-10:
            if len(changes) == size:
                for remembered in (changes, moves, inverse):
                    remembered.pop(0)
            changes.append(change)
            moves.append(moved)
            inverse.append(1 / product)
            held["H_diag"] = product / change.dot(change)
        weights = held["al"] = held.get("al") or [None] * size
        direction = -gradient
        for i in reversed(range(len(changes))):
            weights[i] = moves[i].dot(direction) * inverse[i]
            direction -= weights[i] * changes[i]
        direction *= held["H_diag"]
        for i in range(len(changes)):
            direction += (weights[i] - changes[i].dot(direction) * inverse[i]) * moves[i]
        held["d"] = direction
        return direction

    def _at(self, closure: Callable, origin: np.ndarray, direction: np.ndarray, t: float) -> Point:
        """The point at `t` of the line."""
        self._place(origin + self._scaled(t, direction))
        loss = float(self._loss(closure))
        gradient = self._gradient()
        return Point(t, loss, gradient, float(gradient.dot(direction)))

    @staticmethod
    def _scaled(t: float, direction: np.ndarray) -> np.ndarray:
        return direction * np.asarray(t, direction.dtype)

    def _parameters(self) -> list[Any]:
        return self.param_groups[0]["params"]

    def _values(self) -> np.ndarray:
        """The values of all parameters in one array; complex ones as pairs."""
        return np.concatenate([_flat(p) for p in self._parameters()])

    def _gradient(self) -> np.ndarray:
        """The gradients of all parameters in one array; zeros where there is none."""
        return np.concatenate([_flat(p._grad) if p._grad is not None else np.zeros_like(_flat(p))
                               for p in self._parameters()])

    def _place(self, values: np.ndarray) -> None:
        """Gives the parameters the values of one array."""
        start = 0
        with no_grad():
            for p in self._parameters():
                kind, size = p.dtype.numpy, p.numel() * (2 if p.is_complex() else 1)
                part = values[start:start + size].astype(np.zeros((), kind).real.dtype)
                p.copy_(from_array(part.view(kind).reshape(tuple(p.shape)) if p.is_complex()
                                   else part.reshape(tuple(p.shape))))
                start += size

    def _memory(self) -> tuple[dict[str, Any], Callable[[dict], None]]:
        """What is remembered from step to step, as arrays, and how to put it back into the state, as tensors."""
        state = self.state[self._parameters()[0]]

        def save(held: dict) -> None:
            state.update({name: _converted(value, np.ndarray, from_array) for name, value in held.items()})
        return {"func_evals": 0, "n_iter": 0, **{name: _converted(value, Tensor, np.array) for name,
                                                 value in state.items()}}, save

    def _loaded(self, name: str, value: Any, p: Any) -> Any:
        if isinstance(value, list):
            return [self._loaded(name, v, p) for v in value]
        return super()._loaded(name, value, p)


def _flat(t: Any) -> np.ndarray:
    """The numbers of a tensor in one array; complex ones as pairs."""
    value = np.ascontiguousarray(engine.force(t._node)).reshape(-1)
    return value.view(value.real.dtype)


def _converted(value: Any, kind: type, change: Callable) -> Any:
    """`value`, or what it is a list of, changed if it is of `kind`."""
    if isinstance(value, list):
        return [_converted(v, kind, change) for v in value]
    if isinstance(value, kind):
        return change(value)
    return change(np.asarray(value)) if isinstance(value, np.generic) else value
