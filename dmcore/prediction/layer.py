"""Time of one layer for one microbatch, forward, backward and again, from the terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dmcore.algebra.expressions import value_of
from dmcore.prediction.columns import Column, Columns
from dmcore.prediction.machines import FAMILIES
from dmcore.prediction.terms import TERMS

__all__ = ["LATENT", "attention_weights", "head_time", "layer_times", "ring", "tokens"]

Constants = Mapping[str, float]
#: Outputs that an SM computes at a time: tokens times channels of the tile that fast matmuls take.
TILE = 128.0 * 256.0
#: Latent attention of DeepSeek-V2 and V3: ranks of queries and of keys with values, and channels of a head
#: that carry positions, that do not, and that are values.
LATENT = {"queries": 1536, "values": 512, "rotated": 64, "plain": 128, "value": 128}


def term(name: str, **values: Any) -> Any:
    """The value of a term."""
    return value_of(TERMS[name].expr, **values)


def tokens(c: Columns) -> Column:
    """Tokens that a GPU has of one microbatch.

    Examples
    --------
    >>> float(tokens({"microbatch": 2.0, "S": 4096.0, "cp": 4.0}))
    2048.0
    """
    return c["microbatch"] * c["S"] / c["cp"]


def ring(c: Columns, inside: Column, members: Column, k: Constants) -> Column:
    """Bandwidth among the members of a group, of which groups of ``inside`` GPUs lie within.

    A group that a node holds uses its links; a larger one as many adapters as it has members in a node.

    Examples
    --------
    >>> c, k = {"near": 450e9, "far": 50e9, "node": 8.0}, {"near": 1.0, "far": 1.0}
    >>> [float(ring(c, 1.0, members, k)) / 1e9 for members in (8.0, 64.0)]
    [450.0, 400.0]
    """
    near, far = k["near"] * c["near"], k["far"] * c["far"]
    in_node = np.maximum(1, np.minimum(members, np.floor(c["node"] / inside)))
    across = term("ring", beta_near=near, beta_far=far, N_near=in_node)
    return np.where(members <= in_node, near, across)


def software_share(c: Columns, k: Constants) -> Column:
    """Software's overheads at a date, over those of 2024."""
    return np.exp(-k["g_software"] * (np.clip(c["year"], 2021, 2026.5) - 2024))


def _eta(c: Columns, k: Constants) -> Column:
    etas = np.array([k[f"eta_{name}"] for name in FAMILIES])
    return etas[c["family"].astype(int)] * c["relative"]


def _filled(c: Columns, channels: Any) -> Column:
    """Channels that a TPU's matrix unit takes the time of: a whole number of its sides."""
    return np.where(c["array"] > 1, np.ceil(channels / c["array"]) * c["array"], channels)


def matmul(
    c: Columns, k: Constants, z: Any, rows: Any, inner: Any, wide: bool = False, parts: Any = 1
) -> Column:
    """A product of a (rows x inner) matrix with z tokens; ``wide`` at 16 bit in any case.

    Where one kernel makes so many ``parts``, each of them has its part of the last round of tiles.
    """
    word = 2.0 if wide else c["word"]
    rate = {"F_peak": c["peak"] * (1.0 if wide else c["narrow"]), "eta": _eta(c, k)}
    tail = term("tail", A_tile=TILE, N_SM=c["sms"] / parts, d_2=inner, **rate)
    return tail + term(
        "matmul",
        z=z,
        d_1=_filled(c, rows),
        d_2=_filled(c, inner),
        w_A=word,
        w_P=word,
        w_O=2.0,
        beta_hbm=c["hbm"],
        **rate,
    )


def attention_weights(c: Columns) -> Column:
    """Parameters of one layer's attention, with latent queries, keys and values where told.

    Examples
    --------
    >>> c = {"d": 2048.0, "h": 16.0, "h_kv": 16.0, "d_head": 128.0, "latent": 0.0}
    >>> float(attention_weights(c)) / 2048**2
    4.0
    """
    m, h = LATENT, c["h"]
    query = m["queries"] * (c["d"] + h * (m["plain"] + m["rotated"]))
    keys = c["d"] * (m["values"] + m["rotated"]) + m["values"] * h * (m["plain"] + m["value"])
    plain = c["d"] * c["d_head"] * 2 * (h + c["h_kv"])
    return np.where(c["latent"] > 0, query + keys + h * m["value"] * c["d"], plain)


def _projections(c: Columns, k: Constants) -> Column:
    z, d, h, tp, m = tokens(c), c["d"], c["h"], c["tp"], LATENT
    down = matmul(c, k, z, m["queries"] + m["values"] + m["rotated"], d)
    up = matmul(c, k, z, h * (m["plain"] + m["rotated"]) / tp, m["queries"])
    up = up + matmul(c, k, z, h * (m["plain"] + m["value"]) / tp, m["values"])
    latent = down + up + matmul(c, k, z, d, h * m["value"] / tp)
    plain = matmul(c, k, z, (h + 2 * c["h_kv"]) * c["d_head"] / tp, d)
    plain = plain + matmul(c, k, z, d, h * c["d_head"] / tp)
    return np.where(c["latent"] > 0, latent, plain)


def _mlp(c: Columns, k: Constants, z: Any, f: Any, parts: Any = 1) -> Column:
    up = matmul(c, k, z, (c["n_mlp"] - 1) * f, c["d"], parts=parts)
    return up + matmul(c, k, z, c["d"], f, parts=parts)


def _scores(c: Columns, k: Constants) -> tuple[Column, Column, Column]:
    """Attention itself: its arithmetic forward and backward, and what it moves where scores are kept."""
    seen = np.where(c["window"] > 0, (c["S"] + 2 * c["window"]) / 2, c["S"])
    keys = seen * np.where(c["flash"] > 0, 0.5, 1.0)
    head = np.where(c["latent"] > 0, LATENT["plain"] + LATENT["rotated"] / 2, c["d_head"])
    common = {"z": tokens(c), "h": c["h"], "N_TP": c["tp"]}
    plain = (c["flash"] == 0) & (head % 8 > 0) & (c["tpu"] == 0)
    head = _filled(c, head)
    rate = c["peak"] / np.where(plain, k["n_tensor"], 1.0)
    both = {**common, "S_keys": keys, "d_head": head, "d_half": c["d_half"], "F_peak": rate}
    eta = k["eta_attention"] * c["attention"]
    work = term("attention", **both, eta_attention=eta)
    back = np.where(c["flash"] > 0, term("attention_back", **both, eta_attention=eta), 2 * work)
    passes = k["x_passes"] * software_share(c, k)
    moved = term("scores", **common, S_keys=seen, w_A=2.0, x_passes=passes, beta_hbm=c["hbm"])
    return work, back, np.where(c["flash"] > 0, 0.0, moved)


def _element(c: Columns, k: Constants, f: Any, routed: Any, f_routed: Any) -> Column:
    """Work between the matmuls; compiled for a TPU, it is part of them where tokens keep their places."""
    passes = k["x_passes"] * software_share(c, k)
    common = {"d": c["d"], "beta_hbm": c["hbm"]}
    wide = {**common, "z": tokens(c), "f": f, "N_TP": c["tp"], "h": c["h"], "d_head": c["d_head"]}
    narrow = np.where(c["word"] < 2, 1.0, 0.0)
    plain = term(
        "element", **wide, w_A=2.0, N_norm=c["norm"], n_mlp=c["n_mlp"], h_kv=c["h_kv"],
        x_passes=np.where(c["tpu"] > 0, 1.0, passes),
    )  # fmt: skip
    sort = term(
        "element_routed", **common, w_A=2.0, z_routed=routed, n_mlp=c["n_mlp"], f=f_routed,
        x_passes=passes,
    )  # fmt: skip
    cast = term("cast", **wide, w_O=2.0) + np.where(
        routed > 0, term("cast_routed", **common, z_routed=routed, f=f_routed, w_O=2.0), 0.0
    )
    return plain + sort + narrow * cast


def _messages(c: Columns, k: Constants, attention: Column, moe: bool) -> Column:
    """What a layer sends in one direction and no work hides."""
    z, d, tp, near = tokens(c), c["d"], c["tp"], k["near"] * c["near"]
    one = np.ones_like(tp)
    sent = term("tensor", w_A=2.0, z=z, d=d, N_TP=tp, beta_ring=ring(c, one, tp, k))
    bare = np.minimum(1, k["x_tensor"] * software_share(c, k))
    sent = sent * np.where(c["hides_tensor"] > 0, bare, 1.0)
    passed = term(
        "context", w_A=2.0, z=z, h_kv=c["h_kv"], d_head=c["d_head"], N_CP=c["cp"], N_TP=tp,
        beta_ring=ring(c, tp, c["cp"], k),
    )  # fmt: skip
    sent = sent + np.maximum(0, passed - attention)
    if moe:
        sent = sent + term(
            "expert", w_A=2.0, z=z, d=d, N_TP=tp, k_active=c["k"], N_EP=c["ep"], beta_near=near,
            beta_far=k["far"] * c["far"], x_expert=k["x_expert"],
            N_nodes=np.maximum(1, np.ceil(c["ep"] * c["etp"] / c["node"])),
        )  # fmt: skip
    return sent


def _started(c: Columns, work: Column, host: Column) -> Column:
    """Work and its start, one behind the other or, where each operation is waited for, in turn."""
    names = ("in_turn", "started")
    waits, ahead = (term(name, t_work=work, t_host=host) for name in names)
    return np.where(c["waits"] > 0, waits, ahead)


def layer_times(c: Columns, k: Constants, moe: bool) -> dict[str, Column]:
    """Seconds of one layer and microbatch: both ways, what recomputation adds, and the parts.

    Examples
    --------
    >>> from dmcore.prediction.columns import Case, columns
    >>> from dmcore.prediction.machines import find_machine
    >>> from dmcore.prediction.transformer import Software, Split, Transformer
    >>> model = Transformer(layers=24, d_model=2048, d_ff=8192, heads=16)
    >>> c = columns([Case(find_machine("H100"), model, Split(8, 64), Software())])
    >>> from dmcore.prediction.constants import constants
    >>> parts = layer_times(c, constants(), moe=False)
    >>> bool(2 <= parts["backward"] / parts["forward"] < 2.5)
    True
    """
    z, tp = tokens(c), c["tp"]
    products = _projections(c, k)
    if moe:
        routed = z / tp * c["etp"] * c["k"]
        local, f = c["E"] / c["ep"], c["f"] / c["etp"]
        products = products + local * _mlp(c, k, routed / local, f, parts=local)
        products = products + matmul(c, k, z / tp, c["E"], c["d"], wide=True)
        shared = c["shared"] * c["f"]
        products = products + np.where(shared > 0, _mlp(c, k, z, shared / tp), 0.0)
        element = _element(c, k, shared, routed, f)
    else:
        products = products + _mlp(c, k, z, c["f_dense"] / tp)
        element = _element(c, k, c["f_dense"], 0.0 * z, c["f_dense"])
    attention, again, moved = _scores(c, k)
    messages = _messages(c, k, attention, moe)
    calls = np.where(c["flash"] > 0, 22, 30) + 4 * (tp > 1) + 8 * (c["word"] < 2) + 30 * moe
    call = k["ell_call"] * software_share(c, k) * c["host_share"]
    host = term("host", n_call=calls, ell_call=call)
    forward = products + attention + moved + element
    backward = 2 * products + again + moved + 2 * element
    started = _started(c, forward, host) + messages
    returned = _started(c, backward, 2 * host) + messages
    return {
        "forward": started,
        "backward": returned,
        "selective": np.where(c["flash"] > 0, element, moved),
        "full": started,
        "products": 3 * products,
        "attention": attention + again + 2 * moved,
        "element": 3 * element,
        "messages": 2 * messages,
        "host": started + returned - forward - backward - 2 * messages,
    }


def head_time(c: Columns, k: Constants) -> Column:
    """The output words of one microbatch, both ways: three products and the loss.

    Examples
    --------
    >>> from dmcore.prediction.columns import Case, columns
    >>> from dmcore.prediction.machines import find_machine
    >>> from dmcore.prediction.transformer import Software, Split, Transformer
    >>> model = Transformer(layers=24, d_model=2048, d_ff=8192, heads=16)
    >>> c = columns([Case(find_machine("H100"), model, Split(8, 64), Software())])
    >>> from dmcore.prediction.constants import constants
    >>> bool(head_time(c, constants()) > layer_times(c, constants(), moe=False)["forward"])
    True
    """
    z, rows = tokens(c), c["V"] / c["tp"]
    product = matmul(c, k, z, rows, c["d"], wide=True)
    return (1 + c["ahead"]) * (
        3 * product + term("loss", z=z, d_1=rows, w_O=2.0, beta_hbm=c["hbm"])
    )
