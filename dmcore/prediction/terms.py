"""Every term of a step as it is trained, each one SymPy expression.

A layer's forward pass is matmuls, attention, the element-wise work between them and messages; the backward
pass is twice the matmuls. What one GPU computes cannot be faster than its host starts it. Data sheets give
the rates; the few numbers that no data sheet gives are in :mod:`dmcore.prediction.constants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy as sp

from dmcore.algebra.symbols import symbols

__all__ = ["TERMS", "Term"]


@dataclass(frozen=True)
class Term:
    """A term: its expression, and in words what it counts.

    Examples
    --------
    >>> TERMS["optimizer"].expr
    P*w_state/(N_shard*beta_hbm)
    """

    expr: sp.Expr
    text: str


def _work() -> dict[str, Term]:
    """What one GPU computes and moves in a layer."""
    z, d_1, d_2, d, f, h, h_kv, d_head = symbols("z d_1 d_2 d f h h_kv d_head")
    d_half, S_keys, n_mlp, routed = symbols("d_half S_keys n_mlp z_routed")
    w_A, w_P, w_O, N_TP, N_norm = symbols("w_A w_P w_O N_TP N_norm")
    F, eta, eta_attention, hbm, passes = symbols("F_peak eta eta_attention beta_hbm x_passes")
    A_tile, N_SM = symbols("A_tile N_SM")
    attention = 4 * z * S_keys * h / (N_TP * F * eta_attention)
    moved = w_A * z * d_2 + w_P * d_1 * d_2 + w_O * z * d_1
    channels = 8 * d / N_norm + n_mlp * f / N_TP + (n_mlp - 1) * (h + h_kv) * d_head / N_TP
    return {
        "matmul": Term(
            sp.Max(2 * z * d_1 * d_2 / (F * eta), moved / hbm),
            "a matmul, by arithmetic or by what it reads and writes",
        ),
        "tail": Term(
            A_tile * N_SM * d_2 / (F * eta),
            "half of a matmul's last round of tiles, in which as many SMs idle on average",
        ),
        "attention": Term(
            attention * (d_head + d_half),
            "queries with keys and scores with values, and an exponential of each score",
        ),
        "attention_back": Term(
            attention * (sp.Rational(5, 2) * d_head + d_half),
            "its backward pass: five products instead of two, and the exponential again",
        ),
        "scores": Term(
            5 * passes / 2 * w_A * z * S_keys * h / (N_TP * hbm),
            "scores written and read, where attention is not one kernel",
        ),
        "element": Term(
            passes * w_A * z * channels / hbm,
            "norms, residuals, rotations and the nonlinearity of a layer",
        ),
        "element_routed": Term(
            passes * w_A * routed * (6 * d + n_mlp * f) / hbm,
            "sorting tokens by expert and back, and the experts' nonlinearity",
        ),
        "cast": Term(
            w_O * 2 * z * (2 * d + (h * d_head + f) / N_TP) / hbm,
            "the inputs of matmuls brought to 8 or 4 bit",
        ),
        "cast_routed": Term(w_O * 2 * routed * (2 * d + f) / hbm, "the same for the experts'"),
        "loss": Term(4 * w_O * z * d_1 / hbm, "the output words' scores read and written"),
    }


def _messages() -> dict[str, Term]:
    """What GPUs send one another."""
    z, d, P, h_kv, d_head, k = symbols("z d P h_kv d_head k_active")
    w_A, w_P, w_G, N_TP, N_CP, N_EP, N_DP = symbols("w_A w_P w_G N_TP N_CP N_EP N_DP")
    N_shard, nodes, N_near, v, K = symbols("N_shard N_nodes N_near v K")
    near, far, ring, x_expert, x_hand = symbols("beta_near beta_far beta_ring x_expert x_hand")
    copies = nodes * (1 - (1 - 1 / nodes) ** k) * (nodes - 1) / nodes
    slower = sp.Max(k * (N_EP - 1) / (N_EP * near), copies / far)
    return {
        "ring": Term(sp.Min(near, N_near * far), "bandwidth of a group that may span nodes"),
        "tensor": Term(
            4 * w_A * z * d * (N_TP - 1) / (N_TP * ring),
            "two all-reduces, or as many reduce-scatters and all-gathers",
        ),
        "context": Term(
            2 * w_A * z * h_kv * d_head * (N_CP - 1) / (N_TP * ring),
            "keys and values passed round the GPUs that share a sequence",
        ),
        "expert": Term(
            2 * w_A * z * d / N_TP * slower / x_expert,
            "dispatch and combine; one copy of a token goes to each node",
        ),
        "gather": Term(
            w_P * P * (N_shard - 1) / (N_shard * ring),
            "weights gathered from those that share them",
        ),
        "hand_over": Term(
            x_hand * K * v * 2 * w_A * z * d / (N_TP * far),
            "activations and their gradients handed from stage to stage",
        ),
        "gradients": Term(
            w_G * P * (N_DP - 1) / (N_DP * ring),
            "gradients summed over the replicas, and new weights sent back",
        ),
    }


def _step() -> dict[str, Term]:
    """How work and messages make a step."""
    K, v, N_PP, P, w_state, N_shard, hbm = symbols("K v N_PP P w_state N_shard beta_hbm")
    x_shard, x_hide, x_least, call, n_call = symbols("x_shard x_hide x_least ell_call n_call")
    work, host, send, stage, exposed = symbols("t_work t_host t_send t_stage t_exposed")
    return {
        "host": Term(n_call * call, "operations of a layer started one after another"),
        "started": Term(
            (work**4 + host**4) ** sp.Rational(1, 4),
            "the longer of work and its start, rounded off where they are alike",
        ),
        "in_turn": Term(work + host, "the same where the host waits for each operation to end"),
        "behind": Term(
            sp.Max(work, send) + x_shard * sp.Min(work, send),
            "work and sending, hidden behind each other but for a share",
        ),
        "gradients_exposed": Term(
            sp.Max(send - x_hide * work, x_least * send),
            "what the last microbatch's work does not hide of the gradients",
        ),
        "optimizer": Term(w_state * P / (N_shard * hbm), "the update, which moves its state"),
        "step": Term(
            K * stage + (N_PP - 1) / v * work + exposed,
            "all microbatches, the pipeline's start and end, and what is outside",
        ),
    }


#: The terms by name. All but ``ring`` are seconds.
TERMS: Mapping[str, Term] = MappingProxyType({**_work(), **_messages(), **_step()})
