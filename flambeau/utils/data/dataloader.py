"""The loader: batches of a dataset, in the order of a sampler, in this process or from workers."""

from __future__ import annotations

import itertools
import os
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from ...device import gpus
from . import gather
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .fetch import _DatasetKind, create_fetcher, stacks
from .resume import Progress
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed
from .worker_info import get_worker_info

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)
_FIXED = frozenset({"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"})


class _InfiniteConstantSampler(Sampler[None]):
    """The order of a stream, whose samples have no index: None, forever."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches.

    dataset: samples by index, or an IterableDataset. batch_size: None yields single samples. shuffle: a new random
    order in each pass. sampler: an order of indices; batch_sampler: an order of lists of indices. num_workers:
    processes that load batches; 0 loads them here. collate_fn: makes a batch of a list of samples. pin_memory:
    accepted; there is nothing to pin for. drop_last: leaves out a last batch that is too short. timeout: seconds to
    wait for a worker's batch; 0 waits as long as it takes. worker_init_fn: called in each worker with its number.
    generator: draws the order and the workers' seeds. prefetch_factor: batches that each worker has in hand (2).
    persistent_workers: keeps them from pass to pass. in_order: False yields a batch as soon as any worker has one.

    Without generator, a pass draws two seeds from the default one, when PyTorch draws them: the same seed gives the
    same batches. `state_dict` and `load_state_dict` let a loader continue in the middle of a pass.

    >>> import flambeau as torch
    >>> [batch.tolist() for batch in DataLoader(range(5), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    dataset: Dataset[T_co]
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Sampler | Iterable
    pin_memory_device: str
    prefetch_factor: int | None
    _iterator: Any
    _made = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        elif prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            _check_stream(shuffle, sampler, batch_sampler)
        else:
            self._dataset_kind = _DatasetKind.Map
            shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._dataset_kind == _DatasetKind.Iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
            else:
                sampler = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self.persistent_workers = persistent_workers
        self._IterableDataset_len_called: int | None = None
        self._iterator = None
        self._resume: dict | None = None
        self._latest: Callable[[], Any] = lambda: None
        self._made = True
        self.check_worker_number_rationality()

    def __setattr__(self, attr: str, val: Any) -> None:
        if self._made and attr in _FIXED:
            raise ValueError(f"{attr} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(attr, val)

    @property
    def multiprocessing_context(self) -> Any:
        """How workers are started: a context of the module multiprocessing; None leaves it to the loader."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, wanted: Any) -> None:
        if wanted is not None:
            import multiprocessing

            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                    f"but got num_workers={self.num_workers}"
                )
            if isinstance(wanted, str):
                methods = multiprocessing.get_all_start_methods()
                if wanted not in methods:
                    raise ValueError(
                        f"multiprocessing_context option should specify a valid start method in {methods!r}, "
                        f"but got multiprocessing_context={wanted!r}"
                    )
                wanted = multiprocessing.get_context(wanted)
            if not isinstance(wanted, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string specifying "
                    f"the start method, but got multiprocessing_context={wanted}"
                )
        self._context = wanted

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self.batch_sampler is not None else self.sampler

    def _get_iterator(self) -> Any:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        from .workers import _MultiProcessingDataLoaderIter

        return _MultiProcessingDataLoaderIter(self)

    def __iter__(self) -> Any:
        if not self.persistent_workers:
            found = self._get_iterator()
        elif self._iterator is None or self._iterator._broken is not None or self._resume is not None:
            # Workers that go on where others were have to begin where those did.
            self._iterator = None
            found = self._iterator = self._get_iterator()
        else:
            found = self._iterator
            found._reset(self)
        self._latest = weakref.ref(found)
        return found

    def __len__(self) -> int:
        """The number of batches: of a stream, what the length that it states makes them."""
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        n = self._IterableDataset_len_called = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: how far the current pass has come, and what its order and its workers' seeds came from.

        What the default generator is to draw next belongs to the program's own checkpoint (`torch.get_rng_state()`).
        """
        if self._resume is not None:
            return dict(self._resume)
        latest = self._latest()
        progress = Progress(self) if latest is None or latest._progress.ended else latest._progress
        return progress.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Makes the next pass continue where `state_dict` was taken, with the batches that were to come then.

        Samples of an IterableDataset, and workers' batches, are loaded again up to there and thrown away.
        """
        Progress(self, state_dict).restore_generators(state_dict)
        self._resume = dict(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_iterator": None, "_latest": None, "_made": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._latest = lambda: None
        self._made = True

    def check_worker_number_rationality(self) -> None:
        """Warns of more workers than this process may use processors."""
        if not self.num_workers:
            return
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if cores is not None and self.num_workers <= cores:
            return
        known = "DataLoader is not able to compute a suggested max number of worker in current system."
        if cores is not None:
            counted = "" if hasattr(os, "sched_getaffinity") else " (`cpuset` is not taken into account)"
            known = (
                f"Our suggested max number of worker in current system is {cores}{counted}, which is smaller than what "
                "this DataLoader is going to create."
            )
        warnings.warn(
            f"This DataLoader will create {self.num_workers} worker processes in total. {known} More workers "
            "than processors take turns, which may make loading slower: lower num_workers.",
            stacklevel=3,
        )


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    """Raises ValueError for options that need an index."""
    wrong = [
        ("shuffle", shuffle, shuffle not in (False, None)),
        ("sampler", sampler, sampler is not None),
        ("batch_sampler", batch_sampler, batch_sampler is not None),
    ]
    for name, value, given in wrong:
        if given:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


class _BaseDataLoaderIter:
    """One pass over a loader."""

    def __init__(self, loader: DataLoader) -> None:
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._collate_fn = loader.collate_fn
        self._timeout = loader.timeout
        self._persistent_workers = loader.persistent_workers
        self._num_yielded = 0
        if loader.pin_memory:
            if loader.pin_memory_device:
                warnings.warn(
                    "pin_memory_device is deprecated, the current accelerator will be used as the device,"
                    f"ignore pin_memory_device='{loader.pin_memory_device}'.",
                    stacklevel=5,
                )
            if not gpus.count():
                warnings.warn(
                    "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory "
                    "won't be used.",
                    stacklevel=5,
                )
        self._sampler_iter = iter(self._index_sampler)
        self._progress = Progress(loader, loader._resume)
        loader._resume = None
        if self._progress.base_seed is None:
            self._progress.base_seed = draw_seed(loader.generator)
        self._base_seed = self._progress.base_seed

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> dict:
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)

    def _check_length(self) -> None:
        """Warns of a stream that yields more than its stated length."""
        stated = self._IterableDataset_len_called
        if self._dataset_kind == _DatasetKind.Iterable and stated is not None and self._num_yielded > stated:
            text = (
                f"Length of IterableDataset {self._dataset} was reported to be {stated}"
                f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
            )
            if self._num_workers > 0:
                text += (
                    "For multiprocessing data-loading, this could be caused by not properly configuring the "
                    "IterableDataset replica at each worker: get_worker_info() tells each which part is its own."
                )
            warnings.warn(text, stacklevel=3)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """A pass that loads here."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if self._timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        self._at_once = self._taken_at_once()
        # `map` goes on after an error of the dataset's, where a generator would have ended.
        self._batches: Iterator = self._at_once or map(
            create_fetcher(
                self._dataset_kind, self._dataset, self._auto_collation, self._collate_fn, self._drop_last
            ).fetch,
            self._sampler_iter,
        )
        if self._progress.done:
            self._skip(self._progress.done)

    def _taken_at_once(self) -> Any:
        """The batches of a TensorDataset, taken from its tensors; None if anything of the program's is to be called."""
        if not self._auto_collation or not stacks(self._collate_fn):
            return None
        found = gather.source_of(self._dataset)
        return None if found is None else gather.batches(*found, self._index_sampler)

    def _skip(self, done: int) -> None:
        """Goes to where an interrupted pass was: by the order alone where samples have an index."""
        stream = self._dataset_kind == _DatasetKind.Iterable
        skipped = self._batches if stream or self._at_once is not None else self._sampler_iter
        with self._progress.replaying():
            for _ in itertools.islice(skipped, done):
                pass
        self._num_yielded = done

    def __next__(self) -> Any:
        progress = self._progress
        first = progress.before is None
        if first:
            progress.begin()
        try:
            batch = next(self._batches)
        except StopIteration:
            progress.ended = True
            raise
        finally:
            progress.done += 1
            if first:
                progress.begun()
        self._num_yielded += 1
        if self._IterableDataset_len_called is not None:
            self._check_length()
        return batch


def __getattr__(name: str) -> object:
    if name == "_MultiProcessingDataLoaderIter":  # asked for by libraries; it is built on what is here
        from .workers import _MultiProcessingDataLoaderIter

        return _MultiProcessingDataLoaderIter
    raise AttributeError(f"module 'torch.utils.data.dataloader' has no attribute '{name}'", name=name)
