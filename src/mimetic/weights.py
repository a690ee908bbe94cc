"""A checkpoint's folder becomes a network in memory; what is not whole is refused in one line.

Nothing here runs code from the hub, and nothing is made up: weights that are not there ``transformers`` would fill in
at random, with a word in its log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError

from mimetic.records import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

UNUSED = ("mask_token", "masked_spec_embed")
"""Ends of names of weights that a checkpoint need not have: what stands for masked parts in training."""

REMEDY = "Fetch it again, or give another checkpoint."


def open_config(folder: Path) -> Any:
    """Read a checkpoint's configuration, as ``transformers`` fills it in.

    Raises
    ------
    UsageError
        if it is of no model that ``transformers`` knows without code from the hub.
    """
    from transformers import AutoConfig

    try:
        with _quiet():
            return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{folder} cannot be read as a model ({_told(error)})", remedy=REMEDY) from None


def open_network(
    kind: Any, folder: Path, *, config: Any, optional: Sequence[str] = (), **options: Any
) -> tuple[Any, bool]:
    """Read a network in float32, ready to compute, and tell whether it is whole.

    Parameters
    ----------
    kind
        one of ``transformers``' automatic classes.
    optional
        beginnings of names of weights that may be missing; the network is then not whole.
    **options
        what the network's class takes beside its configuration.

    Raises
    ------
    UsageError
        if other weights are missing, or they cannot be read.
    """
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):  # weights that nobody uses may be drawn
            network, told = kind.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                local_files_only=True,
                trust_remote_code=False,
                **options,
            )
    except (OSError, TypeError, ValueError, RuntimeError, UnpicklingError, SafetensorError) as error:
        raise UsageError(f"{folder} cannot be read as a model ({_told(error)})", remedy=REMEDY) from None
    missing = sorted(name for name in told["missing_keys"] if not name.endswith(UNUSED))
    if needed := [name for name in missing if not name.startswith(tuple(optional))]:
        lacks = f"{folder} lacks {len(needed)} weights of a {type(network).__name__}, among them {needed[0]}"
        raise UsageError(lacks, remedy=REMEDY)
    return network.eval(), not missing


@contextmanager
def computing(device: torch.device, precision: str) -> Iterator[None]:
    """Compute without gradients; matrix products in a precision (``fp32``, ``bf16``, ``fp16``), the rest in float32."""
    dtype = DTYPES[precision]
    with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        yield


def _told(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".:")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ``transformers`` from reporting on stderr: what matters of it is checked."""
    logging = import_module("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
