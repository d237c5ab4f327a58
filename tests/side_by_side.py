"""Runs a piece of program under PyTorch and under flambeau, and compares all that can be seen of the results."""

from __future__ import annotations

import inspect
import numbers
import warnings

import numpy as np
import pytest

import flambeau


def plain(value, m):
    """A result as something that does not know which of the two it came from."""
    if isinstance(value, m.Tensor):
        shown = value.detach().resolve_conj()
        elements = shown.float().numpy() if shown.dtype == m.bfloat16 else shown.numpy()
        return ("tensor", str(value.dtype), tuple(value.shape), value.requires_grad, value.is_leaf, elements)
    if isinstance(value, np.ndarray):
        return ("array", str(value.dtype), value.shape, value)
    if isinstance(value, m.Size):
        return ("Size", *value)
    if isinstance(value, (m.dtype, m.device)):
        return str(value)
    if isinstance(value, dict):
        return (type(value).__name__, {str(k): plain(v, m) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, [plain(v, m) for v in value])
    return value


def outcome(function, m):
    """What `function(m)` gives: its value, or the type and first line of what it raises."""
    m.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(function(m), m)
        except Exception as error:
            return ("raises", type(error).__name__, str(error).split("\n")[0])


def check(found, expected, where="result", tolerance=1e-6):
    """Asserts that two outcomes are the same, numbers up to rounding."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray) and found.dtype == expected.dtype and found.shape == expected.shape, where
        if expected.dtype.kind in "fc":
            fine = 2e-3 if expected.dtype == np.float16 else tolerance
            np.testing.assert_allclose(found, expected, rtol=fine, atol=fine, err_msg=where)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=where)
    elif isinstance(expected, (tuple, list)):
        differs = f"{where}: {found} where PyTorch has {expected}"
        assert type(found) is type(expected) and len(found) == len(expected), differs
        if expected[:1] == ("raises",) or found[:1] == ("raises",):
            assert found == expected, differs
        rough = 1e-2 if tuple(expected[:2]) == ("tensor", "torch.bfloat16") else tolerance
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            check(a, b, f"{where}[{i}]", rough)
    elif isinstance(expected, dict):
        assert list(found) == list(expected), f"{where}: {list(found)} where PyTorch has {list(expected)}"
        for key in expected:
            check(found[key], expected[key], f"{where}[{key}]", tolerance)
    elif isinstance(expected, numbers.Number) and not isinstance(expected, bool):
        assert type(found) is type(expected), f"{where}: {found!r} where PyTorch has {expected!r}"
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=where)
    else:
        assert found == expected, f"{where}: {found!r} where PyTorch has {expected!r}"


def same(function, torch):
    """Asserts that `function` does the same with PyTorch and with flambeau, and returns PyTorch's outcome."""
    expected = outcome(function, torch)
    check(outcome(function, flambeau), expected)
    return expected


def table(*functions):
    """Parameters for a test over functions of a module; a function without a name of its own is called by its text."""
    found = []
    for function in functions:
        name = function.__name__
        if name == "<lambda>":
            name = inspect.getsource(function).strip().rstrip(",").removeprefix("lambda m: ")
        found.append(pytest.param(function, id=name))
    return found
