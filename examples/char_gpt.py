"""A small GPT that learns to write a text character by character.

    python examples/char_gpt.py text.txt --steps 500
"""
import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn as nn
from torch.nn import functional as F


@dataclass
class Config:
    """The sizes of a model."""

    vocabulary: int
    block: int = 64
    layers: int = 4
    heads: int = 4
    width: int = 128
    dropout: float = 0.0


class CausalSelfAttention(nn.Module):
    """Each position gathers from itself and from those before it."""

    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.attend = nn.Linear(config.width, 3 * config.width)
        self.project = nn.Linear(config.width, config.width)

    def forward(self, x):
        batch, time, width = x.size()
        query, key, value = (part.view(batch, time, self.heads, width // self.heads).transpose(1, 2)
                             for part in self.attend(x).split(width, dim=2))
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return F.dropout(self.project(y.transpose(1, 2).contiguous().view(batch, time, width)), dropout)


class Block(nn.Module):
    """Attention and a small network, each added to what came in."""

    def __init__(self, config):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention = CausalSelfAttention(config)
        self.network = nn.Sequential(nn.Linear(config.width, 4 * config.width), nn.GELU(),
                                     nn.Linear(4 * config.width, config.width), nn.Dropout(config.dropout))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.network(self.norm2(x))


class GPT(nn.Module):
    """Scores every character as the next one, at every position."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.characters = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block, config.width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.characters.weight = self.head.weight
        self.apply(self.initialise)

    @staticmethod
    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, codes, targets=None):
        x = self.characters(codes) + self.positions(torch.arange(codes.size(1), device=codes.device))
        for block in self.blocks:
            x = block(x)
        scores = self.head(self.norm(x))
        if targets is None:
            return scores, None
        return scores, F.cross_entropy(scores.view(-1, scores.size(-1)), targets.view(-1))

    @torch.no_grad()
    def generate(self, codes, count, temperature=1.0, top=None):
        """`codes` with `count` more, each drawn from the `top` likeliest."""
        for _ in range(count):
            scores, _ = self(codes[:, -self.config.block:])
            scores = scores[:, -1, :] / temperature
            if top is not None:
                least, _ = torch.topk(scores, min(top, scores.size(-1)))
                scores[scores < least[:, [-1]]] = -float("inf")
            chosen = torch.multinomial(F.softmax(scores, dim=-1), num_samples=1)
            codes = torch.cat((codes, chosen), dim=1)
        return codes


def get_batch(data, block, batch):
    starts = torch.randint(len(data) - block, (batch,))
    x = torch.stack([data[start:start + block] for start in starts])
    y = torch.stack([data[start + 1:start + 1 + block] for start in starts])
    return x, y


@torch.no_grad()
def estimate(model, data, batch, times=5):
    """The mean loss over a few batches."""
    model.eval()
    losses = torch.zeros(times)
    for i in range(times):
        _, loss = model(*get_batch(data, model.config.block, batch))
        losses[i] = loss.item()
    model.train()
    return losses.mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="the file to learn from")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--every", type=int, default=50, help="print the loss every so many steps")
    parser.add_argument("--sample", type=int, default=200, help="characters to write at the end")
    parser.add_argument("--seed", type=int, default=1337)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    text = options.text.read_text(encoding="utf-8")
    characters = sorted(set(text))
    code_of = {character: code for code, character in enumerate(characters)}
    data = torch.tensor([code_of[character] for character in text], dtype=torch.long)
    split = int(0.9 * len(data))
    training, validation = data[:split], data[split:]

    model = GPT(Config(len(characters), options.block, options.layers, 4, options.width, options.dropout))
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=options.rate, betas=(0.9, 0.95))
    size = sum(p.numel() for p in model.parameters())
    print(f"{len(text)} characters, {len(characters)} different; {size} parameters")

    start = time.perf_counter()
    for step in range(1, options.steps + 1):
        _, loss = model(*get_batch(training, options.block, options.batch))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % options.every == 0 or step == options.steps:
            print(f"step {step}: loss {loss.item():.4f}")
    print(f"validation loss {estimate(model, validation, options.batch):.4f}")
    print(f"({time.perf_counter() - start:.1f} s)")

    model.eval()
    written = model.generate(training[:1].unsqueeze(0), options.sample, temperature=0.8, top=20)[0].tolist()
    print("".join(characters[code] for code in written))


if __name__ == "__main__":
    main()
