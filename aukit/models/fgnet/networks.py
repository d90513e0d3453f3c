"""FG-Net (Yin et al., WACV 2024, arXiv 2308.12380): pSp encoder → StyleGAN2 → pyramid interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from aukit.models.fgnet.encoder import GradualStyleEncoder
from aukit.models.fgnet.interpreter import PyramidInterpreter
from aukit.models.fgnet.parts import check_shape, own_part
from aukit.models.fgnet.plain_interpreter import PlainInterpreter
from aukit.models.fgnet.stylegan2 import StyleGAN2Generator

__all__ = [
    "FGNet",
    "GradualStyleEncoder",
    "Head",
    "PlainInterpreter",
    "PyramidInterpreter",
    "StyleGAN2Generator",
    "StyleNetwork",
    "heatmap_scores",
]

#: What reads the generator's maps: FG-Net's pyramid, one of the heads of its ablation, or a user's own by
#: ``class_path`` and ``init_args``.
Head = Literal["pyramid", "pixel", "plain"] | Mapping[str, Any]

_WIDTHS = {"pixel": (128, 32), "plain": (512, 128, 32)}  # of the ablation's heads


def heatmap_scores(heatmaps: Tensor) -> Tensor:
    """Score of each heat map: the mean over its pixels clamped to [−1,1]. Above 0 the AU is present.

    Args:
        heatmaps: ``[…,H,W]``.

    Returns:
        ``[…]`` in [−1,1], float32.
    """
    return heatmaps.float().clamp(-1, 1).mean(dim=(-2, -1))


class StyleNetwork(nn.Module):
    """Encoder, mapping and synthesis: images → W+ codes → maps or an image; the published sizes by default.

    State-dict groups are those of the released checkpoints: ``pspencoder``, ``g_all``; and ``latent_avg``, a
    constant that the released files lack (`aukit.models.fgnet.weights`).

    Args:
        image_size: Side of the images that go in.
        size: Side of the image that the generator could draw; sets the number of maps and codes.
        style_dim: Width of a code.
        n_mlp: Layers of the mapping network.
        channel_multiplier: Width of the generator's maps.
        max_channels: Upper bound of their channels.
        encoder_widths: Channels of the encoder's stem and stages.
        encoder_units: Its residual units per stage; None for the 24 of IR-SE-50.
        encoder: ``class_path`` and ``init_args`` of another encoder, an `EncoderInterface`; the two options
            before mean nothing to it. It keeps the published one's place and name, ``pspencoder``.
    """

    latent_avg: Tensor

    def __init__(
        self,
        image_size: int = 256,
        size: int = 1024,
        style_dim: int = 512,
        n_mlp: int = 8,
        channel_multiplier: float = 2.0,
        max_channels: int = 512,
        encoder_widths: tuple[int, int, int, int, int] = (64, 64, 128, 256, 512),
        encoder_units: tuple[int, int, int, int] | None = None,
        encoder: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.g_all = StyleGAN2Generator(size, style_dim, n_mlp, channel_multiplier, max_channels)
        n_styles = self.g_all.n_latent
        self.pspencoder: nn.Module
        if encoder is None:
            self.pspencoder = GradualStyleEncoder(
                n_styles=n_styles,
                style_dim=style_dim,
                image_size=image_size,
                widths=encoder_widths,
                units=encoder_units,
            )
        else:
            self.pspencoder = own_part("encoder", encoder, n_styles, style_dim, image_size)
        self.register_buffer("latent_avg", torch.zeros(n_styles, style_dim))

    def encode(self, images: Tensor, styles: int | None = None) -> Tensor:
        """Codes ``[B,styles,style_dim]``, less the mean code, of images ``[B,3,S,S]`` in [−1,1].

        Args:
            images: The images, S = ``image_size``.
            styles: Only this many codes, the first ones; None for all ``n_latent``.
        """
        encoder = self.pspencoder
        if isinstance(encoder, GradualStyleEncoder):
            return encoder(images, styles)  # type: ignore[no-any-return]
        codes = check_shape("encoder", encoder, encoder(images), (len(images), *self.latent_avg.shape))
        return codes[:, :styles]


class FGNet(StyleNetwork):
    """Images → heat maps of action units; the defaults are the published network.

    The encoder's codes plus the mean code go through the generator's *mapping* network row by row, as if they
    were drawn from Z, and only then style the synthesis. The released weights were trained so.

    State-dict groups are those of `StyleNetwork`, and ``interpreter``.

    Args:
        points: Heat maps that come out.
        heatmap_size: Their side.
        kernel_size: Side of the interpreter's kernels.
        dropout: Its dropout rate.
        recompute: Compute the generator's maps above ``heatmap_size`` again in the backward pass, for less
            memory.
        head: "pyramid" as published; "pixel" or "plain" for the ablation's `PlainInterpreter`, a pixel MLP or
            a CNN; or ``class_path`` and ``init_args`` of a `HeadInterface`.
        head_widths: Channels within the ablation's; None for the published (128, 32) and (512, 128, 32).
        sizes: Sizes of encoder and generator, see `StyleNetwork`.

    Cost: 324 M parameters. Forward 183 GMAC per image (255 with every published operation); see
    ``benchmarks/fgnet.py``.

    Example:
        >>> small = {"image_size": 32, "size": 16, "style_dim": 16, "n_mlp": 1, "channel_multiplier": 0.03125}
        >>> widths = {"max_channels": 16, "encoder_widths": (8, 8, 8, 16, 16), "encoder_units": (1, 1, 1, 1)}
        >>> network = FGNet(points=12, heatmap_size=8, kernel_size=3, **small, **widths).eval()
        >>> heatmap_scores(network(torch.rand(2, 3, 32, 32) * 2 - 1)).shape
        torch.Size([2, 12])
    """

    def __init__(
        self,
        points: int = 32,
        heatmap_size: int = 128,
        kernel_size: int = 5,
        dropout: float = 0.1,
        recompute: bool = False,
        head: Head = "pyramid",
        head_widths: Sequence[int] | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__(**sizes)
        channels = self.g_all.channels
        self.interpreter: nn.Module
        if not isinstance(head, str):
            self.interpreter = own_part("head", head, points, channels, heatmap_size)
        elif head == "pyramid":
            self.interpreter = PyramidInterpreter(points, dropout, channels, heatmap_size, kernel_size)
        else:
            kernel, widths = 1 if head == "pixel" else kernel_size, head_widths or _WIDTHS[head]
            self.interpreter = PlainInterpreter(points, channels, heatmap_size, kernel, widths)
        self.points = points
        self.heatmap_size = heatmap_size
        self.recompute = recompute

    def forward(self, images: Tensor) -> Tensor:
        """Heat maps of face crops.

        Args:
            images: ``[B,3,S,S]`` RGB in [−1,1], FFHQ-aligned, S = ``image_size``.

        Returns:
            ``[B,points,heatmap_size,heatmap_size]``, unbounded; `heatmap_scores` reads them.
        """
        heatmaps: Tensor = self.interpreter(self.features(images))
        wanted = (len(images), self.points, self.heatmap_size, self.heatmap_size)
        return check_shape("head", self.interpreter, heatmaps, wanted)

    def features(self, images: Tensor) -> list[Tensor]:
        """The generator's maps ``[B,C,s,s]``, s = 4, 8, … up to ``heatmap_size``; images as in `forward`."""
        return self.g_all.pyramid(self.styles(images), self.heatmap_size, self.recompute)

    def styles(self, images: Tensor) -> Tensor:
        """The W+ code ``[B,n_latent,style_dim]`` that styles the synthesis."""
        # The last code styles nothing but the RGB image. Only a training computes it, for its zero gradient.
        needed = None if torch.is_grad_enabled() else self.g_all.n_latent - 1
        codes = self.encode(images, needed)
        return self.g_all.mapping(codes + self.latent_avg[: codes.shape[1]])
