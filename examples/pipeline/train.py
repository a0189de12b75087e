"""How weights.bin was made: ``python3 train.py`` needs PyTorch; it took 37 minutes on two
busy cores, with PyTorch 2.13.

Each step takes stories that were not there before. The learning rate rises at first, then falls to
nothing; gradients are clipped. The loss is in nats per character: it came to 0.10, where the
choices that make a story are worth 0.08.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import stories
from text import ALPHABET, END, encode
from weights import BLOCKS, HEADS, WIDTH, WINDOW, layout, write

BATCH = 8
WARM_UP = 100
PEAK = 3e-3
SEED = 12


class Model(nn.Module):  # type: ignore[misc]  # nothing is known of PyTorch where it is not
    """As the pipeline computes it, for all positions at once."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in layout().items():
            if name.endswith("gain"):
                first = torch.ones(shape)
            elif len(shape) == 1:
                first = torch.zeros(shape)
            else:
                scale = 0.02 / math.sqrt(2 * BLOCKS) if name.endswith("out") else 0.06
                first = torch.randn(shape) * scale
            self.register_parameter(name.replace(".", "_"), nn.Parameter(first))

    def weight(self, name: str) -> Tensor:
        return self.get_parameter(name.replace(".", "_"))

    def norm(self, x: Tensor, name: str) -> Tensor:
        gain, bias = self.weight(f"{name}.gain"), self.weight(f"{name}.bias")
        return functional.layer_norm(x, (WIDTH,), gain, bias)

    def linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self.weight(name), self.weight(f"{name}.bias"))

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits after each token. Matrices have a row for each output."""
        x = self.weight("tokens")[tokens] + self.weight("positions")[: tokens.shape[1]]
        for block in range(BLOCKS):
            name = f"block{block}"
            joined = self.linear(self.norm(x, f"{name}.norm1"), f"{name}.attend")
            x = x + self.linear(attention(joined), f"{name}.attend_out")
            inner = self.linear(self.norm(x, f"{name}.norm2"), f"{name}.feed")
            x = x + self.linear(functional.gelu(inner, approximate="tanh"), f"{name}.feed_out")
        return functional.linear(self.norm(x, "norm"), self.weight("tokens"))


def attention(joined: Tensor) -> Tensor:
    """Each position over its window: queries of a window see that one and the one before it.

    :param joined: queries, keys and values side by side; a whole number of windows.
    """
    rows, length, _ = joined.shape
    split = joined.view(rows, length // WINDOW, WINDOW, 3, HEADS, WIDTH // HEADS)
    queries, keys, values = split.permute(3, 0, 1, 4, 2, 5)

    def with_former(x: Tensor) -> Tensor:
        return torch.cat([functional.pad(x, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1], x], dim=3)

    back = torch.arange(WINDOW)[:, None] + WINDOW - torch.arange(2 * WINDOW)[None, :]
    seen = ((back >= 0) & (back < WINDOW)).expand(length // WINDOW, 1, -1, -1).clone()
    seen[0, :, :, :WINDOW] = False  # nothing is before the first window
    mixed = functional.scaled_dot_product_attention(
        queries, with_former(keys), with_former(values), attn_mask=seen
    )
    return mixed.transpose(2, 3).reshape(rows, length, WIDTH)


def batch(chance: random.Random) -> tuple[Tensor, Tensor]:
    """Tokens, and what follows each; -1 where nothing does."""
    texts = [encode(stories.story(chance)) for _ in range(BATCH)]
    length = -(-(max(map(len, texts)) + 1) // WINDOW) * WINDOW
    given = torch.full((BATCH, length), END)
    wanted = torch.full((BATCH, length), -1)
    for row, text in enumerate(texts):
        given[row, 1 : len(text) + 1] = torch.tensor(text)
        wanted[row, : len(text) + 1] = torch.tensor([*text, END])
    return given, wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2800)
    parser.add_argument("--to", type=Path, default=Path("weights.bin"))
    options = parser.parse_args()
    torch.manual_seed(SEED)
    chance = random.Random(SEED)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    began, mean = time.monotonic(), math.log(len(ALPHABET))
    for step in range(1, options.steps + 1):
        fall = 0.5 + 0.5 * math.cos(math.pi * step / options.steps)
        for group in optimizer.param_groups:
            group["lr"] = PEAK * min(1, step / WARM_UP) * fall
        given, wanted = batch(chance)
        loss = functional.cross_entropy(
            model(given).flatten(0, 1), wanted.flatten(), ignore_index=-1
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        mean += (loss.item() - mean) / min(step, 50)
        if step % 25 == 0 or step == options.steps:
            seconds = time.monotonic() - began
            print(f"step {step} loss {mean:.4f} after {seconds:.0f} s", flush=True)  # noqa: T201
        if step % 200 == 0 or step == options.steps:
            write(options.to, {n: model.weight(n).flatten().tolist() for n in layout()})


if __name__ == "__main__":
    main()
