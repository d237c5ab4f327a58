"""Every value a program computes is checked against the shape rule; each test starts from the same seed and with
nothing pending. Programs run on NumPy unless a test chooses: what compiles when is a matter of time."""

import os

os.environ["FLAMBEAU_CHECK"] = "1"
os.environ.setdefault("FLAMBEAU_BACKEND", "numpy")

import pytest

import flambeau
from flambeau.engine import engine


@pytest.fixture(autouse=True)
def fresh():
    engine.pending.clear()
    engine.load = 0
    flambeau.manual_seed(0)
    yield
    engine.pending.clear()


@pytest.fixture(params=["lazy", "eager"])
def both(request):
    """The bound on pending work: without limit, and at one node."""
    before = engine.bound
    engine.bound = float("inf") if request.param == "lazy" else 0
    yield request.param
    engine.bound = before


@pytest.fixture(scope="session")
def torch():
    """PyTorch, the reference, where it is installed."""
    return pytest.importorskip("torch")
