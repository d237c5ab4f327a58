"""Pictures cut into patches, attention over them, with einops."""
import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange, Reduce
from torch import nn

torch.manual_seed(0)
x = torch.randn(2, 3, 8, 8)
print(rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=4, q=4).sum(dim=1)[0, :3])
print(reduce(x, "b c h w -> b c", "mean"))
print(repeat(torch.arange(3), "n -> n k", k=2))
packed, shapes = pack([torch.ones(2, 3), torch.zeros(2, 4, 5)], "b *")
print(packed.shape, [part.shape for part in unpack(packed, shapes, "b *")])


class Patches(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.embed = nn.Sequential(Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=4, q=4), nn.Linear(48, width))
        self.mix = EinMix("b t c -> b t d", weight_shape="c d", bias_shape="d", c=width, d=width)
        self.attend = nn.Linear(width, 3 * width)
        self.pool = Reduce("b t c -> b c", "max")
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.mix(x)
        q, k, v = rearrange(self.attend(x), "b t (three h d) -> three b h t d", three=3, h=4)
        scores = einsum(q, k, "b h i d, b h j d -> b h i j").softmax(-1)
        return self.head(self.pool(rearrange(scores @ v, "b h t d -> b t (h d)")))


model = Patches()
print(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
labels = torch.randint(5, (2,))
for step in range(8):
    loss = nn.functional.cross_entropy(model(x), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, f"{loss.item():.4f}")
