"""SummaryWriter: what a program logs, in files that TensorBoard shows."""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from . import summary
from ._records import FileWriter

__all__ = ["FileWriter", "SummaryWriter"]


class SummaryWriter:
    """Writes numbers, pictures, text and more to a folder, from which TensorBoard shows them.

    `log_dir` is a new folder below `runs` unless given. No package is needed for writing; for looking,
    `pip install tensorboard` and `tensorboard --logdir runs`.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir, self.purge_step = os.fspath(log_dir), purge_step
        self.max_queue, self.flush_secs, self.filename_suffix = max_queue, flush_secs, filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = FileWriter(self.log_dir, self.max_queue, self.flush_secs, self.filename_suffix)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                from ._records import integer, nested

                # what an earlier run logged from this step on is no longer shown
                self.file_writer.add_event(nested(7, integer(1, 1)), self.purge_step)
                self.purge_step = None
        return self.file_writer

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def _add(self, content: bytes, step: Any, walltime: float | None) -> None:
        self._get_file_writer().add_summary(content, None if step is None else int(step), walltime)

    # ---- numbers

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: int | None = None, walltime: float | None = None,
        new_style: bool = False, double_precision: bool = False,
    ) -> None:  # fmt: skip
        """A number at a step."""
        self._add(summary.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Several numbers in one plot, each in a folder of its own."""
        self._get_file_writer()
        assert self.all_writers is not None
        for tag, value in tag_scalar_dict.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in self.all_writers:
                self.all_writers[folder] = FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)
            step = None if global_step is None else int(global_step)
            self.all_writers[folder].add_summary(summary.scalar(main_tag, value), step, walltime)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """The elements of a tensor."""
        self._add(summary.tensor(tag, tensor), global_step, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: Any = "tensorflow",
        walltime: float | None = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        """How values are spread."""
        self._add(summary.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self, tag: str, min: float, max: float, num: float, sum: float, sum_squares: float,
        bucket_limits: Sequence[float], bucket_counts: Sequence[float], global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A histogram that the program has made."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        content = summary.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
        self._add(content, global_step, walltime)

    def add_pr_curve(
        self, tag: str, labels: Any, predictions: Any, global_step: int | None = None, num_thresholds: int = 127,
        weights: Any = None, walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Precision and recall of predictions from 0 to 1."""
        self._add(summary.pr_curve(tag, labels, predictions, num_thresholds, weights), global_step, walltime)

    # ---- pictures, text, sound

    def add_image(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:  # fmt: skip
        """A picture: numbers from 0 to 1, or bytes."""
        self._add(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:  # fmt: skip
        """Pictures in a grid, eight in a row."""
        self._add(summary.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """A figure of matplotlib's, or several; closed afterwards."""
        formats = "NCHW" if isinstance(figure, (list, tuple)) else "CHW"
        self.add_image(tag, summary.figure_pixels(figure, close), global_step, walltime, formats)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Text, shown as Markdown."""
        self._add(summary.text(tag, text_string), global_step, walltime)

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: int | None = None, sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:  # fmt: skip
        """Sound: numbers from -1 to 1."""
        self._add(summary.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    # ---- runs

    def add_hparams(
        self, hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Sequence] | None = None, run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:  # fmt: skip
        """The settings of a run and what came of it, to compare runs by."""
        parts = summary.hyperparameters(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        with SummaryWriter(folder) as run:
            for part in parts:
                run._add(part, global_step, None)
            for name, value in metric_dict.items():
                run.add_scalar(name, value, global_step)

    # ---- what is not written

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Left out with a warning: there is no graph of PyTorch's to write."""
        warnings.warn(
            "add_graph is left out: flambeau does not write graphs for TensorBoard", UserWarning, stacklevel=2
        )

    def add_onnx_graph(self, prototxt: Any) -> NoReturn:
        """Refused."""
        raise NotImplementedError("flambeau: SummaryWriter.add_onnx_graph is not supported")

    def add_embedding(
        self, mat: Any, metadata: Any = None, label_img: Any = None, global_step: int | None = None,
        tag: str = "default", metadata_header: Any = None,
    ) -> NoReturn:  # fmt: skip
        """Refused."""
        raise NotImplementedError(
            "flambeau: SummaryWriter.add_embedding is not supported; the projector loads tables: numpy.savetxt them"
        )

    def add_video(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise NotImplementedError("flambeau: SummaryWriter.add_video is not supported; use add_images")

    def add_mesh(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise NotImplementedError("flambeau: SummaryWriter.add_mesh is not supported")

    def add_custom_scalars(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise NotImplementedError("flambeau: SummaryWriter.add_custom_scalars is not supported; use add_scalars")

    add_custom_scalars_multilinechart = add_custom_scalars_marginchart = add_custom_scalars

    def add_image_with_boxes(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise NotImplementedError(
            "flambeau: SummaryWriter.add_image_with_boxes is not supported; draw the boxes and use add_image"
        )

    # ---- the files

    def flush(self) -> None:
        """Makes sure that everything logged is in the files."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Closes the files; logging again opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()
