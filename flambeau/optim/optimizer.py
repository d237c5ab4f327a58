"""Optimizer: groups of parameters, their state, and the step, which a subclass describes for one parameter."""
from __future__ import annotations

import inspect
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from ..autograd import Handle, enable_grad
from ..graph import mode, spec
from ..tensor import Tensor, from_array
from .bucket import CHUNK, Bucket, Update, numbers, shape_of


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """The base of all optimizers. A subclass says in `update` how one parameter moves, in tensor operations.

    `update(p, g, s, **settings)` gets the parameter, its gradient, its state by name (to be replaced by the new one) and the
    group's settings it names; `step` is the count from 1. It is traced once into a program over all parameters of a group.
    """
    state_names: tuple[str, ...] = ()
    counts = True                  # whether state holds the number of steps

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._state: defaultdict[Any, dict] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._buckets: list[tuple[int, Bucket]] = []
        self._updates: dict[tuple, Update] = {}
        self._make_hooks()
        if isinstance(params, Tensor):
            raise TypeError(f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got {_name(params)}")
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group))
        wanted = inspect.signature(self.update).parameters
        self._wanted = [n for n in list(wanted)[3:]]

    def _make_hooks(self) -> None:
        for name in ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
                     "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks", "_optimizer_load_state_dict_post_hooks"):
            self.__dict__[name] = OrderedDict()

    # ---- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with settings of their own; what they do not say is as for all."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            param_group["params"] = [params]
        elif isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change "
                            "between runs. Please use a list instead.")
        else:
            param_group["params"] = list(params)
        named = [p for p in param_group["params"] if isinstance(p, tuple)]
        if named:
            if len(named) != len(param_group["params"]):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = [n for n, _ in named]
            param_group["params"] = [p for _, p in named]
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
            warnings.warn("optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; see "
                          "github.com/pytorch/pytorch/issues/40967 for more information", stacklevel=3)
        if any(id(p) in ids for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ---- the step

    def update(self, p: Any, g: Any, s: dict[str, Any]) -> Any:
        """The new value of the parameter `p`, whose gradient is `g`; `s` is its state, to be updated."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a parameter moves")

    def needed(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The names of the state tensors that a group's settings call for."""
        return self.state_names

    def initial(self, name: str, p: Any, group: dict[str, Any]) -> Any:
        """What a state tensor is before the first step."""
        return 0

    def step(self, closure: Callable | None = None) -> Any:
        """Moves every parameter that has a gradient. `closure`, if given, computes the loss anew and is called first."""
        args: tuple = () if closure is None else (closure,)
        for hook in self._optimizer_step_pre_hooks.values():
            changed = hook(self, args, {})
            if changed is not None:
                args = changed[0]
        loss = None
        if args and args[0] is not None:
            with enable_grad():
                loss = args[0]()
        before = mode.grad, mode.key
        mode.grad = mode.key = False
        try:
            for place, group in enumerate(self.param_groups):
                moving = [p for p in group["params"] if p._grad is not None]
                if moving:
                    self._move(place, group, moving)
        finally:
            mode.grad, mode.key = before
        for hook in self._optimizer_step_post_hooks.values():
            hook(self, args, {})
        return loss

    def _move(self, place: int, group: dict[str, Any], params: list) -> None:
        mine = [b for i, b in self._buckets if i == place]
        if len(mine) != 1 or not mine[0].fits(params):
            if mine:
                self._release()
            mine = self._fill(place, group, params)
        for bucket in mine:
            bucket.count += 1
            raw = self._settings(group, bucket)
            if bucket.raw is None or not _same(raw, bucket.raw):
                bucket.raw, bucket.update = raw, self._update_for(group, bucket)
            bucket.step(bool(group.get("maximize")))

    def _settings(self, group: dict[str, Any], bucket: Bucket) -> list:
        """What the update depends on besides arrays and the step count."""
        return [group.get(n) for n in self._wanted]

    def _update_for(self, group: dict[str, Any], bucket: Bucket) -> Update:
        """The program that moves `bucket` under the present settings, traced when they are new in kind."""
        settings = {n: self._setting(n, group, bucket) for n in self._wanted}
        size = min(bucket.size, CHUNK)
        key = (size, bucket.dtype, bucket.names, *[shape_of(v) for v in settings.values()])
        update = self._updates.get(key)
        if update is None:
            update = self._updates[key] = Update(self.update, spec((size,), bucket.dtype), bucket.names, settings)
        bucket.numbers = numbers(settings)
        return update

    def _setting(self, name: str, group: dict[str, Any], bucket: Bucket) -> Any:
        value = float(bucket.count) if name == "step" else group[name]
        if isinstance(value, Tensor):
            return float(value.item())
        return tuple([float(v) for v in value]) if isinstance(value, (tuple, list)) else float(value) if name == "lr" else value

    def _fill(self, place: int, group: dict[str, Any], params: list) -> list[Bucket]:
        """Buckets for `params`: one for each dtype and number of steps done."""
        sorts: dict[tuple, list] = {}
        for p in params:
            held = self._state[p].get("step", 0) if self.counts else 0
            sorts.setdefault((p.dtype, int(held.item() if isinstance(held, Tensor) else held)), []).append(p)
        made = []
        for (_, count), same in sorts.items():
            made.append(Bucket(same, self._state, self.needed(group), lambda n, p: self.initial(n, p, group), count))
            self._buckets.append((place, made[-1]))
        return made

    def _release(self) -> None:
        """Puts what the buckets hold into `state`, parameter by parameter."""
        for _, bucket in self._buckets:
            for i, p in enumerate(bucket.params):
                held = self._state[p]
                if self.counts:
                    held["step"] = from_array(np.array(float(bucket.count), np.float32))
                for name in bucket.names:
                    held[name] = from_array(bucket.give(name, i), s=p._node.spec.like())
        self._buckets = []

    # ---- state

    @property
    def state(self) -> Any:
        """The state of each parameter: a dictionary of tensors."""
        self._release()
        return self._state

    @state.setter
    def state(self, new: Any) -> None:
        self._buckets = []
        self._state = new

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients, or sets them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None:
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
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": [number[id(p)] for p in group["params"]]})
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
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        owner = {n: p for saved, mine in zip(groups, self.param_groups, strict=True) for n, p in zip(saved["params"], mine["params"], strict=True)}
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
            fresh.append(saved)
        self.param_groups = fresh
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _loaded(self, name: str, value: Any, p: Any) -> Any:
        if not isinstance(value, Tensor):
            return deepcopy(value)
        if name == "step":
            return value.clone()  # type: ignore[attr-defined]
        return value.to(dtype=p.dtype if p.is_floating_point() else value.dtype, copy=True)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._make_hooks()
        self._buckets, self._updates = [], {}
        self._wanted = list(inspect.signature(self.update).parameters)[3:]
        self.__dict__.update({k: v for k, v in state.items() if k != "state"})
        self._state = state["state"]

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
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


def _same(a: list, b: list) -> bool:
    """Whether settings are what they were; tensors among them may have changed."""
    return a == b if not any(isinstance(v, Tensor) for v in a) else False


def _name(value: Any) -> str:
    from ..nn.module import _typename
    return _typename(value)


def check(bad: bool, text: str) -> None:
    """Raises ValueError for a setting out of range."""
    if bad:
        raise ValueError(text)
