"""Optimizer: groups of parameters, their state, and the step, which a subclass describes for one parameter."""
from __future__ import annotations

import functools
import inspect
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from copy import deepcopy
from operator import is_
from typing import Any

import numpy as np

from ..autograd import Handle, enable_grad
from ..device import CPU
from ..dtypes import complex64, complex128, float32, float64
from ..engine import engine
from ..graph import mode, spec
from ..tensor import Tensor, from_array
from .bucket import Bucket, Update, numbers, shape_of


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """The base of all optimizers. A subclass says in `update` how one parameter moves, in tensor operations.

    `update(p, g, s, **settings)` gets the parameter, its gradient, its state by name (to be replaced by the new one)
    and the group's settings it names; `step` is the count from 1. It is traced once into a program over all parameters
    of a group, or, where `elementwise` is False, over one parameter in its own shape.
    """
    state_names: tuple[str, ...] = ()
    counts = True                  # whether state holds the number of steps
    elementwise = True             # whether elements move independently, so that all can lie in one flat array
    _wanted: list[str] = []
    _derived: tuple[str, ...] = ()
    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]
    derives: tuple[str, ...] = ("step",)       # what `update` asks for that comes from `derived`

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._state: defaultdict[Any, dict] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._make_hooks()
        if isinstance(params, Tensor):
            raise TypeError(f"params argument given to the optimizer should be an iterable of Tensors or dicts, but "
                            f"got {_name(params)}")
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wanted = list(inspect.signature(cls.update).parameters)[4:]
        cls._wanted = [n for n in wanted if n not in cls.derives]
        cls._derived = tuple([n for n in wanted if n in cls.derives])
        if "step" in cls.__dict__ and callable(cls.step):
            cls.step = called_again(hooked(cls.step))  # type: ignore[method-assign]

    def _make_hooks(self) -> None:
        for name in ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
                     "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks",
                     "_optimizer_load_state_dict_post_hooks"):
            self.__dict__[name] = OrderedDict()
        # By group: the parameters moved last, and their buckets.
        self._filled: dict[int, tuple[list, list[Bucket]]] = {}
        self._updates: dict[tuple, Update] = {}

    # ---- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with settings of their own; what they do not say is as for all."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            param_group["params"] = [params]
        elif isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of "
                            "tensors in sets will change "
                            "between runs. Please use a list instead.")
        else:
            param_group["params"] = list(params)
        named = [p for p in param_group["params"] if isinstance(p, tuple)]
        if named:
            if len(named) != len(param_group["params"]):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = [n for n, _ in named]
            param_group["params"] = [p for _, p in named]
        if self.param_groups and ("param_names" in param_group) != ("param_names" in self.param_groups[0]):
            raise ValueError("all optimizer param groups should be with/without names. cannot add param group "
                             f"{'with' if named else 'without'} names to the optimizer")
        for p in param_group["params"]:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {_name(p)}")
            if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        ids = [id(p) for p in param_group["params"]]
        if len(set(ids)) != len(ids):
            import warnings
            warnings.warn("optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                          "an error; see "
                          "github.com/pytorch/pytorch/issues/40967 for more information", stacklevel=3)
        if any(id(p) in ids for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ---- the step

    def update(self, p: Any, g: Any, s: dict[str, Any]) -> Any:
        """The new value of the parameter `p`, whose gradient is `g`; `s` is its state, to be updated."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a parameter moves")

    def needed(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        """The names of the state tensors that a group's settings call for, where parameters stay apart those of `p`."""
        return self.state_names

    def initial(self, name: str, p: Any, group: dict[str, Any]) -> Any:
        """What a state tensor is before the first step."""
        return 0

    def derived(self, group: dict[str, Any], count: int, scalars: dict[str, float]) -> dict[str, Any]:
        """What changes by itself from step to step, at step `count`: floats are inputs of the program, other values
        part of its key.

        `scalars` are those of `self.scalars` for these parameters; they may be replaced.
        """
        return {"step": float(count)}

    def scalar_state(self, group: dict[str, Any]) -> dict[str, float]:
        """State that is one number for each parameter, and its first value."""
        return {}

    def step(self, closure: Callable | None = None) -> Any:
        """Moves every parameter that has a gradient. `closure`, if given, computes the loss anew and is called
        first.
        """
        loss = self._loss(closure)
        before = mode.grad, mode.key
        mode.grad = mode.key = False
        try:
            for place, group in enumerate(self.param_groups):
                moving = [p for p in group["params"] if p._grad is not None]
                if moving:
                    if group.get("differentiable") or group.get("capturable"):
                        self._move_apart(place, group, moving)
                    else:
                        self._move(place, group, moving)
        finally:
            mode.grad, mode.key = before
        return loss

    def _loss(self, closure: Callable | None) -> Any:
        """What `closure`, if there is one, returns; gradients are recorded meanwhile."""
        if closure is None:
            return None
        with enable_grad():
            return closure()

    def _move(self, place: int, group: dict[str, Any], params: list) -> None:
        filled = self._filled.get(place)
        if filled is None or not _identical(filled[0], params) or not all([b.fits() for b in filled[1]]):
            filled = self._fill(place, group, params)
        for bucket in filled[1]:
            bucket.count += 1
            raw = [group.get(n) for n in self._wanted]
            derived = self.derived(group, bucket.count, bucket.scalars) if self._derived else {}
            flags = tuple([v for v in derived.values() if type(v) is not float])
            if bucket.raw is None or flags != bucket.flags or raw != bucket.raw:
                bucket.flags = flags
                bucket.raw = None if any(_has_tensor(v) for v in raw) else raw
                fixed = {n: _setting(n, group[n]) for n in self._wanted}
                bucket.update = self._update_for(group, bucket, fixed, derived)
                bucket.fixed = numbers(fixed)
            bucket.numbers = bucket.fixed + [v for v in derived.values() if type(v) is float]
            bucket.step(bool(group.get("maximize")))

    def _update_for(self, group: dict[str, Any], bucket: Bucket, fixed: dict[str, Any],
                    derived: dict[str, Any]) -> Update:
        """The program that moves `bucket` under the present settings, traced when they are new in kind."""
        form, real = bucket.form(), _real(bucket.dtype)
        forms = {n: spec(bucket.give(n, 0).shape if bucket.apart else form, real) for n in bucket.names}
        key = (form, real, *forms.items(), *[shape_of(n, v) for n, v in fixed.items()], bucket.flags)
        update = self._updates.get(key)
        if update is None:
            update = self._updates[key] = Update(self.update, spec(form, real), forms, fixed, derived, self.elementwise)
        return update

    def _fill(self, place: int, group: dict[str, Any], params: list) -> tuple[list, list[Bucket]]:
        """Buckets for `params`: one for each dtype, number of steps done and scalar state; or one for each
        parameter.
        """
        self._release(place)
        sorts: dict[tuple, list] = {}
        first = self.scalar_state(group)
        for i, p in enumerate(params):
            held = self._state[p]
            scalars = tuple([_number(held.get(n, v)) for n, v in first.items()])
            sorts.setdefault((p.device, p.dtype, int(_number(held.get("step", 0))), scalars, self._sort(held),
                              0 if self.elementwise else i), []).append(p)
        made = []
        for (where, _, count, scalars, begun, _), same in sorts.items():
            names = self.needed(group, same[0])
            for p in same:
                check_places(where, [self._state[p].get(n) for n in names])
            sort: Any = Bucket if where is CPU else _device_bucket()
            made.append(sort(same, self._state, names, lambda n, p: self.initial(n, p, group),
                             count if self.counts else begun, dict(zip(first, scalars, strict=True)),
                             not self.elementwise))
        filled = self._filled[place] = params, made
        return filled

    def _sort(self, held: dict[str, Any]) -> int:
        """What else keeps parameters apart, by their state. For an optimizer that does not count, the steps as far as
        they matter.
        """
        return 0

    def _move_apart(self, place: int, group: dict[str, Any], params: list) -> None:
        """A step in tensor operations, one parameter after the other, which the tape records."""
        if group.get("capturable") and any(p.device is CPU for p in params):
            raise AssertionError("If capturable=True, params and state_steps must be on supported devices: "
                                 "['cuda', 'xpu', 'hpu', 'privateuseone', 'xla'].")
        self._release(place)
        with enable_grad():
            for p in params:
                held, first = self._state[p], self.scalar_state(group)
                scalars = {n: _number(held.get(n, v)) for n, v in first.items()}
                count = 1 + (int(_number(held.get("step", 0))) if self.counts else self._sort(held))
                state = {n: held.get(n) if held.get(n) is not None else
                         from_array(np.full(p.shape, self.initial(n, p, group), p.dtype.numpy),
                                    s=p._node.spec.like()) for n in self.needed(group, p)}
                derived = self.derived(group, count, scalars)
                values = {**{n: _setting(n, group[n]) for n in self._wanted}, **{n: derived[n] for n in self._derived}}
                new = self.update(p, -p.grad if group.get("maximize") else p.grad, state, **values)
                p.copy_(new)
                held.update(state)
                self._note(held, count, scalars)

    def _note(self, held: dict[str, Any], count: int, scalars: dict[str, float]) -> None:
        """Puts the numbers of a parameter's state into it."""
        if self.counts:
            held["step"] = from_array(np.array(float(count), np.float32))
        for name, value in scalars.items():
            held[name] = from_array(np.array(value, np.float32))

    def _release(self, place: int | None = None) -> None:
        """Puts what the buckets (of one group) hold into `state`, parameter by parameter."""
        for i in list(self._filled) if place is None else [place] if place in self._filled else []:
            for bucket in self._filled.pop(i)[1]:
                for j, p in enumerate(bucket.params):
                    held = self._state[p]
                    self._note(held, bucket.count, bucket.scalars)
                    for name in bucket.names:
                        value = bucket.give(name, j)
                        held[name] = from_array(value, s=spec(value.shape, bucket.dtype, bucket.where))

    # ---- state

    @property
    def state(self) -> Any:
        """The state of each parameter: a dictionary of tensors."""
        self._release()
        return self._state

    @state.setter
    def state(self, new: Any) -> None:
        self._filled = {}
        self._state = new

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients, or sets them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None:
                    if engine.capture is not None:
                        engine.capture.graded(p)
                    if set_to_none:
                        p._grad = None
                    else:
                        p._grad = p._grad.detach().zero_()

    def state_dict(self) -> dict[str, Any]:
        """State and settings as a dictionary; parameters are named by their number."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        number: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                number.setdefault(id(p), len(number))
            saved = {k: v for k, v in group.items() if k != "params"}
            groups.append({**saved, "params": [number[id(p)] for p in group["params"]]})
        state = {number[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items() if v}
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            result = changed if changed is not None else result
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what state_dict gave, of this or of PyTorch's optimizer of the same name."""
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = changed if changed is not None else state_dict
        groups = deepcopy(state_dict["param_groups"])
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(self.param_groups, groups, strict=True)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                             "group")
        owner: dict[Any, Any] = {}
        for saved, mine in zip(groups, self.param_groups, strict=True):
            owner.update(zip(saved["params"], mine["params"], strict=True))
        state: defaultdict[Any, dict] = defaultdict(dict)
        for key, values in state_dict["state"].items():
            if key in owner:
                p = owner[key]
                state[p] = {n: self._loaded(n, v, p) for n, v in values.items()}
            else:
                state[key] = values
        self.state = state
        fresh = []
        for saved, mine in zip(groups, self.param_groups, strict=True):
            saved["params"] = mine["params"]
            if "param_names" in mine and "param_names" not in saved:
                saved["param_names"] = mine["param_names"]
            fresh.append({**saved, **{k: v for k, v in self.defaults.items() if k not in saved}})
        self.param_groups = fresh
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _loaded(self, name: str, value: Any, p: Any) -> Any:
        if not isinstance(value, Tensor):
            if not (hasattr(value, "detach") and hasattr(value, "__array__")):
                return deepcopy(value)
            value = from_array(np.array(value.detach().cpu().numpy()))          # a tensor of another library
        if name == "step" or name in self.scalar_state(self.defaults):
            return value.clone()  # type: ignore[attr-defined]
        return value.to(dtype=p.dtype if p.is_floating_point() else value.dtype, device=p.device, copy=True)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._make_hooks()
        self.__dict__.update({k: v for k, v in state.items() if k != "state"})
        self._state = state["state"]

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines += [""] * (i > 0) + [f"Parameter Group {i}"]
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    # ---- hooks

    def _register(self, where: str, hook: Callable, prepend: bool = False) -> Handle:
        hooks = self.__dict__[where]
        handle = Handle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Callable) -> Handle:
        """Calls `hook(optimizer, args, kwargs)` before each step."""
        return self._register("_optimizer_step_pre_hooks", hook)

    def register_step_post_hook(self, hook: Callable) -> Handle:
        """Calls `hook(optimizer, args, kwargs)` after each step."""
        return self._register("_optimizer_step_post_hooks", hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Calls `hook(optimizer)` before the state is collected."""
        return self._register("_optimizer_state_dict_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Calls `hook(optimizer, state_dict)` after the state is collected."""
        return self._register("_optimizer_state_dict_post_hooks", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Calls `hook(optimizer, state_dict)` before a state is loaded."""
        return self._register("_optimizer_load_state_dict_pre_hooks", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Calls `hook(optimizer)` after a state is loaded."""
        return self._register("_optimizer_load_state_dict_post_hooks", hook, prepend)


def called_again(method: Callable) -> Callable:
    """A method that `compile` calls again in a replay, instead of replaying what it did."""
    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        if engine.capture is None or engine.capture.inside:
            return method(*args, **kwargs)
        return engine.capture.again(method, args, kwargs)
    return run


def hooked(step: Callable) -> Callable:
    """`step` of an optimizer, between the hooks that are registered for it."""
    @functools.wraps(step)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = self.__dict__
        # A wrapper of an optimizer may be a subclass that never calls __init__: its own steps have no hooks.
        mine = own.get("_optimizer_step_pre_hooks"), own.get("_optimizer_step_post_hooks")
        if mine[0] is None or not (before or after or mine[0] or mine[1]):
            return step(self, *args, **kwargs)
        for hook in [*before.values(), *own["_optimizer_step_pre_hooks"].values()]:
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                                       f"{changed}.")
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        for hook in [*own["_optimizer_step_post_hooks"].values(), *after.values()]:
            hook(self, args, kwargs)
        return result
    return run


before: OrderedDict[int, Callable] = OrderedDict()        # hooks of all optimizers
after: OrderedDict[int, Callable] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable) -> Handle:
    """Calls `hook(optimizer, args, kwargs)` before each step of every optimizer."""
    return _added(before, hook)


def register_optimizer_step_post_hook(hook: Callable) -> Handle:
    """Calls `hook(optimizer, args, kwargs)` after each step of every optimizer."""
    return _added(after, hook)


def _added(hooks: OrderedDict, hook: Callable) -> Handle:
    handle = Handle(hooks)
    hooks[handle.id] = hook
    return handle


Optimizer.step = called_again(hooked(Optimizer.step))  # type: ignore[method-assign]


def _device_bucket() -> Any:
    """The bucket of parameters on a GPU."""
    from .on_device import DeviceBucket
    return DeviceBucket


def check_places(where: Any, held: list) -> None:
    """Raises PyTorch's error if state is on another device than its parameter, which was moved since."""
    for t in held:
        if t is not None and t.device is not where:
            first, second = (t.device, where) if where is CPU else (where, t.device)
            raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices, "
                               f"{first} and {second}!")


def _identical(a: list, b: list) -> bool:
    """Whether two lists hold the same objects."""
    return len(a) == len(b) and all(map(is_, a, b))


def _has_tensor(value: Any) -> bool:
    """Whether a setting may change without being replaced."""
    return isinstance(value, Tensor) or isinstance(value, (tuple, list)) and any(isinstance(v, Tensor) for v in value)


def _setting(name: str, value: Any) -> Any:
    """A setting as a plain value; numbers that stand for real ones are floats."""
    if isinstance(value, (tuple, list)):
        return tuple([_setting("", v) if v is not None else None for v in value])
    if isinstance(value, (Tensor, float, np.generic)) or name in ("lr", "") and not isinstance(value, str):
        return float(value)
    return value


def _number(value: Any) -> float:
    return value.item() if isinstance(value, Tensor) else value


def _real(kind: Any) -> Any:
    """The dtype of the parts of a number of dtype `kind`."""
    return {complex64: float32, complex128: float64}.get(kind, kind)


def _name(value: Any) -> str:
    from ..nn.module import _typename
    return value.type() if isinstance(value, Tensor) else _typename(value)


def check(bad: bool, text: str) -> None:
    """Raises ValueError for a setting out of range."""
    if bad:
        raise ValueError(text)


def check_rate(lr: Any, text: str = "Invalid learning rate: ", least: float = 0.0) -> None:
    """Raises ValueError for a learning rate that is negative, or a tensor of several."""
    check(isinstance(lr, Tensor) and lr.numel() != 1, "Tensor lr must be 1-element")
    check(not least <= lr, f"{text}{lr}")


def check_betas(betas: tuple) -> None:
    """Raises ValueError if the rates of decay of running means are not in [0, 1)."""
    for i in range(2):
        check(not 0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Raises RuntimeError for ways of running that exclude each other. All of them give the same numbers here."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
