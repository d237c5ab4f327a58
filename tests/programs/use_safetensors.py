"""Tensors and models in safetensors files; shared memory is found."""
import os
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model
from torch import nn

torch.manual_seed(0)
folder = tempfile.mkdtemp()
path = os.path.join(folder, "x.safetensors")
tensors = {
    "a": torch.randn(3, 4), "counts": torch.arange(5), "bf": torch.randn(2, 2).to(torch.bfloat16),
    "half": torch.randn(3).half(), "empty": torch.zeros(0, 3), "number": torch.tensor(3.5) * 2,
    "flags": torch.tensor([True, False]), "double": torch.ones(2, dtype=torch.float64).cumsum(0),
}
save_file(tensors, path, metadata={"format": "pt"})
print(os.path.getsize(path))
back = load_file(path)
for name in sorted(back):
    print(name, back[name].dtype, back[name].shape, torch.equal(back[name], tensors[name]))
print(load(save({"a": tensors["a"]}))["a"])
with safe_open(path, framework="pt", device="cpu") as file:
    part = file.get_slice("a")
    print(sorted(file.keys()), file.metadata(), part.get_shape(), part[1:3, :2], part[:, 1])
back["a"].add_(1)
print(torch.allclose(back["a"], tensors["a"] + 1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(7, 4), nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight


model, other = Tied(), Tied()
save_model(model, path)
print(load_model(other, path), torch.equal(other.head.weight, model.embedding.weight))
whole = torch.randn(6, 4)
for wrong in ({"a": whole, "b": whole}, {"a": whole[:3], "b": whole[3:]}, {"a": whole.t()}, {"a": 3}):
    try:
        save_file(wrong, path)
    except (RuntimeError, ValueError) as error:
        print(type(error).__name__, str(error).strip()[:40])
try:
    load_model(nn.Linear(3, 3), path)
except RuntimeError as error:
    print(str(error).strip()[:60])
