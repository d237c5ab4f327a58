"""A LightningModule trained, tested, saved and resumed by PyTorch Lightning's Trainer, on the processor."""
import os
import tempfile
import warnings

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

warnings.simplefilter("ignore")
pl.seed_everything(0)


class Classifier(pl.LightningModule):
    def __init__(self, hidden=16, lr=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(10, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, number):
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch, number):
        x, y = batch
        scores = self(x)
        self.log("val_loss", nn.functional.cross_entropy(scores, y))
        self.log("val_accuracy", (scores.argmax(1) == y).float().mean())

    def test_step(self, batch, number):
        self.validation_step(batch, number)

    def predict_step(self, batch, number):
        return self(batch[0]).argmax(1)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 2)}


class Data(pl.LightningDataModule):
    def setup(self, stage=None):
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(300, 10, generator=generator)
        self.train, self.rest = random_split(TensorDataset(x, x[:, :3].argmax(1)), [240, 60], generator=generator)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=32, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.rest, batch_size=32)

    test_dataloader = predict_dataloader = val_dataloader


def rounded(metrics):
    return {name: round(float(value), 3) for name, value in sorted(metrics.items())}


folder = tempfile.mkdtemp()
checkpoint = ModelCheckpoint(monitor="val_loss", save_last=True)
trainer = pl.Trainer(
    max_epochs=3, accelerator="cpu", default_root_dir=folder, logger=CSVLogger(folder), log_every_n_steps=1,
    callbacks=[checkpoint, EarlyStopping("val_loss", patience=3), LearningRateMonitor()], gradient_clip_val=0.5,
    enable_progress_bar=False, enable_model_summary=True)
model, data = Classifier(), Data()
trainer.fit(model, datamodule=data)
print(rounded(trainer.callback_metrics), sorted(os.listdir(os.path.dirname(checkpoint.best_model_path))))
with open(os.path.join(trainer.logger.log_dir, "metrics.csv")) as file:
    print(file.readline())
print(rounded(trainer.test(model, datamodule=data, verbose=False)[0]))
print(torch.cat(trainer.predict(model, datamodule=data))[:10])
print(Classifier.load_from_checkpoint(checkpoint.best_model_path, weights_only=False).hparams)
again = pl.Trainer(max_epochs=5, accelerator="cpu", default_root_dir=folder, logger=False, enable_progress_bar=False,
                   enable_checkpointing=False)
again.fit(Classifier(), datamodule=data, ckpt_path=checkpoint.last_model_path, weights_only=False)
print(rounded(again.callback_metrics), again.current_epoch, again.global_step)
