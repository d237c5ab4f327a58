"""torch.utils._pytree, torch.nn.utils.fusion and the rest of torch.func."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

import flambeau
from flambeau import nn
from flambeau.nn.utils import fusion
from flambeau.utils import _pytree as ours

Pair = namedtuple("Pair", "a b")
TREES = [
    1,
    None,
    [1, [2, (3,)], ()],
    {"a": [1, 2], "b": {"c": 4}},
    Pair(5, None),
    OrderedDict(z=1, a=2),
    defaultdict(int, q=2),
    deque([1, 2], maxlen=3),
]


@pytest.fixture
def theirs(torch):
    from torch.utils import _pytree

    return _pytree


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_trees_are_taken_apart_and_put_together(tree):
    leaves, spec = ours.tree_flatten(tree)
    again = spec.unflatten(leaves)
    assert again == tree and type(again) is type(tree)
    assert [ours.key_get(tree, way) for way, _ in ours.tree_flatten_with_path(tree)[0]] == leaves


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_structures_are_pytorchs(theirs, tree):
    (leaves, spec), (expected, other) = ours.tree_flatten(tree), theirs.tree_flatten(tree)
    assert leaves == expected and str(spec) == str(other)
    assert (spec.num_leaves, spec.num_nodes, spec.num_children) == (
        other.num_leaves,
        other.num_nodes,
        other.num_children,
    )
    if not isinstance(tree, deque):
        assert [ours.keystr(way) for way, _ in ours.tree_flatten_with_path(tree)[0]] == [
            theirs.keystr(way) for way, _ in theirs.tree_flatten_with_path(tree)[0]
        ]


@pytest.mark.parametrize(
    "function",
    [
        lambda t: t.tree_unflatten([1, 2], t.tree_flatten([1, 2, 3])[1]),
        lambda t: t.tree_unflatten([1], 3),
        lambda t: t.tree_map(max, [1, 2], [1]),
        lambda t: t.tree_map(max, [1, 2], (1, 2)),
        lambda t: t.tree_map(max, {"a": 1}, {"b": 2}),
        lambda t: t.tree_map(max, {"a": 1, "b": 2}, {"b": 3, "a": 5}),
        lambda t: t.tree_map(lambda a, b: (a, b), [1, 2], [[3], 4]),
        lambda t: t.tree_map_only(int, lambda x: x + 1, [1, 2.0, "a"]),
        lambda t: t.tree_map_only(lambda x: x == 1, lambda x: x + 1, [1, 2.0, "a"]),
        lambda t: t.tree_map(lambda x: x, [1, [2]], is_leaf=lambda x: x == [2]),
        lambda t: t.tree_map_with_path(lambda way, x: (t.keystr(way), x), {"a": [1]}),
        lambda t: (t.tree_all(bool, [1, 0]), t.tree_any(bool, [1, 0]), t.tree_all_only(int, bool, [1, 0.0])),
        lambda t: t.treespec_dumps(t.tree_flatten([1, {"a": 2}])[1]),
        lambda t: t.tree_structure([1, 2]) == t.tree_structure([3, 4]),
        lambda t: t.tree_structure([1, 2]) == t.tree_structure((3, 4)),
    ],
)
def test_functions_are_pytorchs(theirs, function):
    found = []
    for trees in (ours, theirs):
        try:
            found.append(function(trees))
        except (ValueError, TypeError) as error:
            found.append((type(error), str(error)[:60]))
    assert found[0] == found[1]


def test_a_class_can_be_made_a_collection():
    class Box:
        def __init__(self, inside):
            self.inside = inside

    ours.register_pytree_node(Box, lambda box: ([box.inside], None), lambda values, _: Box(*values))
    assert ours.tree_map(lambda x: x * 2, [Box(3)])[0].inside == 6
    with pytest.raises(ValueError, match="already registered"):
        ours.register_pytree_node(Box, None, None)


@pytest.mark.parametrize("bias", [False, True])
def test_fused_layers_compute_the_same(bias):
    norm = nn.BatchNorm2d(3).eval()
    norm.running_mean.copy_(flambeau.tensor([1.0, 2.0, 3.0]))
    norm.running_var.fill_(4.0)
    with flambeau.no_grad():
        norm.weight.copy_(flambeau.tensor([0.5, 1.0, 2.0]))
    x = flambeau.rand(2, 2, 5, 5)
    for conv in (nn.Conv2d(2, 3, 3, bias=bias).eval(), nn.ConvTranspose2d(2, 3, 3, bias=bias).eval()):
        fused = fusion.fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
        flambeau.testing.assert_close(fused(x), norm(conv(x)), rtol=1e-4, atol=1e-5)
    linear, flat = nn.Linear(4, 3, bias=bias).eval(), nn.BatchNorm1d(3).eval()
    flat.load_state_dict(norm.state_dict())
    x = flambeau.rand(5, 4)
    flambeau.testing.assert_close(fusion.fuse_linear_bn_eval(linear, flat)(x), flat(linear(x)), rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="Fusion only for eval!"):
        fusion.fuse_linear_bn_eval(linear, flat.train())


def test_linearize_gives_the_derivative():
    x = flambeau.tensor([1.0, 2.0])
    value, derivative = flambeau.func.linearize(lambda x: x * x, x)
    assert value.tolist() == [1.0, 4.0] and derivative(flambeau.tensor([1.0, 10.0])).tolist() == [2.0, 40.0]


def test_functionalize_and_batch_norm_without_state():
    assert flambeau.func.functionalize(lambda x: x.add_(1))(flambeau.ones(1)).tolist() == [2.0]
    with pytest.raises(RuntimeError, match="invalid argument"):
        flambeau.func.functionalize(abs, remove="views")
    net = flambeau.func.replace_all_batch_norm_modules_(nn.Sequential(nn.BatchNorm1d(2)))
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    found = net(flambeau.tensor([[1.0, 2.0], [3.0, 6.0]]))
    flambeau.testing.assert_close(found, flambeau.tensor([[-1.0, -1.0], [1.0, 1.0]]), rtol=1e-4, atol=1e-4)
