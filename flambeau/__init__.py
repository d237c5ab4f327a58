"""flambeau runs PyTorch programs without PyTorch: `import flambeau as torch`."""

from __future__ import annotations

from . import binding as _binding
from . import dtypes as _dtypes
from . import further as _further
from . import indexing as _indexing
from . import interchange as _interchange
from . import methods as _methods
from . import namespaces as _namespaces
from . import out_of_scope as _out_of_scope
from .autograd import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from .creation import (
    as_tensor,
    asarray,
    empty,
    empty_like,
    empty_permuted,
    empty_strided,
    from_numpy,
    frombuffer,
    full,
    full_like,
    ones,
    ones_like,
    scalar_tensor,
    tensor,
    zeros,
    zeros_like,
)
from .device import AcceleratorError, OutOfMemoryError, device
from .dtypes import dtype
from .info import (
    broadcast_shapes,
    can_cast,
    channels_last,
    channels_last_3d,
    contiguous_format,
    finfo,
    get_default_dtype,
    iinfo,
    is_complex,
    is_floating_point,
    is_inference,
    is_nonzero,
    is_storage,
    is_tensor,
    jagged,
    layout,
    memory_format,
    numel,
    preserve_format,
    promote_types,
    result_type,
    set_default_dtype,
    set_default_tensor_type,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from .interchange import from_dlpack, to_dlpack
from .operators import install_operators
from .printing import get_printoptions, set_printoptions
from .ranges import arange, eye, linspace, logspace, tril_indices, triu_indices
from .ranges import range_ as range
from .tensor import Size, Tensor
from .typed import CLASSES as _classes
from .typed import typename
from .version import __version__

globals().update(_classes)

for _name, _kind in {**_dtypes.dtype.by_name, **_dtypes.ALIASES}.items():
    globals()[_name] = _kind
_binding.use(Tensor)
_namespaces.SPACES["torch"] = globals()
_binding.install(_namespaces.SPACES)
install_operators()
_indexing.install()
_methods.install()
_interchange.install()

from . import _C, accelerator, amp, backends, cpu, cuda, masked, nn, optim, signal, utils
from .amp import GradScaler, autocast
from .amp.autocast_mode import (
    clear_autocast_cache,
    get_autocast_cpu_dtype,
    get_autocast_dtype,
    get_autocast_gpu_dtype,
    is_autocast_cpu_enabled,
    is_autocast_enabled,
    set_autocast_dtype,
    set_autocast_gpu_dtype,
)
from .backends import cuda as _backends_cuda
from .backends import cudnn as _cudnn
from .backends import mkl as _mkl
from .backends import mps as _mps
from .compiling import compile
from .control import eager, explain, no_execution
from .cuda import amp as _cuda_amp
from .random import (
    Generator,
    _sample_dirichlet,
    _standard_gamma,
    bernoulli,
    binomial,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from .serialization import load, save
from .settings import (
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled,
    set_default_device,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    set_warn_always,
    use_deterministic_algorithms,
)
from .signal._periodic import (
    bartlett_window,
    blackman_window,
    hamming_window,
    hann_window,
    kaiser_window,
)
from .symbolic import (
    SymBool,
    SymFloat,
    SymInt,
    cond,
    get_deterministic_debug_mode,
    get_device_module,
    set_deterministic_debug_mode,
    sym_float,
    sym_int,
    sym_ite,
    sym_max,
    sym_min,
    sym_not,
    sym_sqrt,
    sym_sum,
)

_further.install(globals())
_out_of_scope.install(_namespaces.SPACES, Tensor)
_namespaces.fill_all()
_namespaces.complete_autograd()
from . import func, version
from .func import vmap

_namespaces.name_the_nearest()


def __getattr__(name: str) -> object:
    found = _namespaces.late("", name)
    if found is not None:
        globals()[name] = found
        return found
    from ._names import missing

    raise missing("torch", name, globals())
