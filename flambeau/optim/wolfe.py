"""A line search that ends where Wolfe's conditions hold."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

DECREASE, CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """A place on the line: how far along it, the function's value there, its gradient, and its slope along the line."""
    t: float
    value: float
    gradient: Any
    slope: float


def cubic_minimum(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through two points with their slopes is least, between bounds; their middle if it has no minimum.

    Nocedal and Wright, Numerical Optimization, formula 3.59.
    """
    a, b = (a, b) if a.t <= b.t else (b, a)
    mean = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = mean * mean - a.slope * b.slope
    if square < 0:
        return (least + most) / 2
    root = square ** 0.5
    below = b.slope - a.slope + 2 * root
    found = b.t - (b.t - a.t) * ((b.slope + root - mean) / below) if below else float("nan")
    return min(max(found, least), most)


def strong_wolfe(at: Callable[[float], Point], start: Point, t: float, longest: float, tolerance: float,
                 budget: int) -> tuple[Point, int]:
    """The point of the line from `start` (at 0), tried first at `t`, that satisfies the strong Wolfe conditions, and
    the evaluations it took.

    Nocedal and Wright, algorithms 3.5 and 3.6. `longest` is the largest entry of the direction; `budget` bounds the
    trials after the first.
    """
    def too_high(point: Point) -> bool:
        return point.value > start.value + DECREASE * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -CURVATURE * start.slope

    before, here, trials = start, at(t), 0
    while trials < budget:                       # go on until a minimum lies behind
        if too_high(here) or trials > 1 and here.value >= before.value:
            break
        if flat(here):
            return here, trials + 1
        if here.slope >= 0:
            break
        t = cubic_minimum(before, here, here.t + 0.01 * (here.t - before.t), here.t * 10)
        before, here, trials = here, at(t), trials + 1
    else:
        before = start
    low, high = (before, here) if before.value <= here.value else (here, before)
    narrow_slowly = False
    while trials < budget and abs(high.t - low.t) * longest >= tolerance:
        left, right = min(low.t, high.t), max(low.t, high.t)
        t, margin = cubic_minimum(low, high, left, right), 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (narrow_slowly or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        narrow_slowly = near
        here, trials = at(t), trials + 1
        if too_high(here) or here.value >= low.value:
            low, high = (low, here) if low.value <= here.value else (here, low)
            continue
        if flat(here):
            return here, trials + 1
        if here.slope * (high.t - low.t) >= 0:
            high = low
        low = here
    return low, trials + 1
