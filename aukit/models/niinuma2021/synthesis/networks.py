"""Generator and discriminator of GANimation as Niinuma et al. (WACV 2021) used them.

Plain ``torch.nn``; the state-dict keys and shapes are those of the public re-implementation the paper builds
on (``donydchen/ganimation_replicate``), so that its checkpoints load strictly.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ExpressionDiscriminator", "ExpressionGenerator", "compose", "initialize"]


class InstanceNorm(nn.Module):
    """Instance normalisation without affine terms or running statistics, ``[B,C,H,W]``.

    Written as a group norm with one channel per group: the same function, two to three times faster on a CPU.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each channel of each sample to mean 0 and variance 1 (eps 1e−5)."""
        return F.group_norm(features, features.shape[1])


class ResidualBlock(nn.Module):
    """conv3 · IN · ReLU · conv3 · IN, added to the input. Keeps the shape ``[B,C,H,W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return ``features + conv_block(features)``."""
        out: Tensor = features + self.conv_block(features)
        return out


class NearestConvolution(nn.Conv2d):
    """Nearest up-sampling by 2, then a 3×3 convolution: every output pixel is made by the same weights.

    A transposed convolution makes each of four neighbours by weights of its own, which a generator can use to
    draw a lattice that a critic reads and nobody sees (Odena et al., "Deconvolution and checkerboard
    artifacts", Distill 2016).

    Cost: that of a transposed convolution of 4×4, as which it is computed: of the 9 pixels below a 3×3 kernel
    5 are repetitions.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """``[B,C,H,W]`` → ``[B,C',2H,2W]``."""
        # Which weights fall on the same pixel, for each of the four distances of an output from an input.
        falls = self.weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
        kernel = torch.einsum("ai,bj,ocij->coab", falls, falls, self.weight)
        return F.conv_transpose2d(input, kernel, self.bias, stride=2, padding=1)


class ExpressionGenerator(nn.Module):
    """Image and target action units → colour image and attention map (GANimation, §2 of its replicate).

    Args:
        n_aus: Number of action units in the target vector.
        width: Channels of the first convolution; 64 in the paper.
        blocks: Residual blocks at a quarter of the resolution; 6 in the paper.
        attention_bias: Constant added to the attention logits. 0 in the paper; a negative value starts the
            mask away from 1 (copying the input), which short trainings need. It is no parameter: the
            published head has no bias and the state dict stays the published one.
        attention_limit: The most that the mask keeps of the input; None for no limit, as in the paper. A
            mask at 1 hides what the colours learn, so that a short training may copy for good; it is no
            parameter either.
        attend: False gives the StarGAN column of Table S4: the attention map is 0, so that the colour head
            *is* the image. The attention head stays in the state dict, unused.
        modulate: Also scale and shift the channels after each residual block by affine functions of the
            target (Perez et al., "FiLM", AAAI 2018). Not in the paper: there the target enters as constant
            planes, of which the first instance norm leaves little but their effect at the image's border, so
            that it is learned slowly. Adds ``modulation.*`` to the state dict.
        upsample: None for transposed convolutions, as in the paper, or "nearest" (`NearestConvolution`).

    Cost: 20.2 GFLOP per 128² image, 62.0 per 224² image (width 64, 6 blocks).

    Example:
        >>> generator = ExpressionGenerator(n_aus=7, width=8, blocks=1)
        >>> image, aus = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 7)
        >>> compose(image, *generator(image, aus)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        n_aus: int,
        width: int = 64,
        blocks: int = 6,
        attention_bias: float = 0.0,
        attend: bool = True,
        modulate: bool = False,
        upsample: Literal["nearest"] | None = None,
        attention_limit: float | None = None,
    ) -> None:
        super().__init__()
        self.n_aus = n_aus
        self.attention_bias = attention_bias
        self.attention_limit = attention_limit
        self.attend = attend
        layers: list[nn.Module] = [nn.Conv2d(3 + n_aus, width, 7, padding=3), *_norm_relu()]
        for channels in (width, 2 * width):
            layers += [nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1), *_norm_relu()]
        layers += [ResidualBlock(4 * width) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            layers += [_doubling(channels, channels // 2, upsample), *_norm_relu()]
        self.model = nn.Sequential(*layers)
        self.color_top = nn.Sequential(nn.Conv2d(width, 3, 7, padding=3, bias=False), nn.Tanh())
        self.au_top = nn.Sequential(nn.Conv2d(width, 1, 7, padding=3, bias=False), nn.Sigmoid())
        if modulate:
            self.modulation = nn.ModuleList(_silent(nn.Linear(n_aus, 8 * width)) for _ in range(blocks))

    def forward(self, image: Tensor, aus: Tensor) -> tuple[Tensor, Tensor]:
        """Colour image and attention map for a target expression.

        Args:
            image: ``[B,3,H,W]`` RGB in [−1,1]; H and W multiples of 4, at least 8.
            aus: ``[B,n_aus]`` target intensities, 0 … 1 (level / 5).

        Returns:
            ``colour`` ``[B,3,H,W]`` in [−1,1] and ``attention`` ``[B,1,H,W]`` in [0,1]; `compose` joins them
            with the image.
        """
        features = self._features(image, aus)
        tops = [cast(nn.Conv2d, top[0]).weight for top in (self.color_top, self.au_top)]
        heads = _narrow_convolution(features, torch.cat(tops))
        colour = torch.tanh(heads[:, :3])
        if not self.attend:
            return colour, torch.zeros_like(colour[:, :1])
        attention = torch.sigmoid(heads[:, 3:] + self.attention_bias)
        return colour, attention if self.attention_limit is None else self.attention_limit * attention

    def _features(self, image: Tensor, aus: Tensor) -> Tensor:
        features = self._first_convolution(image, aus)
        modulation = iter(getattr(self, "modulation", ()))
        for layer in list(self.model)[1:]:
            features = layer(features)
            if isinstance(layer, ResidualBlock) and (affine := next(modulation, None)) is not None:
                scale, shift = affine(aus)[:, :, None, None].chunk(2, dim=1)
                features = (1 + scale) * features + shift
        return features

    def _first_convolution(self, image: Tensor, aus: Tensor) -> Tensor:
        """The first convolution on image and broadcast AU planes, without building the planes.

        An AU plane is constant, so that its convolution is constant but for the three border rows and columns
        on each side: it is computed on a 7×7 tile whose centre is then stretched. The same function as the
        convolution of the concatenation, for a third of its cost.
        """
        first = self.model[0]
        assert isinstance(first, nn.Conv2d)
        height, width = image.shape[-2:]
        planes = aus[:, :, None, None].expand(-1, -1, 7, 7)
        tile = F.conv2d(planes, first.weight[:, 3:], first.bias, padding=3)
        tile = torch.cat(
            [tile[:, :, :3], tile[:, :, 3:4].expand(-1, -1, height - 6, -1), tile[:, :, 4:]], dim=2
        )
        tile = torch.cat([tile[..., :3], tile[..., 3:4].expand(-1, -1, -1, width - 6), tile[..., 4:]], dim=3)
        return F.conv2d(image, first.weight[:, :3], None, padding=3) + tile


class ExpressionDiscriminator(nn.Module):
    """Patch critic and AU regressor on one stack of strided convolutions without normalisation.

    Args:
        n_aus: Number of action units that the regressor reads.
        image_size: Side of the square images; the regressor's kernel is ``image_size // 2**layers``.
        width: Channels of the first convolution; 64 in the paper; doubled by each layer.
        layers: Strided convolutions; 6 in the paper.
        max_width: Upper bound of the channels; 2048 = no bound at the paper's width.

    Raises:
        ValueError: If the image is smaller than ``2**layers``.

    Example:
        >>> discriminator = ExpressionDiscriminator(n_aus=7, image_size=32, width=8, layers=3)
        >>> critic_map, aus = discriminator(torch.rand(2, 3, 32, 32) * 2 - 1)
        >>> aus.shape
        torch.Size([2, 7])
    """

    def __init__(
        self, n_aus: int, image_size: int, width: int = 64, layers: int = 6, max_width: int = 2048
    ) -> None:
        super().__init__()
        kernel = image_size // 2**layers
        if kernel < 1:
            raise ValueError(f"image_size {image_size} is too small for {layers} layers of stride 2")
        self.image_size = image_size
        stack: list[nn.Module] = []
        channels_in, channels = 3, width
        for _ in range(layers):
            stack += [
                nn.Conv2d(channels_in, channels, 4, stride=2, padding=1),
                nn.LeakyReLU(0.01, inplace=True),
            ]
            channels_in, channels = channels, min(2 * channels, max_width)
        self.model = nn.Sequential(*stack)
        self.dis_top = nn.Conv2d(channels_in, 1, 3, padding=1, bias=False)
        self.aus_top = nn.Conv2d(channels_in, n_aus, kernel, bias=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Criticise and read images.

        Args:
            image: ``[B,3,S,S]`` RGB in [−1,1], S = ``image_size``.

        Returns:
            Critic map ``[B,h,w]`` (unbounded) and AU intensities ``[B,n_aus]`` (linear, meant to be level /
            5).

        Raises:
            ValueError: The images are of another size, of which the regressor would read a corner.
        """
        if image.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(
                f"images must be [B,3,{self.image_size},{self.image_size}]; they are {list(image.shape)}"
            )
        features = self.model(image)
        return self.dis_top(features)[:, 0], self.aus_top(features)[:, :, 0, 0]

    def critic(self, image: Tensor) -> Tensor:
        """The critic map ``[B,h,w]`` alone, for the gradient penalty.

        Leaky ReLU is written as a product with its slopes, which are constants: the same numbers, and the
        derivative of a gradient does not go back through the layers with zeros, a third of its work.
        """
        for layer in self.model:
            image = image * _slopes(image, layer) if isinstance(layer, nn.LeakyReLU) else layer(image)
        out: Tensor = self.dis_top(image)[:, 0]
        return out


def compose(image: Tensor, colour: Tensor, attention: Tensor) -> Tensor:
    """Ĩ = A·I + (1−A)·C: attention 1 keeps the input's pixel. All ``[B,·,H,W]``; same range as the inputs."""
    return attention * image + (1 - attention) * colour


def initialize(
    network: nn.Module, std: float | None = 0.02, generator: torch.Generator | None = None
) -> None:
    """Draw all convolution weights and set their biases to 0.

    Args:
        network: Network to initialise in place.
        std: Standard deviation of the normal distribution; None for He's, √(2 / fan-in), which keeps the size
            of the features through layers without normalisation.
        generator: Source of the draws; None for torch's own.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                he = (2 / module.weight[0].numel()) ** 0.5
                module.weight.normal_(0.0, he if std is None else std, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()


def _doubling(channels_in: int, channels_out: int, upsample: str | None) -> nn.Module:
    """A layer that doubles the resolution."""
    if upsample == "nearest":
        return NearestConvolution(channels_in, channels_out)
    return nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1)


def _narrow_convolution(features: Tensor, weight: Tensor) -> Tensor:
    """A padded 7×7 convolution to few channels, as a strided one to four times as many.

    CPU kernels work on blocks of 16 output channels: four channels would leave three quarters of each block
    idle. Here each output channel appears once per position in a 2×2 cell (the kernel shifted inside 8×8
    taps) and the cells are unfolded afterwards: the same numbers at about a third of the time. H and W must
    be even.
    """
    shifted = [F.pad(weight, (x, 1 - x, y, 1 - y)) for y in (0, 1) for x in (0, 1)]
    cells = F.conv2d(features, torch.stack(shifted, dim=1).flatten(0, 1), stride=2, padding=3)
    return F.pixel_shuffle(cells, 2)


def _slopes(features: Tensor, activation: nn.LeakyReLU) -> Tensor:
    with torch.no_grad():
        return torch.ones_like(features).masked_fill_(features <= 0, activation.negative_slope)


def _silent(layer: nn.Linear) -> nn.Linear:
    """Start at 0, so that a modulated network begins as the published one."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _norm_relu() -> list[nn.Module]:
    return [InstanceNorm(), nn.ReLU(inplace=True)]
