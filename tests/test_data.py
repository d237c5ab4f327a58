"""Datasets, samplers, collation and the loader in one process: what they give, and in which order they draw."""

import collections
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau
from flambeau.utils import data as ours
from flambeau.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)

Point = collections.namedtuple("Point", "x y")


class Rows(Dataset):
    """As TensorDataset, but row by row."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, i):
        return tuple(t[i] for t in self.tensors)


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def shown(found):
    """A batch in lists, with the dtypes and types that it had."""
    if isinstance(found, (list, tuple, collections.deque)):
        return type(found).__name__, [shown(part) for part in found]
    if isinstance(found, collections.abc.Mapping):
        return type(found).__name__, {key: shown(part) for key, part in found.items()}
    if hasattr(found, "tolist"):
        return str(found.dtype), tuple(found.shape), found.tolist()
    return found


def same_error(ours, theirs):
    """Both raise, the same type with the same first line."""
    with pytest.raises(Exception) as expected:
        theirs()
    with pytest.raises(type(expected.value)) as got:
        ours()
    assert str(got.value).split("\n")[0] == str(expected.value).split("\n")[0]


# ---- datasets


def test_tensor_dataset():
    rows = TensorDataset(flambeau.arange(6).view(3, 2), flambeau.ones(3))
    assert len(rows) == 3 and shown(rows[-1]) == ("tuple", [("torch.int64", (2,), [4, 5]), ("torch.float32", (), 1.0)])
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(flambeau.ones(3), flambeau.ones(2))


def test_datasets_of_datasets():
    both = ConcatDataset([range(3), range(10, 14)])
    assert [both[i] for i in range(-7, 7)] == [0, 1, 2, 10, 11, 12, 13] * 2 and both.cumulative_sizes == [3, 7]
    with pytest.raises(ValueError, match="absolute value of index should not exceed dataset length"):
        both[-8]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        ConcatDataset([Stream(2)])
    tensors = TensorDataset(flambeau.arange(2))
    assert isinstance(tensors + tensors, ConcatDataset) and len(tensors + tensors) == 4
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2] and len(ChainDataset([Stream(2), Stream(3)])) == 5
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([range(3)]))
    named, plain = StackDataset(a=range(3), b="xyz"), StackDataset(range(3), "xyz")
    assert named[1] == {"a": 1, "b": "y"} and plain.__getitems__([2, 0]) == [(2, "z"), (0, "x")]
    assert named.__getitems__([2]) == [{"a": 2, "b": "z"}] and len(plain) == 3
    for wrong, text in [
        (lambda: StackDataset(), "At least one"),
        (lambda: StackDataset([1], a=[1]), "both types are given"),
        (lambda: StackDataset([1], [1, 2]), "Size mismatch between datasets"),
    ]:
        with pytest.raises(ValueError, match=text):
            wrong()
    part = Subset(range(10), [7, 3, 5])
    assert (part[0], part[2], part.__getitems__([1, 0]), len(part)) == (7, 5, [3, 7], 3)
    with pytest.raises(NotImplementedError, match="overrides __getitem__ but not __getitems__"):
        type("Half", (Subset,), {"__getitem__": lambda self, i: 1})(range(3), [0])
    with pytest.raises(NotImplementedError, match="should implement __getitem__"):
        Dataset()[0]


def test_random_split(torch):
    from torch.utils import data as theirs

    for lengths in ([7, 3], [0.5, 0.5], [0.3, 0.3, 0.4], [1.0], [0.33, 0.33, 0.34], [10, 0]):
        for seed in (None, 3):
            found = []
            for library, module in ((flambeau, ours), (torch, theirs)):
                library.manual_seed(1)
                kwargs = {} if seed is None else {"generator": library.Generator().manual_seed(seed)}
                found.append(
                    [part.indices for part in module.random_split(range(10), lengths, **kwargs)]
                    + [library.rand(1).item()]
                )
            assert found[0] == found[1]
    for lengths in ([7, 4], [0.5, 0.4], [1.5, -0.5]):
        same_error(lambda n=lengths: random_split(range(10), n), lambda n=lengths: theirs.random_split(range(10), n))
    with pytest.warns(UserWarning, match="Length of split at index 3 is 0. This might result in an empty dataset."):
        random_split(range(4), [0.5, 0.25, 0.25, 0.0])


# ---- the order of draws


def orders(library, module):
    """Everything that a loader draws, over several passes, with the program's own draws between."""
    log = []

    def run(loader, passes=3, stop=None):
        for _ in range(passes):
            for k, batch in enumerate(loader):
                log.append(shown(batch))
                if k % 2:
                    log.append(library.rand(2).tolist())
                if k == stop:
                    break
        log.append(library.rand(1).item())

    class Squares(module.Dataset):
        def __len__(self):
            return 11

        def __getitem__(self, i):
            return {"a": i * i, "b": (float(i), str(i))}

    class Drawing(module.Sampler):
        def __len__(self):
            return 23

        def __iter__(self):
            return iter(library.randperm(23).tolist())

    library.manual_seed(3)
    rows = module.TensorDataset(library.arange(46).reshape(23, 2).float(), library.arange(23))
    for generator in (lambda: None, lambda: library.Generator().manual_seed(5), lambda: library.default_generator):
        for size, drop in ((1, False), (4, False), (4, True), (23, False), (30, True), (30, False), (None, False)):

            def load(data, own=generator, **kwargs):
                return module.DataLoader(data, batch_size=size, drop_last=drop, generator=own(), **kwargs)  # noqa: B023

            run(load(rows, shuffle=True))
            run(load(Squares(), shuffle=True), stop=2)
            run(load(rows))
            samplers = [
                Drawing(),
                module.RandomSampler(rows, True, 70, generator()),
                module.RandomSampler(rows, False, 50, generator()),
                module.RandomSampler(rows, False, 46, generator()),
                module.SubsetRandomSampler([3, 5, 7, 1, 9], generator()),
                module.WeightedRandomSampler([0.1, 0.4, 0.3] * 7, 30, True, generator()),
                module.WeightedRandomSampler(list(range(1, 20)), 9, False, generator()),
            ]
            for sampler in samplers:
                run(load(rows, sampler=sampler), passes=2)
                run(load(range(23), sampler=sampler), passes=1, stop=1)
            for part in module.random_split(rows, [0.5, 0.3, 0.2], generator() or library.default_generator):
                run(load(part, shuffle=True))
                run(load(module.random_split(part, [3, len(part) - 3])[0], shuffle=True), passes=1)
    return log


def test_draws_are_those_of_pytorch(torch):
    from torch.utils import data as theirs

    assert orders(flambeau, ours) == orders(torch, theirs)


def test_base_seeds_are_those_of_pytorch(torch):
    from torch.utils import data as theirs

    found = []
    for library, module in ((flambeau, ours), (torch, theirs)):
        library.manual_seed(7)
        own = library.Generator().manual_seed(8)
        found.append([iter(module.DataLoader(range(3), generator=g))._base_seed for g in (None, own, None, own) * 3])
    assert found[0] == found[1] and max(found[0]) >= 2**62


def test_order_without_pytorch():
    flambeau.manual_seed(0)
    assert [b.tolist() for b in DataLoader(range(6), 4, shuffle=True)] == [[0, 4, 3, 5], [2, 1]]


def test_distributed_sampler(torch):
    from torch.utils import data as theirs

    for n, replicas, shuffle, drop in [
        (10, 3, True, False),
        (10, 3, True, True),
        (2, 5, False, False),
        (12, 4, False, True),
        (7, 1, True, False),
    ]:
        for rank in range(replicas):
            found = [
                module.DistributedSampler(range(n), replicas, rank, shuffle, seed=2, drop_last=drop)
                for module in (ours, theirs)
            ]
            for epoch in (0, 3):
                for sampler in found:
                    sampler.set_epoch(epoch)
                assert list(found[0]) == list(found[1]) and len(found[0]) == len(found[1])
    same_error(lambda: DistributedSampler(range(3), 2, 2), lambda: theirs.DistributedSampler(range(3), 2, 2))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    size=st.integers(1, 45),
    drop=st.booleans(),
    shuffle=st.booleans(),
    part=st.integers(0, 3),
    seed=st.integers(0, 9),
)
def test_rows_taken_at_once_are_the_rows_one_by_one(n, size, drop, shuffle, part, seed):
    tensors = (flambeau.arange(n * 2).view(n, 2), flambeau.arange(n).to(flambeau.bfloat16), flambeau.zeros(n, 0))
    keep = list(range(n))[part:] or [0]
    found = []
    for kind in (TensorDataset, Rows):
        flambeau.manual_seed(seed)
        loader = DataLoader(
            Subset(kind(*tensors), keep) if part else kind(*tensors), size, shuffle=shuffle, drop_last=drop
        )
        found.append([shown(batch) for batch in loader])
        assert len(found[-1]) == len(loader) == (len(keep) // size if drop else -(-len(keep) // size))
    assert found[0] == found[1]


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, 30), size=st.integers(1, 12), drop=st.booleans())
def test_batches_of_a_sampler(n, size, drop):
    found = list(BatchSampler(SequentialSampler(range(n)), size, drop))
    whole = [list(range(n))[i : i + size] for i in range(0, n, size)]
    assert found == ([batch for batch in whole if len(batch) == size] if drop else whole)
    assert len(BatchSampler(range(n), size, drop)) == len(found)
    if n:
        assert [b.tolist() for b in DataLoader(range(n), size, drop_last=drop)] == found
        assert [b.tolist() for b in DataLoader(Stream(n), size, drop_last=drop)] == found


def test_a_dataset_that_is_written_to_in_the_middle_of_a_pass():
    for kind in (TensorDataset, Rows):
        rows = flambeau.arange(6)
        found = []
        for k, (batch,) in enumerate(DataLoader(kind(rows), 2)):
            found.append(batch.tolist())
            if k == 0:
                rows[3] = 70
                batch[0] = 80
        assert found == [[0, 1], [2, 70], [4, 5]] and rows.tolist() == [0, 1, 2, 70, 4, 5]


def test_samples_that_are_differentiated_stay_on_the_tape():
    rows = flambeau.ones(4, 2, requires_grad=True)
    for kind in (TensorDataset, Rows):
        ((batch,),) = DataLoader(kind(rows), 4)
        batch.sum().backward()
    assert rows.grad.tolist() == [[2.0, 2.0]] * 4


def test_wrong_indices():
    for data in (TensorDataset(flambeau.arange(3)), Rows(flambeau.arange(3))):
        assert DataLoader(data, batch_sampler=[[-1, 0]]).__iter__().__next__()[0].tolist() == [2, 0]
        with pytest.raises(IndexError):
            list(DataLoader(data, batch_sampler=[[0, 3]]))


def test_a_pass_goes_on_after_an_error():
    class Bad(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return 1 // (i - 1)

    batches = iter(DataLoader(Bad(), 1))
    assert next(batches).item() == -1
    with pytest.raises(ZeroDivisionError):
        next(batches)
    assert [b.item() for b in batches] == [1, 0]


# ---- options


def test_options_that_contradict_each_other(torch):
    from torch.utils import data as theirs

    class Endless(theirs.IterableDataset):
        def __iter__(self):
            return iter(range(3))

    sequence = [
        dict(num_workers=-1),
        dict(timeout=-1),
        dict(prefetch_factor=2),
        dict(num_workers=1, prefetch_factor=-1),
        dict(persistent_workers=True),
        dict(shuffle=True, sampler=[0]),
        dict(batch_sampler=[[0]], batch_size=2),
        dict(batch_sampler=[[0]], shuffle=True),
        dict(batch_sampler=[[0]], drop_last=True),
        dict(batch_size=None, drop_last=True),
        dict(batch_size=0),
        dict(batch_size=-2),
        dict(batch_size=1.5),
        dict(drop_last=1),
        dict(multiprocessing_context="fork"),
        dict(num_workers=1, multiprocessing_context="spoon"),
        dict(num_workers=1, multiprocessing_context=3),
    ]
    for kwargs in sequence:
        same_error(lambda k=kwargs: DataLoader(range(3), **k), lambda k=kwargs: theirs.DataLoader(range(3), **k))
    for kwargs in (dict(shuffle=True), dict(sampler=[0]), dict(batch_sampler=[[0]])):
        same_error(lambda k=kwargs: DataLoader(Stream(3), **k), lambda k=kwargs: theirs.DataLoader(Endless(), **k))
    same_error(lambda: DataLoader([], shuffle=True), lambda: theirs.DataLoader([], shuffle=True))
    same_error(
        lambda: setattr(DataLoader([1]), "batch_size", 2), lambda: setattr(theirs.DataLoader([1]), "batch_size", 2)
    )
    for name, args in [
        ("RandomSampler", (range(3), 1)),
        ("RandomSampler", (range(3), False, 0)),
        ("WeightedRandomSampler", ([1], 0)),
        ("WeightedRandomSampler", ([1], 1, 2)),
        ("WeightedRandomSampler", ([[1]], 1)),
        ("BatchSampler", ([1], True, False)),
    ]:
        same_error(lambda n=name, a=args: getattr(ours, n)(*a), lambda n=name, a=args: getattr(theirs, n)(*a))


def test_what_a_loader_says_of_itself():
    loader = DataLoader(range(5), 2, shuffle=True, drop_last=True)
    assert isinstance(loader.sampler, RandomSampler) and isinstance(loader.batch_sampler, BatchSampler)
    assert (loader.batch_size, loader.drop_last, loader.num_workers, loader.prefetch_factor, len(loader)) == (
        2,
        True,
        0,
        None,
        2,
    )
    assert loader.collate_fn is default_collate and DataLoader(range(3), None).collate_fn is default_convert
    assert DataLoader(range(3), batch_sampler=[[0], [1, 2]]).batch_size is None
    assert (
        len(DataLoader(Stream(7), 2)) == 4
        and len(DataLoader(Stream(7), None)) == 7
        and len(DataLoader(Stream(7), 2, drop_last=True)) == 3
    )
    with pytest.warns(UserWarning, match="no accelerator is found"):
        assert [b.tolist() for b in DataLoader(range(3), 2, pin_memory=True)] == [[0, 1], [2]]
    with pytest.raises(NotImplementedError):
        __import__("pickle").dumps(iter(loader))


def test_single_samples():
    class Mixed(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return {"n": i, "a": np.full(2, i), "t": (np.float32(1), "x")}

    assert shown(list(DataLoader(Mixed(), batch_size=None))[1]) == (
        "dict",
        {"n": 1, "a": ("torch.int64", (2,), [1, 1]), "t": ("list", [("torch.float32", (), 1.0), "x"])},
    )
    assert list(DataLoader(Stream(3), None)) == [0, 1, 2]


def test_a_stream_longer_than_it_says_warns():
    class Liar(Stream):
        def __len__(self):
            return 1

    loader = DataLoader(Liar(2), 1)
    assert len(list(loader)) == 2 and len(loader) == 1
    with pytest.warns(UserWarning, match=r"was reported to be 1\(when accessing len\(dataloader\)\), but 2 samples"):
        assert len(list(loader)) == 2


def test_private_places_import():
    from flambeau.utils.data import _DatasetKind
    from flambeau.utils.data._utils.collate import default_collate as private
    from flambeau.utils.data._utils.worker import WorkerInfo
    from flambeau.utils.data.dataloader import default_collate as public
    from flambeau.utils.data.dataset import Dataset as same
    from flambeau.utils.data.distributed import DistributedSampler as spread
    from flambeau.utils.data.sampler import Sampler

    assert private is public is default_collate and same is Dataset and spread is DistributedSampler
    assert issubclass(RandomSampler, Sampler) and _DatasetKind.Iterable == 1 and WorkerInfo.__slots__[0] == "id"


# ---- collation


def samples(library):
    frozen = types.MappingProxyType({"a": 1})
    return {
        "tensors": [library.ones(2), library.zeros(2)],
        "scalars": [library.tensor(1), library.tensor(2)],
        "empty": [library.ones(0, 2), library.ones(0, 2)],
        "ints": [1, 2, 3],
        "bools": [True, False],
        "mixed": [1, True],
        "floats": [1.0, 2],
        "int first": [1, 2.5],
        "text": ["a", "b"],
        "bytes": [b"a", b"b"],
        "arrays": [np.ones((2, 1), np.float32), np.zeros((2, 1), np.float32)],
        "zero-dim": [np.array(1), np.array(2)],
        "float64": [np.float64(1), np.float64(2)],
        "float32": [np.float32(1), np.float32(2)],
        "int8": [np.int8(1), np.int8(3)],
        "numpy bools": [np.bool_(True), np.bool_(False)],
        "dtypes": [library.ones(1), library.ones(1).long()],
        "tuples": [(1, "a"), (2, "b")],
        "lists": [[1, 2.0], [3, 4.0]],
        "dicts": [{"a": 1, "b": [2]}, {"a": 3, "b": [4]}],
        "points": [Point(1, library.ones(1)), Point(2, library.zeros(1))],
        "nested": [((1, {"z": 1.5}), [b"q"]), ((2, {"z": 2.5}), [b"w"])],
        "ordered": [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
        "default": [collections.defaultdict(int, a=1)] * 2,
        "frozen": [frozen, frozen],
        "deque": [collections.deque([1, 2])] * 2,
        "range": [range(2), range(2, 4)],
        "big": [2**40, -(2**62)],
        "chars": [np.str_("a"), np.str_("b")],
    }


def test_collation_is_pytorchs(torch):
    from torch.utils import data as theirs

    expected = {name: shown(theirs.default_collate(batch)) for name, batch in samples(torch).items()}
    for name, batch in samples(flambeau).items():
        assert shown(default_collate(batch)) == expected[name], name
    expected = {name: shown(theirs.default_convert(batch)) for name, batch in samples(torch).items()}
    for name, batch in samples(flambeau).items():
        assert shown(default_convert(batch)) == expected[name], name


def test_errors_of_collation(torch):
    from torch.utils import data as theirs

    def wrong(library):
        return [
            [library.ones(3), library.ones(4)],
            [(1, 2), (1,)],
            [None, None],
            [object(), object()],
            [np.array("a"), np.array("b")],
            [{"a": 1}, {"b": 1}],
            [np.ones(2), np.ones(3)],
            [1, "a"],
            [{1, 2}],
            [np.array([object()])],
        ]

    for mine, reference in zip(wrong(flambeau), wrong(torch), strict=True):
        with pytest.raises(Exception) as expected:
            theirs.default_collate(reference)
        with pytest.raises(type(expected.value)) as got:
            default_collate(mine)
        if "0x" not in str(expected.value):
            assert str(got.value).split("\n")[0] == str(expected.value).split("\n")[0]


def test_collation_can_be_extended():
    from flambeau.utils.data._utils.collate import collate, default_collate_fn_map

    def joined(batch, *, collate_fn_map=None):
        return flambeau.cat(list(batch))

    assert collate([flambeau.ones(1), flambeau.ones(2)], collate_fn_map={flambeau.Tensor: joined}).tolist() == [1, 1, 1]
    before = default_collate_fn_map[flambeau.Tensor]
    default_collate_fn_map[flambeau.Tensor] = joined
    try:
        assert [b[0].tolist() for b in DataLoader(TensorDataset(flambeau.arange(4).view(2, 2)), 2)] == [[0, 1, 2, 3]]
    finally:
        default_collate_fn_map[flambeau.Tensor] = before


def test_pending_samples_are_computed_once_for_a_batch():
    class Scaled(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, i):
            return flambeau.full((3,), float(i)) * 2 + 1

    for batch in DataLoader(Scaled(), 4):
        assert batch._node.value is not None and not batch._node.inputs
    assert batch[-1].tolist() == [15, 15, 15]


# ---- going on in the middle


def loaders():
    rows = TensorDataset(flambeau.arange(20), flambeau.arange(20) * 2)
    yield lambda: DataLoader(rows, 3, shuffle=True)
    yield lambda: DataLoader(rows, 3, shuffle=True, generator=flambeau.Generator().manual_seed(4))
    yield lambda: DataLoader(Rows(*rows.tensors), 3, shuffle=True, drop_last=True)
    yield lambda: DataLoader(rows, 3, sampler=RandomSampler(rows, True, 90, flambeau.Generator().manual_seed(4)))
    yield lambda: DataLoader(rows, 3, sampler=SubsetRandomSampler(range(14)))
    yield lambda: DataLoader(rows, 3, sampler=WeightedRandomSampler([1.0] * 20, 17))
    yield lambda: DataLoader(rows, 3)
    yield lambda: DataLoader(range(13), None, shuffle=True)
    yield lambda: DataLoader(Stream(20), 3)


@pytest.mark.parametrize("make", list(loaders()))
@pytest.mark.parametrize("done", [0, 1, 4])
def test_a_pass_goes_on_where_it_was(make, done):
    def rest(loader, batches):
        found = []
        for each in (batches, loader, loader):
            for batch in each:
                found.append(shown(batch))
                found.append(flambeau.rand(1).item())
        return found

    loader = make()
    list(loader)
    batches = iter(loader)
    for _ in range(done):
        next(batches)
        flambeau.rand(1)
    state, rng = loader.state_dict(), flambeau.get_rng_state()
    expected = rest(loader, batches)
    flambeau.manual_seed(99)
    again = make()
    again.load_state_dict(state)
    assert again.state_dict()["batches"] == done
    flambeau.set_rng_state(rng)
    assert rest(again, iter(again)) == expected


def test_a_finished_pass_is_followed_by_a_new_one():
    loader = DataLoader(range(4), 2, shuffle=True)
    list(loader)
    state = loader.state_dict()
    assert state["batches"] == 0
    loader.load_state_dict(state)
    assert len(list(loader)) == 2
    for wrong in ({}, 3, {**state, "generators": [1]}):
        with pytest.raises(ValueError, match="DataLoader.load_state_dict"):
            loader.load_state_dict(wrong)
