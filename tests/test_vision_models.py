"""The networks for pictures: names, weights and results as torchvision's, where it is installed."""

import copy
import hashlib
import pathlib
import pickle
import warnings

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.vision import models, ops
from flambeau.vision.models import _api
from flambeau.vision.models._utils import IntermediateLayerGetter, _make_divisible


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, the reference, where it is installed."""
    return pytest.importorskip("torchvision")


def pictures(*shape):
    return np.random.RandomState(0).rand(*shape).astype(np.float32)


def near(ours, theirs, tolerance=1e-4):
    assert ours.shape == theirs.shape and np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


# ---- alone


def test_resnet18_learns():
    model = models.resnet18(num_classes=3)
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.05)
    x, y = flambeau.from_numpy(pictures(4, 3, 32, 32)), flambeau.tensor([0, 1, 2, 0])
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_list_of_models():
    names = models.list_models(module=models)
    assert {"alexnet", "resnet50", "vgg19_bn", "vit_h_14", "efficientnet_v2_s", "mobilenet_v3_small"} <= set(names)
    assert models.list_models(include="vgg*", exclude=["*_bn"]) == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert models.list_models(module=nn) == []
    assert models.get_model_builder("ResNet18") is models.resnet18
    assert isinstance(models.get_model("squeezenet1_1", num_classes=2), models.SqueezeNet)
    with pytest.raises(ValueError, match="Unknown model resnet19"):
        models.get_model("resnet19")


def test_weights_by_name():
    weights = models.ResNet50_Weights
    assert models.get_model_weights("resnet50") is weights and models.get_model_weights(models.resnet50) is weights
    assert models.get_weight("ResNet50_Weights.IMAGENET1K_V2") is weights.DEFAULT is weights.IMAGENET1K_V2
    assert weights.DEFAULT.url == "https://download.pytorch.org/models/resnet50-11ad3fa6.pth"
    assert weights.DEFAULT.meta["num_params"] == 25557032 and repr(weights.DEFAULT) == "ResNet50_Weights.IMAGENET1K_V2"
    with pytest.raises(KeyError, match="does not carry the names of ImageNet's classes"):
        weights.DEFAULT.meta["categories"]
    assert copy.deepcopy(weights.DEFAULT) is weights.DEFAULT
    assert pickle.loads(pickle.dumps(weights.DEFAULT)) is weights.DEFAULT
    assert pickle.loads(pickle.dumps(models.resnet50)) is models.resnet50
    for wrong, error in (("x", ValueError), ("None_Weights.V1", ValueError), ("ResNet50_Weights.V9", KeyError)):
        with pytest.raises(error):
            models.get_weight(wrong)
    with pytest.raises(TypeError, match="expected ResNet18_Weights but received ResNet50_Weights"):
        models.resnet18(weights=weights.DEFAULT)


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """An empty folder of downloaded weights, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(_api, "fetch", lambda url, path, sha256: (_ for _ in ()).throw(OSError("no network")))
    return tmp_path / "hub" / "checkpoints"


def test_weights_that_are_not_there(checkpoints):
    with pytest.raises(RuntimeError, match=r"^Error downloading https://.*no network\nPut the file ") as caught:
        models.resnet18(weights="DEFAULT")
    assert f"resnet18-f37072fd.pth into the folder {checkpoints}" in str(caught.value)


def keep(checkpoints, monkeypatch, name, state):
    """Puts weights where those of this name are looked for, and has them pass for the published ones."""
    checkpoints.mkdir(parents=True, exist_ok=True)
    flambeau.save(state, checkpoints / name)
    monkeypatch.setattr(_api, "digest", lambda path, kind: pathlib.Path(path).stem.rpartition("-")[2] + "0" * 56)


def test_weights_from_the_folder(checkpoints, monkeypatch):
    made = models.squeezenet1_1()
    keep(checkpoints, monkeypatch, "squeezenet1_1-b8a52dc0.pth", made.state_dict())
    read = models.squeezenet1_1(weights=models.SqueezeNet1_1_Weights.IMAGENET1K_V1)
    assert all((a == b).all() for a, b in zip(made.parameters(), read.parameters(), strict=True))
    with pytest.raises(ValueError, match="parameter 'num_classes' expected value 1000 but got 10 instead"):
        models.squeezenet1_1(weights="DEFAULT", num_classes=10)
    with pytest.warns(UserWarning) as told:
        old = models.squeezenet1_1(pretrained=True)
    assert str(told[0].message).startswith("The parameter 'pretrained' is deprecated since 0.13")
    assert "`weights=SqueezeNet1_1_Weights.IMAGENET1K_V1`" in str(told[1].message)
    assert (next(old.parameters()) == next(made.parameters())).all()


def test_damaged_weights_are_refused(checkpoints):
    checkpoints.mkdir(parents=True)
    (checkpoints / "resnet18-f37072fd.pth").write_bytes(b"half of it")
    with pytest.raises(RuntimeError, match='invalid hash value \\(expected "f37072fd"\\)'):
        models.resnet18(weights="DEFAULT")


def test_a_download_of_weights(tmp_path):
    flambeau.save({"a": flambeau.arange(3)}, tmp_path / "made")
    begin = hashlib.sha256((tmp_path / "made").read_bytes()).hexdigest()[:8]
    (tmp_path / "made").rename(tmp_path / f"net-{begin}.pth")
    url = (tmp_path / f"net-{begin}.pth").as_uri()
    state = _api.load_state_dict(url, model_dir=tmp_path / "kept", check_hash=True)
    assert state["a"].tolist() == [0, 1, 2] and [f.name for f in (tmp_path / "kept").iterdir()] == [f"net-{begin}.pth"]


def test_the_old_calls():
    with pytest.warns(UserWarning) as told:
        models.squeezenet1_1(pretrained=False)
    assert str(told[0].message).startswith("The parameter 'pretrained' is deprecated since 0.13")
    assert "equivalent to passing `weights=None`." in str(told[1].message)
    with pytest.warns(UserWarning, match="Using 'weights' as positional parameter"):
        models.squeezenet1_1(None)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="No weights available for model vit_h_14"):
        models.vit_h_14(pretrained=True)


def test_old_names_in_weights_of_densenet(checkpoints, monkeypatch):
    made = models.densenet121()
    state = {name.replace("norm1", "norm.1").replace("conv2", "conv.2"): value
             for name, value in made.state_dict().items()}
    keep(checkpoints, monkeypatch, "densenet121-a639ec97.pth", state)
    read = models.densenet121(weights="DEFAULT")
    assert all((a == b).all() for a, b in zip(made.parameters(), read.parameters(), strict=True))


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_auxiliary_heads(checkpoints, monkeypatch):
    made = models.googlenet()
    assert models.googlenet(num_classes=4, init_weights=False)(flambeau.ones(2, 3, 32, 32)).aux_logits1.shape == (2, 4)
    keep(checkpoints, monkeypatch, "googlenet-1378be20.pth", made.state_dict())
    read = models.googlenet(weights="DEFAULT")
    assert read.aux1 is None and read.transform_input is True and read.aux_logits is False
    with pytest.warns(UserWarning, match="auxiliary heads in the pretrained googlenet model are NOT pretrained"):
        assert models.googlenet(weights="DEFAULT", aux_logits=True).aux2 is not None


def test_the_initial_weights_of_googlenet_are_to_be_chosen():
    with pytest.warns(FutureWarning, match="The default weight initialization of GoogleNet will be changed"):
        models.googlenet(num_classes=2, aux_logits=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models.googlenet(num_classes=2, aux_logits=False, init_weights=False)


def test_intermediate_layers():
    model = models.resnet18(num_classes=2).eval()
    getter = IntermediateLayerGetter(model, {"layer1": "first", "layer3": "third"})
    found = getter(flambeau.ones(1, 3, 32, 32))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "first": (1, 64, 8, 8), "third": (1, 256, 2, 2)}
    assert list(getter)[-1] == "layer3"
    with pytest.raises(ValueError, match="return_layers are not present in model"):
        IntermediateLayerGetter(model, {"layer9": "x"})


def test_channels_are_multiples():
    assert [_make_divisible(v, 8) for v in (1, 8, 12, 20, 67.2)] == [8, 8, 16, 24, 64]
    assert _make_divisible(3, 8, 16) == 16


def test_resnet_options():
    block = models.resnet.Bottleneck
    dilated = models.resnet50(num_classes=2, replace_stride_with_dilation=[False, True, True])
    assert dilated.layer4[1].conv2.dilation == (4, 4) and dilated.layer4[0].conv2.stride == (1, 1)
    zeroed = models.ResNet(block, [1, 1, 1, 1], num_classes=2, zero_init_residual=True)
    assert all((m.bn3.weight == 0).all() for m in zeroed.modules() if isinstance(m, block))
    with pytest.raises(ValueError, match="should be None or a 3-element tuple, got"):
        models.resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ValueError, match="BasicBlock only supports groups=1 and base_width=64"):
        models.resnet18(groups=2)


def test_vision_transformer_checks_sizes():
    model = models.VisionTransformer(8, 4, 1, 2, 8, 16, num_classes=3, representation_size=5)
    assert model(flambeau.ones(2, 3, 8, 8)).shape == (2, 3)
    with pytest.raises(AssertionError, match="Wrong image height! Expected 8 but got 12!"):
        model(flambeau.ones(2, 3, 12, 8))
    with pytest.raises(AssertionError, match="Input shape indivisible by patch size!"):
        models.VisionTransformer(9, 4, 1, 2, 8, 16)


# ---- against torchvision

# One of each family; what the others differ in is seen by the test after this.
NAMES = ["resnet18", "resnext50_32x4d", "squeezenet1_0", "mobilenet_v2", "mobilenet_v3_small", "densenet121",
         "efficientnet_b0", "convnext_tiny", "googlenet", "inception_v3", "mnasnet0_5", "shufflenet_v2_x0_5"]


def compare(torch, make, theirs_make, size, variance=0.5, tolerance=1e-4):
    """From one seed: the same names, initial values, printed form and, with other statistics, the same results."""
    torch.manual_seed(3)
    theirs = theirs_make().eval()
    flambeau.manual_seed(3)
    ours = make().eval()
    state, wanted = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(wanted) and repr(ours) == repr(theirs)
    for name, value in wanted.items():
        np.testing.assert_allclose(state[name].numpy(), value.numpy(), rtol=0, atol=3e-7, err_msg=name)
    assert flambeau.rand(1).item() == torch.rand(1).item()
    # Small variances let differences deep inside reach the end, as heads of zeros do not.
    for name, value in list(wanted.items()):
        factor, term = variance if name.endswith("running_var") else 1, 0.01 if "head" in name else 0
        changed = np.asarray(value.numpy() * factor + term)
        wanted[name], state[name] = torch.from_numpy(changed), flambeau.from_numpy(changed)
    theirs.load_state_dict(wanted)
    ours.load_state_dict(state)
    x = pictures(2, 3, size, size)
    with torch.no_grad(), flambeau.no_grad():
        near(ours(flambeau.from_numpy(x)).numpy(), theirs(torch.from_numpy(x)).numpy(), tolerance)


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_model_equals_torchvisions(torch, torchvision, name):
    make = {"num_classes": 7}
    compare(torch, lambda: models.get_model(name, **make), lambda: torchvision.models.get_model(name, **make),
            80 if name == "inception_v3" else 48, 0.02 if name in ("googlenet", "shufflenet_v2_x0_5") else 0.5, 1e-3)


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_every_model_has_torchvisions_layers(torch, torchvision, monkeypatch):
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(flambeau.Tensor, name, lambda self, *args, **options: self)  # the values do not matter
    monkeypatch.setattr(nn.init, "trunc_normal_", lambda tensor, *args, **options: tensor)
    for name in models.list_models(exclude="vit_l_16"):
        ours, weights = models.get_model(name), models.get_model_weights(name)
        drawn = {} if name not in ("googlenet", "inception_v3") else {"init_weights": False}
        with torch.device("meta"):
            theirs = torchvision.models.get_model(name, **drawn)
        assert repr(ours) == repr(theirs), name
        shapes = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
        assert {key: tuple(value.shape) for key, value in ours.state_dict().items()} == shapes, name
        count = sum(parameter.numel() for parameter in ours.parameters())
        # What is published for GoogLeNet is without its auxiliary heads.
        assert name == "googlenet" or count in {member.meta["num_params"] for member in weights}, name


def test_a_vision_transformer_equals_torchvisions(torch, torchvision):
    make = {"image_size": 16, "patch_size": 4, "num_layers": 3, "num_heads": 4, "hidden_dim": 32, "mlp_dim": 48,
            "num_classes": 5}
    theirs = torchvision.models.VisionTransformer
    compare(torch, lambda: models.VisionTransformer(**make), lambda: theirs(**make), 16)
    make["representation_size"] = 9
    compare(torch, lambda: models.VisionTransformer(**make), lambda: theirs(**make), 16)


def test_a_stem_and_other_sizes_of_vision_transformers(torch, torchvision):
    from torchvision.models import vision_transformer as theirs

    ours = models.vision_transformer
    for where in (ours, theirs):
        where.stem = [where.ConvStemConfig(8, 3, 2), where.ConvStemConfig(12, 3, 2)]
    make = {"image_size": 16, "patch_size": 4, "num_layers": 1, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 8}
    compare(torch, lambda: ours.VisionTransformer(**make, conv_stem_configs=ours.stem),
            lambda: theirs.VisionTransformer(**make, conv_stem_configs=theirs.stem), 16)
    places = pictures(1, 17, 6)
    found, wanted = (
        where.interpolate_embeddings(24, 4, {"encoder.pos_embedding": make(places), "heads.head.bias": 0}, **how)
        for how in ({"reset_heads": True},) for where, make in ((ours, flambeau.tensor), (theirs, torch.tensor))
    )
    assert list(found) == list(wanted)
    near(found["encoder.pos_embedding"].numpy(), wanted["encoder.pos_embedding"].numpy(), 1e-5)


@pytest.mark.parametrize("cfg", "ABDE")
@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg_equals_torchvisions(torch, torchvision, cfg, batch_norm):
    theirs = torchvision.models.vgg
    assert models.vgg.cfgs == theirs.cfgs
    torch.manual_seed(3)
    wanted = theirs.make_layers(theirs.cfgs[cfg], batch_norm)
    flambeau.manual_seed(3)
    found = models.vgg.make_layers(models.vgg.cfgs[cfg], batch_norm)
    assert repr(found) == repr(wanted)
    for (name, value), (other, expected) in zip(found.state_dict().items(), wanted.state_dict().items(), strict=True):
        assert name == other and np.array_equal(value.numpy(), expected.numpy())


def test_mobilenet_v3_options(torch, torchvision):
    make = {"reduced_tail": True, "dilated": True, "width_mult": 0.75, "num_classes": 5}
    compare(torch, lambda: models.mobilenet_v3_small(**make), lambda: torchvision.models.mobilenet_v3_small(**make), 48,
            tolerance=1e-3)


def test_weights_are_those_of_torchvision(torchvision):
    theirs = torchvision.models
    for name in models.list_models():
        ours, wanted = models.get_model_weights(name), theirs.get_model_weights(name)
        assert ours.__name__ == wanted.__name__ and ours.DEFAULT.name == wanted.DEFAULT.name
        assert models.get_model_builder(name).__module__.rpartition(".")[2] == \
            theirs.get_model_builder(name).__module__.rpartition(".")[2]
        assert [member.name for member in ours] == [member.name for member in wanted]
        for mine, other in zip(ours, wanted, strict=True):
            assert mine.url == other.url
            for key in ("num_params", "min_size"):
                assert mine.meta[key] == other.meta[key], (name, key)
            np.testing.assert_equal(mine.meta["_metrics"], other.meta["_metrics"])
            assert repr(mine.transforms()) == repr(other.transforms())


def test_what_prepares_the_input(torchvision):
    from PIL import Image

    picture = Image.fromarray((pictures(40, 60, 3) * 255).astype(np.uint8))
    for name in ("ResNet50_Weights.IMAGENET1K_V1", "EfficientNet_B0_Weights.DEFAULT"):
        found = models.get_weight(name).transforms()(picture).numpy()
        assert np.array_equal(found, torchvision.models.get_weight(name).transforms()(picture).numpy())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "inception_v3"])
def test_whole_models_go_both_ways(torch, torchvision, tmp_path, name):
    x = pictures(1, 3, 80, 80)
    ours = models.get_model(name, num_classes=2).eval()
    flambeau.save(ours, tmp_path / "ours.pt")
    read = torch.load(tmp_path / "ours.pt", weights_only=False)
    assert type(read) is type(torchvision.models.get_model(name))
    with torch.no_grad():
        near(ours(flambeau.from_numpy(x)).detach().numpy(), read(torch.from_numpy(x)).numpy())
    torch.save(read, tmp_path / "theirs.pt")
    again = flambeau.load(tmp_path / "theirs.pt", weights_only=False)
    assert type(again) is type(ours)
    near(again(flambeau.from_numpy(x)).detach().numpy(), ours(flambeau.from_numpy(x)).detach().numpy())


# ---- torchvision.ops


def boxes(seed, count):
    corners = np.random.RandomState(seed).rand(count, 4) * 50
    corners[:, 2:] += corners[:, :2]
    return corners.astype(np.float32)


def test_nms_by_hand():
    found = ops.nms(flambeau.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]]),
                    flambeau.tensor([0.5, 0.9, 0.3]), 0.5)
    assert found.tolist() == [1, 2]
    apart = ops.batched_nms(flambeau.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11]]), flambeau.tensor([0.5, 0.9]),
                            flambeau.tensor([0, 1]), 0.5)
    assert apart.tolist() == [1, 0]
    with pytest.raises(RuntimeError, match="boxes should have 4 elements in dimension 1, got 3"):
        ops.nms(flambeau.ones(2, 3), flambeau.ones(2), 0.5)


@pytest.mark.parametrize("name", ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"])
def test_overlaps_equal_torchvisions(torch, torchvision, name):
    found = getattr(ops, name)(flambeau.from_numpy(boxes(0, 9)), flambeau.from_numpy(boxes(1, 5)))
    wanted = getattr(torchvision.ops, name)(torch.from_numpy(boxes(0, 9)), torch.from_numpy(boxes(1, 5)))
    near(found.numpy(), wanted.numpy(), 1e-6)


def test_box_functions_equal_torchvisions(torch, torchvision):
    mine, wanted = flambeau.from_numpy(boxes(0, 9)), torch.from_numpy(boxes(0, 9))
    calls = [("box_convert", a, b) for a in ("xyxy", "xywh", "cxcywh") for b in ("xyxy", "xywh", "cxcywh")]
    for name, *args in [*calls, ("clip_boxes_to_image", (40, 30)), ("remove_small_boxes", 20), ("box_area",)]:
        found = getattr(ops, name)(mine, *args)
        assert np.array_equal(found.numpy(), getattr(torchvision.ops, name)(wanted, *args).numpy()), (name, args)
    masks = np.random.RandomState(2).rand(3, 9, 8) > 0.9
    found = ops.masks_to_boxes(flambeau.from_numpy(masks))
    assert np.array_equal(found.numpy(), torchvision.ops.masks_to_boxes(torch.from_numpy(masks)).numpy())


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_focal_loss_equals_torchvisions(torch, torchvision, reduction):
    logits, targets = pictures(4, 5) * 4 - 2, (pictures(4, 5) > 0.5).astype(np.float32)
    found = ops.sigmoid_focal_loss(flambeau.tensor(logits), flambeau.tensor(targets), reduction=reduction)
    wanted = torchvision.ops.sigmoid_focal_loss(torch.tensor(logits), torch.tensor(targets), reduction=reduction)
    near(found.numpy(), wanted.numpy(), 1e-6)


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_stochastic_depth_draws_what_torchvisions_draws(torch, torchvision, mode):
    torch.manual_seed(5)
    flambeau.manual_seed(5)
    x = pictures(8, 3)
    found = ops.StochasticDepth(0.4, mode)(flambeau.tensor(x)).numpy()
    assert np.array_equal(found, torchvision.ops.StochasticDepth(0.4, mode)(torch.tensor(x)).numpy())
    assert (ops.StochasticDepth(0.4, mode).eval()(flambeau.tensor(x)).numpy() == x).all()


def test_blocks_print_as_torchvisions(torchvision):
    theirs = torchvision.ops
    for make in (
        lambda o: o.MLP(4, [5, 6], norm_layer=None, dropout=0.1),
        lambda o: o.SqueezeExcitation(8, 2),
        lambda o: o.Conv2dNormActivation(3, 4, (3, 5), dilation=2, norm_layer=None),
        lambda o: o.Conv3dNormActivation(3, 4, 3),
        lambda o: o.FrozenBatchNorm2d(3),
        lambda o: o.Permute([0, 1]),
    ):
        assert repr(make(ops)) == repr(make(theirs))
