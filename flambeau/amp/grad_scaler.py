"""GradScaler: multiplies the loss so that small 16-bit gradients do not vanish, and skips steps whose gradients
overflow."""

from __future__ import annotations

from typing import Any

from ..autograd import no_grad
from ..device import gpus
from ..tensor import Tensor


class GradScaler:
    """Scales losses by a factor that grows while gradients stay finite and shrinks when they do not."""

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        if enabled and device == "cuda" and not gpus.count():
            import warnings

            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            enabled = False
        self._enabled, self._scale, self._interval = enabled, float(init_scale), growth_interval
        self._growth, self._backoff, self._good = growth_factor, backoff_factor, 0
        self._found: dict[int, bool] = {}  # optimizers unscaled since the last update: whether an overflow was found
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """`outputs` (a tensor, or several) times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale  # type: ignore[operator]
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(o) for o in outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of an optimizer's parameters by the factor, in place."""
        if not self._enabled:
            return
        if id(optimizer) in self._found:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if id(optimizer) in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        finite: dict[Any, Any] = {}  # by device: whether all gradients on it are
        with no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        if p.grad.dtype.name == "float16":
                            raise ValueError("Attempting to unscale FP16 gradients.")
                        p.grad.mul_(1.0 / self._scale)
                        fine = p.grad.isfinite().all()
                        finite[p.device] = fine & finite[p.device] if p.device in finite else fine
        self._found[id(optimizer)] = not all([fine.item() for fine in finite.values()])

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Steps the optimizer unless its gradients overflowed."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if id(optimizer) not in self._found:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return None if self._found[id(optimizer)] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Adapts the factor, once an iteration."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale.item() if isinstance(new_scale, Tensor) else new_scale)
        else:
            if not self._found:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(self._found.values()):
                self._scale, self._good = self._scale * self._backoff, 0
            else:
                self._good += 1
                if self._good == self._interval:
                    self._scale, self._good = self._scale * self._growth, 0
        self._found, self._stepped = {}, set()

    def is_enabled(self) -> bool:
        """Whether scaling is done."""
        return self._enabled

    def get_scale(self) -> float:
        """The factor."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff = new_factor

    def get_growth_interval(self) -> int:
        return self._interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """What load_state_dict needs to go on."""
        return (
            {
                "scale": self.get_scale(),
                "growth_factor": self._growth,
                "backoff_factor": self._backoff,
                "growth_interval": self._interval,
                "_growth_tracker": self._good,
            }
            if self._enabled
            else {}
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the state of another scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._scale, self._growth, self._backoff = (
            state_dict["scale"],
            state_dict["growth_factor"],
            state_dict["backoff_factor"],
        )
        self._interval, self._good = state_dict["growth_interval"], state_dict["_growth_tracker"]
