import json
from argparse import Namespace
from fractions import Fraction

import pytest
import torch
from safetensors.torch import save_file

from aukit.cli import main
from aukit.errors import WeightsError
from aukit.models.fgnet.networks import StyleNetwork
from aukit.models.fgnet.sizes import sizes_of
from aukit.models.fgnet.weights import import_weights, load_weights, published_shapes
from tests.models.fgnet.networks import small_network


class Published:
    """The three published containers with the weights of a small network."""

    def __init__(self, folder):
        self.network = small_network(seed=1)
        self.fgnet, self.stylegan2, self.psp = (folder / f"{n}.pt" for n in ("model", "stylegan2", "psp"))
        self.out = folder / "out.safetensors"
        self.groups = {
            name: self.network.get_submodule(name).state_dict()
            for name in ("interpreter", "g_all", "pspencoder")
        }
        self.encoder = {f"encoder.{k}": v for k, v in self.groups["pspencoder"].items()}
        decoder = {f"decoder.encoder.{k}": v for k, v in self.groups["g_all"].items()}
        torch.save(self.groups, self.fgnet)
        own_mean = torch.zeros(16)  # the generator's mean, another thing than pSp's
        torch.save({"g_ema": self.groups["g_all"], "latent_avg": own_mean}, self.stylegan2)
        self.psp_content = {
            "state_dict": self.encoder | decoder,
            "latent_avg": self.network.latent_avg,
            "opts": {"output_size": 32, "encoder_type": "GradualStyleEncoder", "lr": 1e-4},
        }
        torch.save(self.psp_content, self.psp)

    def take(self, kind, source, **more):
        return import_weights(kind, source, self.out, network=self.network, **more)


@pytest.fixture
def published(tmp_path):
    return Published(tmp_path)


def same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


def test_a_released_model_with_the_encoder_s_mean_code(published):
    metadata = published.take("fgnet", published.fgnet, corpus="disfa", latent_avg=published.psp)
    assert "non-commercial" in metadata["licence"]
    assert json.loads(metadata["aus"]) == [1, 2, 4, 6, 9, 12, 25, 26]
    other = small_network(seed=2)
    assert not same(published.network, other)
    assert load_weights(other, published.out) == [metadata]
    assert same(published.network, other)


def test_generator_and_encoder_alone_leave_the_rest(published, tmp_path):
    other = small_network(seed=2)
    interpreter = {k: v.clone() for k, v in other.interpreter.state_dict().items()}
    published.take("stylegan2", published.stylegan2)
    published.out.rename(tmp_path / "generator.safetensors")
    published.take("psp", published.psp)
    load_weights(other, tmp_path / "generator.safetensors", published.out)
    assert same(published.network.g_all, other.g_all)
    assert same(published.network.pspencoder, other.pspencoder)
    assert torch.equal(other.latent_avg, published.network.latent_avg)
    assert all(torch.equal(v, interpreter[k]) for k, v in other.interpreter.state_dict().items())


def test_one_group_of_a_file(published):
    published.take("fgnet", published.fgnet, corpus="bp4d", latent_avg=published.psp)
    other, untouched = small_network(seed=2), small_network(seed=2)
    load_weights(other, f"{published.out}#pspencoder")
    assert same(published.network.pspencoder, other.pspencoder)
    assert same(untouched.g_all, other.g_all)
    assert same(untouched.interpreter, other.interpreter)
    with pytest.raises(WeightsError, match="no group 'encoder', but g_all, interpreter, latent_avg, pspenc"):
        load_weights(other, f"{published.out}#encoder")


def test_the_mean_code_may_come_from_an_imported_file(published, tmp_path):
    import_weights("psp", published.psp, tmp_path / "psp.safetensors", network=published.network)
    published.take("fgnet", published.fgnet, corpus="bp4d", latent_avg=tmp_path / "psp.safetensors")
    other = small_network(seed=2)
    load_weights(other, published.out)
    assert torch.equal(other.latent_avg, published.network.latent_avg)


def test_a_released_model_needs_a_mean_code_and_a_corpus(published):
    with pytest.raises(WeightsError, match="latent_avg"):
        published.take("fgnet", published.fgnet, corpus="bp4d")
    with pytest.raises(WeightsError, match="bp4d or disfa"):
        published.take("fgnet", published.fgnet, latent_avg=published.psp)


def test_a_missing_mean_code_is_said(published):
    del published.psp_content["latent_avg"]
    torch.save(published.psp_content, published.psp)
    with pytest.raises(WeightsError, match="has no latent_avg"):
        published.take("psp", published.psp)
    published.psp_content["latent_avg"] = torch.zeros(16)
    torch.save(published.psp_content, published.psp)
    with pytest.raises(WeightsError, match=r"latent_avg is \[16\]"):
        published.take("psp", published.psp)


@pytest.mark.parametrize(("share", "words"), [(0.0, "is empty"), (0.5, "truncated"), (0.999, "truncated")])
def test_a_truncated_file_is_said(published, share, words):
    data = published.stylegan2.read_bytes()
    published.stylegan2.write_bytes(data[: int(share * len(data))])
    with pytest.raises(WeightsError, match=words):
        published.take("stylegan2", published.stylegan2)
    assert not published.out.exists()


def test_a_truncated_import_is_said(published):
    published.take("stylegan2", published.stylegan2)
    published.out.write_bytes(published.out.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="truncated or no safetensors"):
        load_weights(small_network(), published.out)


def test_a_changed_import_is_said(published):
    published.take("stylegan2", published.stylegan2)
    data = bytearray(published.out.read_bytes())
    data[-2] ^= 1
    published.out.write_bytes(data)
    with pytest.raises(WeightsError, match="hash differs"):
        load_weights(small_network(), published.out)


class Harmful:
    def __reduce__(self):
        return (print, ("harm",))


@pytest.mark.parametrize("harmful", [Harmful(), torch.nn.Linear(2, 2)], ids=["code", "module"])
def test_other_things_than_tensors_are_refused(published, harmful, capsys):
    torch.save({"g_ema": published.groups["g_all"], "more": harmful}, published.stylegan2)
    with pytest.raises(WeightsError, match="refused"):
        published.take("stylegan2", published.stylegan2)
    assert "harm" not in capsys.readouterr().out


def test_an_entry_that_is_no_tensor_is_refused(published):
    torch.save({"g_ema": {**published.groups["g_all"], "style.1.bias": 3.0}}, published.stylegan2)
    with pytest.raises(WeightsError, match=r"style\.1\.bias is a float"):
        published.take("stylegan2", published.stylegan2)


def test_another_size_is_said(published):
    bigger = small_network(size=64).g_all.state_dict()
    torch.save({"g_ema": bigger}, published.stylegan2)
    with pytest.raises(WeightsError, match=r"another size.*64 px"):
        published.take("stylegan2", published.stylegan2)
    wider = small_network(style_dim=24).g_all.state_dict()
    torch.save({"g_ema": wider}, published.stylegan2)
    with pytest.raises(WeightsError, match=r"needed is \["):
        published.take("stylegan2", published.stylegan2)


def test_a_generator_without_its_noise_is_said(published):
    state = {k: v for k, v in published.groups["g_all"].items() if not k.startswith("noises.")}
    torch.save({"g_ema": state}, published.stylegan2)
    with pytest.raises(WeightsError, match=r"lacks 7 entries, the first is g_all\.noises\.noise_0"):
        published.take("stylegan2", published.stylegan2)


def test_reduced_precision_and_broken_numbers_are_said(published):
    half = {k: v.half() for k, v in published.groups["g_all"].items()}
    torch.save({"g_ema": half}, published.stylegan2)
    with pytest.raises(WeightsError, match=r"torch\.float16, needed is torch\.float32"):
        published.take("stylegan2", published.stylegan2)
    broken = {k: v.clone() for k, v in published.groups["g_all"].items()}
    broken["style.1.weight"][0, 0] = torch.nan
    torch.save({"g_ema": broken}, published.stylegan2)
    with pytest.raises(WeightsError, match="not finite"):
        published.take("stylegan2", published.stylegan2)


def test_the_file_s_hash_is_checked_when_it_is_given(published):
    metadata = published.take("stylegan2", published.stylegan2)
    published.take("stylegan2", published.stylegan2, sha256=metadata["source_sha256"].upper())
    with pytest.raises(WeightsError, match="SHA-256"):
        published.take("stylegan2", published.stylegan2, sha256="0" * 64)


def test_the_wrong_container_is_said(published):
    with pytest.raises(WeightsError, match="is no psp checkpoint"):
        published.take("psp", published.stylegan2)
    save_file({"x": torch.zeros(1)}, published.out)
    with pytest.raises(WeightsError, match="was not made by aukit"):
        load_weights(small_network(), published.out)


def test_command(published, tmp_path, capsys):
    out = tmp_path / "command.safetensors"
    words = ["weights", "import", "stylegan2", str(published.stylegan2), "--out", str(out)]
    assert main(words) == 2  # the published size is expected
    assert "another size" in capsys.readouterr().err
    assert main(["weights", "import", "fgnet", str(tmp_path / "none.pth"), "--out", str(out)]) == 2
    assert "latent_avg" in capsys.readouterr().err
    assert not out.exists()


# ------------------------------------------------------------------------------------- whole or not at all


def wrapped(state, prefix="module."):
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_taken_off(published, prefix):
    published.psp_content["state_dict"] = wrapped(published.psp_content["state_dict"], prefix)
    torch.save(published.psp_content, published.psp)
    torch.save({key: wrapped(state, prefix) for key, state in published.groups.items()}, published.fgnet)
    torch.save({"g_ema": wrapped(published.groups["g_all"], prefix)}, published.stylegan2)
    whole, part = small_network(seed=2), small_network(seed=3)
    published.take("fgnet", published.fgnet, corpus="bp4d", latent_avg=published.psp)
    load_weights(whole, published.out)
    assert same(published.network, whole)
    published.take("stylegan2", published.stylegan2)
    load_weights(part, published.out)
    published.take("psp", published.psp)
    load_weights(part, published.out)
    assert same(published.network.g_all, part.g_all)
    assert same(published.network.pspencoder, part.pspencoder)


def test_a_wrapper_around_the_encoder_alone_is_taken_off(published):
    encoder = published.groups["pspencoder"]
    published.psp_content["state_dict"] = {f"encoder.module.{k}": v for k, v in encoder.items()}
    torch.save(published.psp_content, published.psp)
    published.take("psp", published.psp)
    other = small_network(seed=2)
    load_weights(other, published.out)
    assert same(published.network.pspencoder, other.pspencoder)


def test_a_prefix_of_some_keys_only_is_refused(published):
    encoder = published.encoder
    first = next(iter(encoder))
    published.psp_content["state_dict"] = {f"module.{first}": encoder.pop(first), **encoder}
    torch.save(published.psp_content, published.psp)
    with pytest.raises(WeightsError, match=r"neither encoder nor decoder, the first is module\."):
        published.take("psp", published.psp)


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("stylegan2", {"g_ema": {}}, r"lacks \d+ entries, the first is g_all"),
        ("fgnet", {"pspencoder": {}, "g_all": {}, "interpreter": {}}, r"lacks \d+ entries"),
        ("psp", {"state_dict": {}}, r"has no latent_avg"),
        ("inversion", {"state_dict": {}}, "no checkpoint of InversionModule"),
        ("inversion", {"state_dict": None}, "state_dict is no state dict but a NoneType"),
        ("stylegan2", {}, "it has no 'g_ema', but nothing"),
    ],
)
def test_a_kind_is_imported_whole_or_not_at_all(published, kind, content, words):
    torch.save(content, published.fgnet)
    more = {"corpus": "bp4d", "latent_avg": published.psp} if kind == "fgnet" else {}
    with pytest.raises(WeightsError, match=words):
        published.take(kind, published.fgnet, **more)
    assert not published.out.exists()


def test_a_mean_code_without_its_encoder_is_refused(published):
    published.psp_content["state_dict"] = {
        k: v for k, v in published.psp_content["state_dict"].items() if k.startswith("decoder.")
    }
    torch.save(published.psp_content, published.psp)
    with pytest.raises(WeightsError, match=r"lacks \d+ entries, the first is pspencoder"):
        published.take("psp", published.psp)


@pytest.mark.parametrize(
    "left_out",
    [
        "network.pspencoder.",
        "network.g_all.",
        "network.latent_avg",
        "network.pspencoder.body.2.shortcut_layer.0.weight",
        "network.pspencoder.body.2.res_layer.1.weight",
        "network.g_all.to_rgbs.2.bias",
        "network.g_all.noises.noise_6",
    ],
)
def test_a_checkpoint_of_inversion_without_a_part_is_refused(published, left_out):
    state = {f"network.{k}": v for k, v in published.network.state_dict().items()}
    torch.save({"state_dict": state}, published.fgnet)
    published.take("inversion", published.fgnet)
    torch.save(
        {"state_dict": {k: v for k, v in state.items() if not k.startswith(left_out)}}, published.fgnet
    )
    with pytest.raises(WeightsError, match=r"lacks|no checkpoint of InversionModule"):
        published.take("inversion", published.fgnet)


def test_a_checkpoint_of_inversion_with_an_entry_of_another_shape_is_refused(published):
    state = {f"network.{k}": v for k, v in published.network.state_dict().items()}
    for key in ("network.g_all.convs.1.conv.weight", "network.pspencoder.body.0.res_layer.1.weight"):
        torch.save({"state_dict": {**state, key: state[key].flatten()}}, published.fgnet)
        with pytest.raises(WeightsError, match=r"another size|needed is \["):
            published.take("inversion", published.fgnet)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": 64, "max_channels": 24, "channel_multiplier": 0.03},
        {"n_mlp": 3, "image_size": 64, "encoder_widths": (8, 16, 16, 16, 32), "encoder_units": (2, 1, 3, 2)},
        {"encoder_widths": (4, 8, 16, 24, 32), "encoder_units": (1, 2, 1, 2), "channel_multiplier": 1 / 128},
    ],
)
def test_sizes_are_read_from_shapes(changes):
    shapes = published_shapes(small_network(**changes))
    shapes = {key: shape for key, shape in shapes.items() if not key.startswith("interpreter.")}
    with torch.device("meta"):
        assert published_shapes(StyleNetwork(**sizes_of(shapes))) == shapes


@pytest.mark.parametrize("container", [dict, lambda **options: Namespace(**options)])
def test_e4e_is_told_from_psp(published, container):
    published.psp_content["opts"] = container(encoder_type="Encoder4Editing", stylegan_size=1024)
    torch.save(published.psp_content, published.psp)
    with pytest.raises(WeightsError, match=r"name the encoder Encoder4Editing, which is not pSp's"):
        published.take("psp", published.psp)
    with pytest.raises(WeightsError, match="name the encoder Encoder4Editing"):
        published.take("fgnet", published.fgnet, corpus="bp4d", latent_avg=published.psp)


def test_a_trainer_s_options_are_let_through(published):
    content = {"g_ema": published.groups["g_all"], "args": Namespace(size=256, path="lmdb"), "ada_aug_p": 0.0}
    torch.save(content, published.stylegan2)
    published.take("stylegan2", published.stylegan2)
    other = small_network(seed=2)
    load_weights(other, published.out)
    assert same(published.network.g_all, other.g_all)


def test_another_class_is_named_with_what_to_save(published):
    torch.save({"g_ema": published.groups["g_all"], "step": Fraction(1, 2)}, published.stylegan2)
    with pytest.raises(
        WeightsError, match=r"holds a fractions\.Fraction.*save\(\{'g_ema': content\['g_ema'\]\}, "
    ) as error:
        published.take("stylegan2", published.stylegan2)
    assert "\x1b" not in str(error.value)
    assert "weights_only" not in str(error.value)


# ------------------------------------------------------------------------------------------ the file written


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard"])
def test_the_source_is_never_overwritten(published, link):
    out, before = published.out, published.stylegan2.read_bytes()
    if link == "itself":
        out = published.stylegan2
    elif link == "symbolic":
        out.symlink_to(published.stylegan2)
    else:
        out.hardlink_to(published.stylegan2)
    with pytest.raises(WeightsError, match="is the file to import itself"):
        import_weights("stylegan2", published.stylegan2, out, network=published.network)
    assert published.stylegan2.read_bytes() == before
    with pytest.raises(WeightsError, match="is the file to import itself"):
        import_weights(
            "fgnet",
            published.fgnet,
            published.psp,
            corpus="bp4d",
            latent_avg=published.psp,
            network=published.network,
        )


def test_only_an_earlier_import_is_replaced(published):
    published.take("stylegan2", published.stylegan2)
    published.take("psp", published.psp)
    for content in (b"notes", None):
        if content is None:
            save_file({"x": torch.zeros(1)}, published.out)
        else:
            published.out.write_bytes(content)
        before = published.out.read_bytes()
        with pytest.raises(WeightsError, match="is there and was not written by aukit weights import"):
            published.take("psp", published.psp)
        assert published.out.read_bytes() == before
    published.out.unlink()
    published.out.mkdir()
    with pytest.raises(WeightsError, match="is there and was not written"):
        published.take("psp", published.psp)


def test_a_folder_that_cannot_be_made_is_said(published):
    (published.out.parent / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot be written"):
        import_weights(
            "psp",
            published.psp,
            published.out.parent / "file" / "out.safetensors",
            network=published.network,
        )
