"""What a GPU must hold, and how many layers must be computed again so that it can."""

from __future__ import annotations

import numpy as np

from dmcore.prediction.columns import Column, Columns
from dmcore.prediction.layer import LATENT, attention_weights, tokens

__all__ = ["Weights", "recomputed_share", "room_taken", "weights"]

Weights = dict[str, Column]


def weights(c: Columns) -> Weights:
    """Parameters that one GPU works with: of a dense layer, of one with experts, and of the experts.

    ``stage`` and ``experts`` are those of all its layers; ``words`` is the matrix of output words.

    Examples
    --------
    >>> from dmcore.prediction.columns import Case, columns
    >>> from dmcore.prediction.machines import find_machine
    >>> from dmcore.prediction.transformer import Software, Split, Transformer
    >>> model = Transformer(layers=24, d_model=2048, d_ff=8192, heads=16)
    >>> c = columns([Case(find_machine("H100"), model, Split(8, 64), Software())])
    >>> weights(c)["stage"] / (24 * 2048**2)
    array([12.])
    """
    d, tp, pp = c["d"], c["tp"], c["pp"]
    attention, per_f = attention_weights(c) / tp, c["n_mlp"] * d
    sparse = c["L"] - c["L_dense"]
    dense = attention + per_f * c["f_dense"] / tp
    shared = attention + per_f * c["f"] * c["shared"] / tp
    routed = c["E"] * per_f * c["f"] / (c["ep"] * c["etp"])
    return {
        "dense": dense,
        "shared": shared,
        "routed": routed,
        "words": c["V"] * d / tp,
        "stage": (dense * c["L_dense"] + shared * sparse) / pp,
        "experts": routed * sparse / pp,
    }


def expert_replicas(c: Columns) -> Column:
    """GPUs that have the same experts."""
    return np.maximum(1, c["dp"] * c["cp"] * c["tp"] / (c["ep"] * c["etp"]))


def _kept(c: Columns) -> tuple[Column, Column]:
    """Bytes for the backward pass if little is computed again, and if all but a layer's input is.

    Norms and nonlinearities are computed again for almost nothing. What remains is a layer's two inputs,
    its queries, keys, values and output of attention, and the inputs of the nonlinearity.
    """
    d, tp, norm, word = c["d"], c["tp"], c["norm"], np.minimum(2, np.maximum(1, c["word"]))
    m, wide = LATENT, 2 * (c["n_mlp"] - 1)
    latent = c["h"] * (2 * (m["plain"] + m["rotated"]) + m["value"])
    heads = np.where(c["latent"] > 0, latent, (c["h"] + 2 * c["h_kv"]) * c["d_head"])
    kept = 4 * d / norm + (2 * heads + word * c["h"] * c["d_head"]) / tp
    scores = np.where(c["flash"] > 0, 0.0, 5 * c["h"] * c["S"] / tp)
    dense = kept + scores + wide * c["f_dense"] / tp
    routed = c["k"] * (word * d + wide * c["f"] / c["etp"]) * c["etp"] / tp
    sparse = kept + wide * c["f"] * c["shared"] / tp + routed
    z, pp, chunks = tokens(c), c["pp"], c["vp"]
    begun = 1 + np.where(chunks > 1, (pp - 1) / (pp * chunks), 0.0)
    most = z * (dense * c["L_dense"] + sparse * (c["L"] - c["L_dense"])) * begun
    return most, z * 2 * d / norm * c["L"]


def room_taken(c: Columns) -> tuple[Column, Column, Column]:
    """Share of a GPU's memory that weights and optimizer take, and activations at most and at least.

    Weights and gradients are 6 bytes a parameter and Adam's state 12 (Rajbhandari et al. 2020); what is
    sharded is shared by so many.

    Examples
    --------
    >>> from dmcore.prediction.columns import Case, columns
    >>> from dmcore.prediction.machines import find_machine
    >>> from dmcore.prediction.transformer import Software, Split, Transformer
    >>> case = Case(find_machine("H100"), Transformer(24, 2048, 8192, 16), Split(8, 64), Software())
    >>> bool(room_taken(columns([case]))[0] < 1)
    True
    """
    w, dp = weights(c), c["dp"] * c["cp"]
    plain = w["stage"] + 2 * w["words"] / np.minimum(2, c["pp"])
    among = expert_replicas(c)
    sharded, zero = c["shard"] > 1, c["zero"] > 0
    few = np.maximum(1, c["shard"] * c["tp"] / (c["ep"] * c["etp"]))
    state = np.where(
        sharded, 18 * plain / c["shard"], 6 * plain + 12 * plain / np.where(zero, dp, 1)
    )
    state = state + np.where(
        sharded,
        18 * w["experts"] / few,
        6 * w["experts"] + 12 * w["experts"] / np.where(zero, among, 1),
    )
    most, least = _kept(c)
    return state / c["room"], most / c["room"], least / c["room"]


def recomputed_share(c: Columns) -> Column:
    """Share of the layers that are computed again in full so that the rest fits in memory.

    Examples
    --------
    >>> from dmcore.prediction.columns import Case, columns
    >>> from dmcore.prediction.machines import find_machine
    >>> from dmcore.prediction.transformer import Software, Split, Transformer
    >>> model = Transformer(80, 8192, 28672, 64, kv_heads=8, mlp_matrices=3, seq_len=8192)
    >>> case = Case(find_machine("H100"), model, Split(128, 256, 2, shard=128), Software())
    >>> recomputed_share(columns([case])).round(1)
    array([0.8])
    """
    state, most, least = room_taken(c)
    lacking = (state + most - 1) / np.maximum(most - least, 1e-9)
    return np.clip(lacking, 0, 1)
