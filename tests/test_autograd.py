"""Gradients: backward and grad in all their forms, writing in place, errors."""

from __future__ import annotations

import pytest
from side_by_side import same, table

import flambeau


def leaf(m, *values):
    return m.tensor(values or [1.0, 2.0, 3.0], requires_grad=True)


# ---- backward and grad


def accumulates(m):
    x = leaf(m)
    for k in (1, 2):
        (x * k).sum().backward()
    first = x.grad
    x.grad = None
    (x * x).sum().backward()
    return first, x.grad, first is x.grad


def grad_keeps_its_tensor(m):
    x = leaf(m)
    (x * 2).sum().backward()
    kept = x.grad
    (x * 3).sum().backward()
    return kept is x.grad, kept


def with_gradient(m):
    x = leaf(m)
    (x * x).backward(m.tensor([1.0, 10.0, 100.0]))
    return x.grad


def twice_with_retain(m):
    x = leaf(m)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def only_inputs(m):
    x, y = leaf(m), leaf(m)
    (x * y).sum().backward(inputs=[x])
    return x.grad, y.grad


def middle_as_input(m):
    x = leaf(m)
    y = x * 2
    (y * y).sum().backward(inputs=[y])
    return x.grad, y.grad


def created(m):
    x = leaf(m)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    (g * g).sum().backward()
    return x.grad, g.requires_grad, type(g.grad_fn).__name__ != "NoneType"


def several_roots(m):
    x = leaf(m)
    m.autograd.backward([(x * 2).sum(), x * x], [None, m.ones(3)])
    return x.grad


def several_outputs(m):
    x, y = leaf(m), leaf(m)
    return m.autograd.grad([(x * y).sum(), (x * 2).sum()], [x, y])


def grad_of_middle(m):
    x = leaf(m)
    y = x * 2
    z = (y * y).sum()
    return m.autograd.grad(z, [y, x]), x.grad, y.is_leaf


def third_order(m):
    x = leaf(m, 2.0)
    y = (x**4).sum()
    for _ in range(3):
        (y,) = m.autograd.grad(y.sum(), x, create_graph=True)
    return y


def allow_unused(m):
    x, y = leaf(m), leaf(m)
    return m.autograd.grad(x.sum(), [x, y], allow_unused=True)


def materialized(m):
    x, y = leaf(m), leaf(m)
    return m.autograd.grad(x.sum(), [x, y], materialize_grads=True)


def materialized_and_forbidden(m):
    x = leaf(m)
    return m.autograd.grad(x.sum(), x, materialize_grads=True, allow_unused=False)


def grad_outputs(m):
    x = leaf(m)
    return m.autograd.grad(x * x, x, grad_outputs=m.tensor([1.0, 0.0, 2.0]))


def leaf_as_root(m):
    x = leaf(m, 2.0)
    x.backward()
    return x.grad, m.autograd.grad(x, x)


def shared_parts(m):
    x = leaf(m)
    a = x.exp()
    (a * a + a).sum().backward()
    return x.grad


def through_indexing(m):
    x = leaf(m)
    (x[m.tensor([0, 0, 2])] * m.tensor([1.0, 2.0, 3.0])).sum().backward()
    return x.grad


def through_several_results(m):
    x = m.tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
    values, places = x.sort(1)
    (values[:, 0] * 2 + x.max(1)[0]).sum().backward()
    return x.grad, places, places.requires_grad


def through_parts(m):
    x = leaf(m, 1.0, 2.0, 3.0, 4.0)
    a, b = x.chunk(2)
    c = m.cat([a * 2, b * b, m.stack([a.sum(), b.prod()])])
    c.sum().backward()
    return x.grad, c


def mixed_dtypes(m):
    x = leaf(m)
    y = m.tensor([1.0, 2.0, 3.0], dtype=m.float64, requires_grad=True)
    (x * y).sum().backward()
    return x.grad, y.grad


def broadcast(m):
    x, y = m.ones(2, 1, requires_grad=True), m.ones(3, requires_grad=True)
    (x * y + 2).sum().backward()
    return x.grad, y.grad


def complex_values(m):
    x = m.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    (x * x.conj()).real.sum().backward()
    return x.grad


def integers_need_none(m):
    x = leaf(m)
    y = (x * 2).long()
    return y.requires_grad, y.is_leaf, y.grad_fn


def grad_attribute(m):
    x = leaf(m)
    x.grad = m.ones(3)
    (x * 2).sum().backward()
    del x.grad
    return x.grad


def wrong_grad_attribute(m):
    leaf(m).grad = m.ones(2)


def wrong_grad_class(m):
    leaf(m).grad = 3


def zeroed_grad(m):
    x = leaf(m)
    (x * 2).sum().backward()
    x.grad.zero_()
    (x * 3).sum().backward()
    x.grad.mul_(2)
    return x.grad


def non_leaf_grad(m):
    x = leaf(m)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward()
    return y.grad, y.retains_grad, x.retains_grad, x.is_leaf, y.is_leaf


def detached(m):
    x = leaf(m)
    y = x * 2
    z = y.detach()
    w = (y * z).sum()
    w.backward()
    return x.grad, z.requires_grad, z.is_leaf


def detached_in_place(m):
    x = leaf(m)
    y = x * 2
    kept = y.detach_()
    return kept is y, y.requires_grad, y.is_leaf, y.grad_fn


def data_is_not_on_tape(m):
    x = leaf(m)
    x.data.mul_(10)
    x.data[0] = -1
    y = (x * x).sum()
    y.backward()
    x.data = m.zeros(3)
    return x, x.grad, x.data.requires_grad, x.is_leaf


def requires_grad_switched(m):
    x = m.ones(3)
    y = x * 2
    x.requires_grad_()
    (x * y).sum().backward()
    x.requires_grad = False
    return x.grad, x.requires_grad, (x * 2).requires_grad


def requires_grad_of_integers(m):
    return m.tensor([1]).requires_grad_()


def requires_grad_of_middle(m):
    (leaf(m) * 2).requires_grad_(False)


def function_names(m):
    x = leaf(m)
    y = (x * 2).sum()
    return (
        y.grad_fn.name(),
        y.grad_fn.next_functions[0][0].name(),
        y.grad_fn.next_functions[0][0].next_functions[0][0].name(),
        y.grad_fn.next_functions[0][0].next_functions[0][0].variable is x,
        x.grad_fn,
    )


def writing_in_place(m):
    x = leaf(m)
    y = x * 2
    y.add_(1)
    y[0] = 5.0
    y *= x
    y.sum().backward()
    return x.grad, y


def writing_through_views(m):
    x = m.ones(2, 3, requires_grad=True)
    y = x * 1
    y[0].mul_(3)
    y.view(-1)[4:].zero_()
    (y * y).sum().backward()
    return x.grad


def masked_writing(m):
    x = leaf(m)
    y = x * 1
    y[y > 1.5] = 0.0
    y.masked_fill_(y == 1, 4.0)
    y.sum().backward()
    return x.grad, y


def value_that_needs_no_save(m):
    x = leaf(m)
    y = x * 2
    z = y + 1
    y.mul_(3)
    z.sum().backward()
    return x.grad


def updated_by_hand(m):
    w = leaf(m)
    for _ in range(3):
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        with m.no_grad():
            w -= 0.1 * w.grad
            w.grad.zero_()
    return w


def updated_by_data(m):
    w = leaf(m)
    for _ in range(3):
        ((w - 1) ** 2).sum().backward()
        w.data -= 0.1 * w.grad.data
        w.grad = None
    return w


# ---- PyTorch's errors


def backward_twice(m):
    x = leaf(m)
    y = (x * x).sum()
    y.backward()
    y.backward()


def backward_twice_without_saved_values(m):
    x = leaf(m)
    y = (x * 2).sum()
    y.backward()
    y.backward()
    return x.grad


def grad_twice(m):
    x = leaf(m)
    y = x.exp().sum()
    m.autograd.grad(y, x)
    m.autograd.grad(y, x)


def second_root_of_freed_graph(m):
    x = leaf(m)
    y = x.exp()
    y.sum().backward()
    (y * 2).sum().backward()


def saved_value_changed(m):
    x = leaf(m)
    y = x * 2
    z = y * y
    y.add_(1)
    z.sum().backward()


def saved_result_changed(m):
    x = leaf(m)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


def saved_value_changed_through_a_view(m):
    x = leaf(m)
    y = x * 2
    z = y.sin()
    y[0] = 3
    z.sum().backward()


def saved_parameter_changed(m):
    w = leaf(m)
    x = leaf(m)
    loss = (w * x).sum()
    with m.no_grad():
        w.add_(1)
    loss.backward()


def in_place_on_leaf(m):
    leaf(m).add_(1)


def in_place_on_leaf_by_index(m):
    x = leaf(m)
    x[0] = 1


def in_place_on_view_of_leaf(m):
    leaf(m)[0].add_(1)


def in_place_on_leaf_by_operator(m):
    x = leaf(m)
    x += 1


def non_scalar_root(m):
    (leaf(m) * 2).backward()


def no_grad_fn(m):
    m.ones(1).sum().backward()


def no_grad_fn_in_grad(m):
    m.autograd.grad(m.ones(1).sum(), leaf(m))


def input_without_grad(m):
    m.autograd.grad(leaf(m).sum(), m.ones(1))


def unused_input(m):
    m.autograd.grad(leaf(m).sum(), leaf(m))


def gradient_of_wrong_shape(m):
    (leaf(m) * 2).backward(m.ones(2))


def empty_inputs(m):
    leaf(m).sum().backward(inputs=[])


def retain_grad_without(m):
    m.ones(1).retain_grad()


def hook_without(m):
    m.ones(1).register_hook(print)


def after_hook_on_middle(m):
    (leaf(m) * 2).register_post_accumulate_grad_hook(print)


def integer_leaf(m):
    m.tensor([1, 2], requires_grad=True)


def numpy_of_taped(m):
    leaf(m).numpy()


def out_with_grad(m):
    m.add(leaf(m), 1, out=leaf(m))


def wrong_number_of_seeds(m):
    x = leaf(m)
    m.autograd.backward([x.sum(), x.sum()], [None])


def state_carried_off_the_tape(m):
    w, h, found = leaf(m), m.zeros(3), []
    for _ in range(3):
        h = m.tanh(w * h.detach() + 1)
        (h * h).sum().backward()
        found.append(w.grad.clone())
    return found


def values_of_a_freed_graph(m):
    w = leaf(m)
    a = (w * 2).exp()
    a.sum().backward()
    with m.no_grad():
        mean = a.mean()
    (mean * w + (a * 3).detach() * w).sum().backward()
    return w.grad


def on_the_tape_and_off_it(m):
    w = leaf(m)
    a = (w * 2).exp()
    a.sum().item()
    (a.detach() * a).sum().backward()
    return w.grad


PROGRAMS = table(
    accumulates,
    grad_keeps_its_tensor,
    with_gradient,
    twice_with_retain,
    only_inputs,
    middle_as_input,
    created,
    several_roots,
    several_outputs,
    grad_of_middle,
    third_order,
    allow_unused,
    materialized,
    materialized_and_forbidden,
    grad_outputs,
    leaf_as_root,
    shared_parts,
    through_indexing,
    through_several_results,
    through_parts,
    mixed_dtypes,
    broadcast,
    complex_values,
    integers_need_none,
    grad_attribute,
    wrong_grad_attribute,
    wrong_grad_class,
    zeroed_grad,
    non_leaf_grad,
    detached,
    detached_in_place,
    data_is_not_on_tape,
    requires_grad_switched,
    requires_grad_of_integers,
    requires_grad_of_middle,
    function_names,
    writing_in_place,
    writing_through_views,
    masked_writing,
    value_that_needs_no_save,
    updated_by_hand,
    updated_by_data,
    backward_twice,
    backward_twice_without_saved_values,
    grad_twice,
    second_root_of_freed_graph,
    saved_value_changed,
    saved_result_changed,
    saved_value_changed_through_a_view,
    saved_parameter_changed,
    in_place_on_leaf,
    in_place_on_leaf_by_index,
    in_place_on_view_of_leaf,
    in_place_on_leaf_by_operator,
    non_scalar_root,
    no_grad_fn,
    no_grad_fn_in_grad,
    input_without_grad,
    unused_input,
    gradient_of_wrong_shape,
    empty_inputs,
    retain_grad_without,
    hook_without,
    after_hook_on_middle,
    integer_leaf,
    numpy_of_taped,
    out_with_grad,
    wrong_number_of_seeds,
    state_carried_off_the_tape,
    values_of_a_freed_graph,
    on_the_tape_and_off_it,
)


@pytest.mark.parametrize("function", PROGRAMS)
def test_programs(torch, both, function):
    same(function, torch)


def test_errors_that_pytorch_words_at_more_length(both):
    x = leaf(flambeau)
    with pytest.raises(RuntimeError, match="Can't detach views in-place. Use detach\\(\\) instead."):
        x[0].detach_()
    with pytest.raises(
        RuntimeError, match="attempting to assign a gradient with dtype 'double' to a tensor with grad_dtype 'Float'"
    ):
        x.grad = flambeau.ones(3, dtype=flambeau.float64)
    with pytest.raises(TypeError, match="float"):
        (x * 2).backward(3.0)
