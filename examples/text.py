"""A small language model: learns to write one character after another, from this project's README."""
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
WINDOW = 12

text = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
characters = sorted(set(text))
number_of = {character: number for number, character in enumerate(characters)}
codes = torch.tensor([number_of[character] for character in text])


class CharacterModel(nn.Module):
    """Scores every character as the next one, given the last WINDOW characters."""

    def __init__(self, vocabulary, embedding=16, hidden=128):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(WINDOW * embedding, hidden),
            nn.ReLU(),
            nn.Linear(hidden, vocabulary),
        )

    def forward(self, window):
        return self.body(self.embedding(window))


model = CharacterModel(len(characters))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
offsets = torch.arange(WINDOW)

print(f"{len(text):,} characters, {len(characters)} different ones")
running = 0.0
for step in range(1, 1001):
    starts = torch.randint(len(codes) - WINDOW, (64,))
    windows = codes[starts.unsqueeze(1) + offsets]
    loss = F.cross_entropy(model(windows), codes[starts + WINDOW])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    running += loss.item()
    if step % 100 == 0:
        print(f"step {step:4d}  loss {running / 100:.3f}")
        running = 0.0

model.eval()
written = codes[:WINDOW].tolist()
with torch.no_grad():
    for _ in range(200):
        scores = model(torch.tensor([written[-WINDOW:]]))
        chances = F.softmax(scores[0] / 0.8, dim=0)
        written.append(torch.multinomial(chances, 1).item())
print("".join(characters[code] for code in written))
