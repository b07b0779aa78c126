"""Turn a network and a stream of losses into a trained network: one optimiser, one schedule, one loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WARM_UP = 0.05  # share of the training in which the learning rate rises
WEIGHT_DECAY = 0.02
LARGEST_GRADIENT = 5.0  # norm
FINAL_SHARE = 0.01  # of the peak learning rate, at the end


@dataclass(frozen=True)
class Schedule:
    """How long to train: until either limit, with the rise and fall of the learning rate stretched to fit.

    Attributes:
        steps: optimiser steps.
        minutes: of wall-clock time; a run that stops early for it depends on the machine's speed.
        batch: images a step.
        peak_rate: highest learning rate.
    """

    steps: int
    minutes: float
    batch: int
    peak_rate: float


def fit(
    network: nn.Module, losses: Iterator[Tensor], schedule: Schedule, on_step: Callable[[int, float], None]
) -> int:
    """Minimise the losses by AdamW under a one-cycle schedule (linear rise, cosine fall).

    Args:
        network: its parameters change in place.
        losses: computes the next batch's loss whenever the next is taken.
        schedule: when to stop.
        on_step: called after each step with its number from 1 and its loss.

    Returns:
        The number of steps made.
    """
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]  # biases and batch-norm scales
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}],
        lr=schedule.peak_rate,
    )
    started, step = time.monotonic(), 0
    while True:
        elapsed = (time.monotonic() - started) / (60.0 * schedule.minutes)
        progress = max(step / schedule.steps, elapsed)
        if progress >= 1.0:
            return step
        for group in optimiser.param_groups:
            group["lr"] = schedule.peak_rate * rate_share(progress)
        loss = next(losses)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        step += 1
        on_step(step, float(loss.detach()))


def mixed_precision() -> torch.autocast:
    """Make a context in which convolutions run in bfloat16 where the processor multiplies it natively."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    native = bool(capabilities.get("avx512_bf16", False))
    return torch.autocast("cpu", torch.bfloat16, enabled=native)


def rate_share(progress: float) -> float:
    """Share of the peak learning rate at a progress in 0..1."""
    if progress < WARM_UP:
        return max(progress / WARM_UP, FINAL_SHARE)
    fall = (progress - WARM_UP) / (1.0 - WARM_UP)
    cosine = 0.5 * (1.0 + torch.cos(torch.tensor(fall * torch.pi)).item())
    return FINAL_SHARE + (1.0 - FINAL_SHARE) * cosine
