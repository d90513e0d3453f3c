"""The same z-buffer in torch operations, for accelerators.

The arithmetic is the numba kernel's, operation for operation: the ids come out equal.
"""

import torch
from torch import Tensor

# Candidate pixels handled at once: bounds the memory to about 100 bytes each.
_CHUNK = 1 << 22
_WORD = 1 << 32
_NOTHING = -(1 << 63)


def zbuffer_torch(
    vertices: Tensor, triangles: Tensor, one_sided: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Ids and depth of float64 [B,N,3] meshes as ``Visible`` describes them."""
    batch, device = len(vertices), vertices.device
    n_triangles = len(triangles)
    # Depth above the reversed number in one word: its maximum is the nearest, and of equals the earliest.
    nearest = torch.full((batch * height * width,), _NOTHING, dtype=torch.int64, device=device)
    if n_triangles and batch:
        corners = vertices[:, triangles].flatten(0, 1)  # [B*T,3,3]
        boxes, drawable = _pixel_boxes(corners, one_sided.repeat(batch), height, width)
        order = drawable.nonzero()[:, 0]
        counts = (boxes[:, 1] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 2] + 1)
        for chosen in _chunks(order, counts[order]):
            pixels, z, owners = _candidates(corners, boxes, counts, chosen, n_triangles, height, width)
            word = _sortable(z) * _WORD + (_WORD - 1 - owners % n_triangles)
            nearest.scatter_reduce_(0, pixels, word, "amax")
    drawn = nearest != _NOTHING
    ids = (_WORD - 1 - nearest % _WORD).where(drawn, -1)
    depth = _unsorted(nearest // _WORD).where(drawn, -torch.inf)
    return ids.int().view(batch, height, width), depth.view(batch, height, width)


def weights_torch(vertices: Tensor, triangles: Tensor, ids: Tensor) -> Tensor:
    """Barycentrics of the drawn pixels as ``Raster`` describes them. [B,H,W,3]."""
    _, height, width = ids.shape
    weights = torch.zeros(ids.numel(), 3, device=ids.device)
    drawn = (ids.flatten() >= 0).nonzero()[:, 0]
    corners = triangles[ids.flatten()[drawn].long()]
    frame = drawn // (height * width)
    e1, e2, _, area = _edges(vertices[frame[:, None], corners], drawn % width, drawn // width % height)
    w1, w2 = e1 / area, e2 / area
    weights[drawn] = torch.stack([1.0 - w1 - w2, w1, w2], -1).float()
    return weights.view(*ids.shape, 3)


def _sortable(z: Tensor) -> Tensor:
    """Integers in the order of float32 numbers; -0 counts as 0."""
    bits = (z + 0.0).view(torch.int32)
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()


def _unsorted(number: Tensor) -> Tensor:
    """The numbers that `_sortable` made integers of."""
    bits = number.int()
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _pixel_boxes(corners: Tensor, one_sided: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """First and last column and row of each triangle [M,4], and which triangles can be drawn [M]."""
    low, high = corners[..., :2].amin(1).ceil(), corners[..., :2].amax(1).floor()
    limits = torch.tensor([width - 1.0, height - 1.0], dtype=torch.float64, device=corners.device)
    low, high = low.clamp(min=0.0), torch.minimum(high, limits)
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = edge1[:, 0] * edge2[:, 1] - edge2[:, 0] * edge1[:, 1]
    drawable = (
        (low <= high).all(-1)
        & (area != 0)
        & ((area > 0) | ~one_sided)
        & area.isfinite()
        & corners.isfinite().all(-1).all(-1)
    )
    boxes = torch.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], -1)
    return boxes.where(drawable[:, None], 0.0).long(), drawable


def _chunks(order: Tensor, counts: Tensor) -> list[Tensor]:
    """Splits the triangles so that each part covers about ``_CHUNK`` candidate pixels."""
    if not len(order):
        return []
    group = (counts.cumsum(0) - counts) // _CHUNK
    lengths = torch.unique_consecutive(group, return_counts=True)[1].tolist()
    return list(torch.split(order, lengths))


def _candidates(
    corners: Tensor, boxes: Tensor, counts: Tensor, chosen: Tensor, n_triangles: int, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels inside the chosen triangles: flat pixel index, float32 depth, index into ``corners``."""
    n = counts[chosen]
    owner = chosen.repeat_interleave(n)
    place = torch.arange(len(owner), device=owner.device) - (n.cumsum(0) - n).repeat_interleave(n)
    box = boxes[owner]
    box_width = box[:, 1] - box[:, 0] + 1
    column, row = box[:, 0] + place % box_width, box[:, 2] + place // box_width
    triangle = corners[owner]
    e1, e2, e0, area = _edges(triangle, column, row)
    sign = area.sign()
    inside = (e1 * sign >= 0) & (e2 * sign >= 0) & (e0 * sign > 0)
    z0, z1, z2 = triangle[..., 2].unbind(-1)
    z = (z0 + (e1 * (z1 - z0) + e2 * (z2 - z0)) / area).float()
    pixel = (owner // n_triangles * height + row) * width + column
    return pixel[inside], z[inside], owner[inside]


def _edges(triangle: Tensor, column: Tensor, row: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Edge functions of vertices 1, 2, 0 at pixel centres, and what divides them into weights."""
    (x0, y0), (x1, y1), (x2, y2) = (triangle[:, i, :2].unbind(-1) for i in range(3))
    x, y = column.double(), row.double()
    e1 = (x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)
    e2 = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
    e0 = (x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)
    return e1, e2, e0, (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
