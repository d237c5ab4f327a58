"""timm: small image models from the same seed, a training step of each, and its transforms, losses and schedules."""
import numpy as np
import timm
import torch
from PIL import Image
from timm.data import Mixup, create_transform, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV2, accuracy

for name in ("resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_100"):
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=5, **({"img_size": 64} if "vit" in name else {}))
    pictures = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        print(name, model.eval()(pictures)[0])
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    for step in range(2):
        loss = LabelSmoothingCrossEntropy()(model(pictures), torch.tensor([1, 3, 0, 2]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(step, f"{loss.item():.3f}")
    print(sum(p.numel() for p in model.parameters()), model.forward_features(pictures).shape)

print(resolve_data_config({}, model=model))
optimizer = create_optimizer_v2(model, "adamw", lr=1e-3, weight_decay=0.05)
schedule = CosineLRScheduler(optimizer, 10)
schedule.step(3)
print(optimizer.param_groups[0]["lr"])
print(accuracy(torch.eye(5), torch.arange(5), topk=(1,)))
average = ModelEmaV2(model, decay=0.9)
average.update(model)
print(len(average.state_dict()))
picture = Image.fromarray((np.arange(80 * 100 * 3) % 255).astype(np.uint8).reshape(80, 100, 3))
print(create_transform(input_size=(3, 64, 64), is_training=False)(picture).mean())
torch.manual_seed(0)
np.random.seed(0)
mixed, labels = Mixup(num_classes=5)(torch.randn(2, 3, 8, 8), torch.tensor([1, 2]))
print(mixed.mean(), labels)
