"""The loop for pretrained encoders: a joint network and its clips in; the network of the best epoch out.

The loss is over all predictions of a step together, however many clips go through the network at once: they all go
through it without gradients first, then the gradient of the loss by each prediction goes back through each lot (Gao et
al. 2021, arXiv:2101.06983). Every draw belongs to the seed and the step, so a training that was killed goes on from
what it has last written down, and ends with the same weights. Several processes take a share of the lots each: they
see the same predictions, sum their gradients, and take the same step as one process that goes through all lots itself.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mimetic.finetuning.depth import groups
from mimetic.finetuning.drawing import Rows, drawing
from mimetic.finetuning.joint import Joint
from mimetic.finetuning.settings import Tuning
from mimetic.records import Dataset, Json, MimeticError, UsageError
from mimetic.scores import mixture, pearson
from mimetic.store import whole
from mimetic.training.rates import Rates
from mimetic.world import World

STATE = "state.safetensors"
EVERY = 300.0
"""Seconds after which a training writes down where it is, epochs aside."""


class Tuner:
    """Trains a joint network, a step at a time.

    Parameters
    ----------
    dataset
        whose labels it learns.
    learn, judge
        rows of the clips that are learned from, and of those that tell when to stop.
    folder
        where it writes down how far it is.
    world
        the processes that train it together.

    Raises
    ------
    UsageError
        if there are more processes than lots in a step.
    """

    def __init__(
        self,
        joint: Joint,
        tuning: Tuning,
        dataset: Dataset,
        *,
        learn: Rows,
        judge: Rows,
        folder: Path,
        seed: int,
        world: World,
    ) -> None:
        self.joint, self.tuning, self.seed, self._world = joint, tuning, seed, world
        self.labels, self.targets = dataset.labels, dataset.targets
        self.learn, self.judge, self._state = learn, judge, folder / STATE
        self.history: list[Json] = []
        self.best_epoch, self.step = 0, 0
        self._loss = mixture(tuning.recipe.fit.loss)
        known = self.labels[learn]
        self._mean, self._deviation = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
        self._optimiser = self._make_optimiser()
        self._steps = max(1, round(len(learn) / tuning.recipe.fit.clips))
        self._check_world()
        warmup = tuning.recipe.fit.warmup or tuning.warmup
        self._rates = Rates(self._optimiser, tuning.recipe.fit, steps=self._steps, warmup=warmup)
        self._losses: list[float] = []
        self._best = self._copied()
        self._written = time.monotonic()

    def _make_optimiser(self) -> torch.optim.AdamW:
        fit = self.tuning.recipe.fit
        own = [p for p in self.joint.network.parameters() if p.requires_grad]
        found = [{"params": own, "lr": fit.rate, "weight_decay": fit.decay}]
        for live in self.joint.living:
            found += groups(live.network, self.tuning, fit.decay)
        return torch.optim.AdamW(found, lr=fit.rate, fused=True)

    def _check_world(self) -> None:
        """Refuse more processes than the smallest step has lots: who has none would wait for the others."""
        clips, size = len(self.learn) // self._steps, self._world.size
        if size > (lots := math.ceil(clips / self.tuning.at_once)):
            most = (clips - 1) // (size - 1) if size <= clips else 0
            remedy = f"Give --set at_once={most} or less." if most else "Start fewer processes."
            raise UsageError(
                f"a step of {clips} clips goes in {lots} lots, and there are {size} processes", remedy=remedy
            )

    @property
    def learning(self) -> dict[str, nn.Parameter]:
        """Every weight that learns, by its name."""
        return {name: weight for name, weight in self.joint.named_parameters() if weight.requires_grad}

    def _copied(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self.learning.items()}

    # ------------------------------------------------------------------------------------------ steps

    def run(self) -> Iterator[Json]:
        """Train from where it is to the end; give each step that ended an epoch, as its line of history.

        The weights are then those of the best epoch.
        """
        self._resume()
        self._world.agree(self.step, "the step that the training has come to")
        last = self.tuning.recipe.fit.epochs * self._steps
        while self.step < last and not self._rates.stop:
            self._losses.append(self._take_step())
            self.step += 1
            if self.step % self._steps == 0:
                yield self._end_epoch()
                self._write()
            elif time.monotonic() - self._written > EVERY:
                self._write()
        with torch.no_grad():
            for name, weight in self.learning.items():
                weight.copy_(self._best[name])

    def _take_step(self) -> float:
        """Learn from the step's clips; give their loss."""
        self.joint.train()
        self._rates.step()
        lots = self._lots(self._clips_of(self.step))
        own = self._world.share(range(len(lots)))
        scores = {number: self._seen(lots, number, gradients=len(own) == 1) for number in own}
        predicted = self._gathered(lots, scores).requires_grad_()
        loss = self._cost(np.concatenate(lots), predicted)
        (gradient,) = torch.autograd.grad(loss, predicted)
        self._optimiser.zero_grad(set_to_none=True)
        self._backward(lots, scores, gradient)
        self._world.sum_gradients(self.learning.values())
        nn.utils.clip_grad_norm_(self.learning.values(), self.tuning.recipe.fit.max_norm)
        self._optimiser.step()
        return float(loss.detach())

    def _seen(self, lots: Sequence[Rows], number: int, *, gradients: bool) -> Tensor:
        with torch.set_grad_enabled(gradients):
            return self._scores(lots[number], number)

    def _gathered(self, lots: Sequence[Rows], scores: Mapping[int, Tensor]) -> Tensor:
        """Give the predictions of all lots, ``(clip, target)``, out of what each process has of them."""
        size = len(self.targets)
        parts = [scores[i].detach() if i in scores else self._zeros((len(lot), size)) for i, lot in enumerate(lots)]
        return self._world.total(torch.cat(parts))

    def _zeros(self, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape, device=self.joint.device)

    def _backward(self, lots: Sequence[Rows], scores: Mapping[int, Tensor], gradient: Tensor) -> None:
        """Send the gradient by each prediction back; lots that went through without gradients go through again."""
        parts = torch.tensor_split(gradient, np.cumsum([len(lot) for lot in lots]).tolist()[:-1])
        for number, seen in scores.items():
            again = seen if seen.requires_grad else self._scores(lots[number], number)
            torch.autograd.backward(again, parts[number])

    def _clips_of(self, step: int) -> Rows:
        epoch, number = divmod(step, self._steps)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.learn)
        return np.array_split(order, self._steps)[number]

    def _lots(self, clips: Rows) -> list[Rows]:
        """Cut clips into lots that go through together: clips that cost alike."""
        order = np.argsort([self.joint.cost(clip) for clip in clips.tolist()], kind="stable")
        return np.array_split(clips[order], math.ceil(len(order) / self.tuning.at_once))

    def _keep(self, clips: Rows, lot: int) -> NDArray[np.bool_]:
        """Draw which modalities each clip keeps: of those that it has, at least one."""
        share, present = self.tuning.recipe.modality_dropout, self.joint.present[clips]
        if not share or present.shape[1] == 1:
            return np.ones_like(present)
        draws = np.random.default_rng([self.seed, self.step, lot]).random(present.shape)
        kept = draws >= share
        kept[np.arange(len(clips)), np.where(present, draws, -1.0).argmax(axis=1)] = True
        return kept

    def _scores(self, clips: Rows, lot: int) -> Tensor:
        """Score a lot; whatever is drawn on the way is drawn alike whenever this lot of this step is scored."""
        with drawing([self.seed, self.step, lot]), self._precision():
            scores: Tensor = self.joint(clips, self._keep(clips, lot))
        return scores.float()

    def _precision(self) -> torch.autocast:
        reduced = self.tuning.precision == "bf16"
        return torch.autocast(self.joint.device.type, dtype=torch.bfloat16, enabled=reduced)

    def _cost(self, clips: Rows, predicted: Tensor) -> Tensor:
        target = torch.from_numpy(self.labels[clips]).to(predicted)
        if self.tuning.z_scored:
            mean, deviation = (torch.from_numpy(each).to(predicted) for each in (self._mean, self._deviation))
            deviation = torch.where(deviation > 0, deviation, 1.0)
            target, predicted = (target - mean) / deviation, (predicted - mean) / deviation
        cost: Tensor = self._loss(target, predicted)
        return cost

    # ------------------------------------------------------------------------------------------ epochs

    def _end_epoch(self) -> Json:
        epoch = self.step // self._steps
        loss = float(np.mean(self._losses))
        self._losses = []
        if not math.isfinite(loss):
            message = f"{self.tuning.recipe.name} has a loss of {loss} after epoch {epoch}"
            raise MimeticError(message, remedy="Lower its rates.")
        rate = self._optimiser.param_groups[0]["lr"]
        self.history.append({"epoch": epoch, "loss": loss, "rate": rate, **self._judged()})
        if self._rates.judge(self.history[-1]["mean_pearson"]):
            self.best_epoch, self._best = epoch, self._copied()
        return self.history[-1]

    def _judged(self) -> Json:
        """Score the clips that tell when to stop."""
        values = pearson(self.labels[self.judge], self.predict(self.judge)).tolist()
        by_target = {name: None if math.isnan(r) else r for name, r in zip(self.targets, values, strict=True)}
        known = [value for value in by_target.values() if value is not None]
        return {"mean_pearson": float(np.mean(known)) if known else None, "pearson": by_target}

    def predict(self, clips: Rows) -> NDArray[np.float64]:
        """Score clips with the weights as they are, ``(clip, target)``."""
        self.joint.eval()
        found = self._zeros(self.labels.shape)
        with torch.no_grad(), self._precision():
            for lot in self._world.share(self._lots(clips)):
                found[lot] = self.joint(lot, np.ones_like(self.joint.present[lot])).float()
        scores: NDArray[np.float64] = self._world.total(found).cpu().double().numpy()[clips]
        return scores

    # ----------------------------------------------------------------------------------------- resuming

    def _write(self) -> None:
        """Write down weights, optimiser and all that is known, in one file, whole or not at all."""
        if not self._world.leads:
            return
        tensors = {f"weights.{name}": weight.detach() for name, weight in self.learning.items()}
        tensors |= {f"best.{name}": weight for name, weight in self._best.items()}
        for name, weight in self.learning.items():
            tensors |= {f"adam.{key}.{name}": value for key, value in self._optimiser.state.get(weight, {}).items()}
        told = {
            "step": self.step,
            "losses": self._losses,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "rates": self._rates.state,
        }
        with whole(self._state) as beside:
            save_file({k: v.contiguous() for k, v in tensors.items()}, beside, {"state": json.dumps(told)})
        self._written = time.monotonic()

    def _resume(self) -> None:
        if not self._state.is_file():
            return
        with safe_open(self._state, "pt", device=str(self.joint.device)) as file:
            told = json.loads(file.metadata()["state"])
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        with torch.no_grad():
            for name, weight in self.learning.items():
                weight.copy_(stored[f"weights.{name}"])
                if f"adam.step.{name}" in stored:  # a weight that nothing asks for has no gradient, and no such state
                    adam = {key: stored[f"adam.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
                    self._optimiser.state[weight] = adam
        self._best = {name: stored[f"best.{name}"] for name in self.learning}
        self.step, self._losses, self.history = told["step"], told["losses"], told["history"]
        self.best_epoch, self._rates.state = told["best_epoch"], told["rates"]
