"""A model, the batch it trains on, and what is counted of both.

A layer is one MLP. Attention and the memory of activations, which the paper leaves out, are counted if
:class:`Extras` ask for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import (
    check_choice,
    check_flag,
    check_positive_integer,
    check_scalar,
    check_type,
    whole_number,
)
from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.models import activation_memory, attention, laws
from dmcore.models.laws import PASSES, BatchScaling, ShapeScaling
from dmcore.models.words import Words, check_words

__all__ = ["ACTIVATION_MEMORY", "Extras", "Model", "executed_macs", "forward_macs"]

#: What can be kept of the forward pass: all, all but scores, or the inputs of layers only.
ACTIVATION_MEMORY = ("full", "selective", "recompute")


@cache
def forward_macs() -> sp.Expr:
    """MAC of one forward pass for one token, with attention.

    Examples
    --------
    >>> forward_macs()
    2*L*d*f + L*(S*d + 4*d**2)
    """
    L, E = symbols("L E")
    return laws.parameters() / E + L * attention.layer_macs()


@checked
@cache
def executed_macs(with_attention: bool) -> sp.Expr:
    """A third of the MAC of a step for one token: forward ``F_passes`` times, and twice backward.

    Scores go forward ``F_scores`` times: without being kept they are computed again.

    Examples
    --------
    >>> executed_macs(with_attention=False)
    2*L*d*f*(F_passes + 2)/3
    """
    L, E, forward, score_forward = symbols("L E F_passes F_scores")
    weights = laws.parameters() / E
    scores = sp.Integer(0)
    if with_attention:
        weights += L * attention.layer_parameters()
        scores = L * attention.score_macs()
    return ((forward + 2) * weights + (score_forward + 2) * scores) / 3


@dataclass(frozen=True)
class Extras:
    """What the paper leaves out and a model may count nevertheless; by default nothing.

    Attributes
    ----------
    attention : bool
        Attention before each MLP: its parameters, arithmetic, kernels and all-reduces
        (:mod:`dmcore.models.attention`). Its scores count as training compute, so that utilization is of the
        whole model's arithmetic.
    activation_memory : str, optional
        What a GPU must hold of the forward pass for the backward pass
        (:mod:`dmcore.models.activation_memory`): "full" keeps everything, "selective" all but attention's
        scores, which are computed again, "recompute" only the inputs of layers, whose whole forward
        pass with its all-reduces is done again. What is computed again is no training compute, so it
        lowers utilization. None leaves the memory out.

    Raises
    ------
    ValueError
        If a value is none of these.

    Examples
    --------
    >>> Extras(attention=True, activation_memory="recompute").forward_passes
    2
    """

    attention: bool = False
    activation_memory: str | None = None

    def __post_init__(self) -> None:
        check_flag("attention", self.attention)
        if self.activation_memory is not None:
            check_choice("activation_memory", self.activation_memory, ACTIVATION_MEMORY)

    @property
    def forward_passes(self) -> int:
        """How often the forward pass is computed in a step."""
        return 2 if self.activation_memory == "recompute" else 1

    @property
    def score_passes(self) -> int:
        """How often the scores of attention are computed in a step but for their gradients."""
        return 2 if self.activation_memory in ("selective", "recompute") else 1


_NO_EXTRAS = Extras()


@dataclass(frozen=True)
class Model:
    """A model and the batch it trains on. A layer is one MLP: two matrices of d_model x d_ff.

    Attributes
    ----------
    d_model, d_ff : int
        Width of the model, and of the inside of a layer.
    layers : int
        Layers.
    batch_sequences : int
        Sequences in a batch.
    experts : int
        Experts in each layer, of which one is active for a token; 1 is a dense model.
    seq_len : int
        Tokens in a sequence.
    word_bytes : int or Words
        Bytes in a word: 2 at 16 bit; or by what the word is.
    extras : Extras
        What else is counted: nothing by default.

    Raises
    ------
    ValueError
        If a figure is not a whole number of at least 1.

    Examples
    --------
    >>> model = Model.from_laws(12288)
    >>> model.layers, model.batch_tokens, f"{model.training_flop:.1e}"
    (192, 7340032, '6.5e+24')
    """

    d_model: int
    d_ff: int
    layers: int
    batch_sequences: int
    experts: int = 1
    seq_len: int = 2048
    word_bytes: int | Words = 2
    extras: Extras = _NO_EXTRAS

    def __post_init__(self) -> None:
        check_words(self.word_bytes)
        check_type("extras", self.extras, Extras)
        for field in fields(self)[:-2]:
            value = getattr(self, field.name)
            check_positive_integer(field.name, value)
            object.__setattr__(self, field.name, int(value))  # NumPy's integers would overflow

    @classmethod
    def from_laws(
        cls,
        d_model: int,
        sparse: bool = False,
        batch_scaling: BatchScaling = "default",
        *,
        seq_len: int = 2048,
        aspect_ratio: float = 4,
        layer_law: ShapeScaling = "default",
        sparsity_law: ShapeScaling = "default",
        word_bytes: int | Words = 2,
        extras: Extras = _NO_EXTRAS,
    ) -> Model:
        """The model of a width that the scaling laws make.

        Parameters
        ----------
        d_model : int
            Width.
        sparse : bool
            Whether there are experts, as many as ``sparsity_law`` says.
        batch_scaling : str or callable
            See :func:`dmcore.models.laws.batch_sequences`.
        seq_len : int
        word_bytes : int or Words
            See :class:`Model`.
        aspect_ratio : float
            d_ff / d_model.
        layer_law, sparsity_law : str or callable
            A law by name, or (d_model, d_ff) -> whole number, such as a
            :class:`~dmcore.models.laws.ShapeLaw`; the paper's by default.
        extras : Extras
            See :class:`Model`.

        Raises
        ------
        ValueError
            If a figure is out of range, or a law or ratio gives no whole number.
        """
        check_positive_integer("d_model", d_model)
        check_scalar("aspect_ratio", aspect_ratio)
        check_positive_integer("seq_len", seq_len, most=2**48)
        check_flag("sparse", sparse)
        check_type("extras", extras, Extras)
        if not sparse and sparsity_law != "default":
            raise ValueError(
                f"sparsity_law must be left out unless sparse is True, got {sparsity_law!r}"
            )
        d_ff = float(aspect_ratio) * int(d_model)
        if not d_ff < 2**53 or d_ff != int(d_ff) or d_ff < 1:
            raise ValueError(
                "aspect_ratio must make d_ff a whole number, "
                f"got {aspect_ratio!r} for a d_model of {d_model!r}"
            )
        shape = int(d_model), int(d_ff)
        layers = laws.resolved("layer_law", layer_law, laws.DEPTH_LAWS)(*shape)
        layers = whole_number("layer_law(...)", layers)
        experts = 1
        if sparse:
            experts = laws.resolved("sparsity_law", sparsity_law, laws.SPARSITY_LAWS)(*shape)
            experts = whole_number("sparsity_law(...)", experts)
        one_sequence = cls(*shape, layers, 1, experts, seq_len, word_bytes, extras)
        batch = laws.batch_sequences(one_sequence.training_flop, experts, seq_len, batch_scaling)
        return replace(one_sequence, batch_sequences=batch)

    @cached_property
    def words(self) -> Words:
        """Bytes in a word, by what it is."""
        return Words.of(self.word_bytes)

    @property
    def batch_tokens(self) -> int:
        """Tokens in a batch."""
        return self.batch_sequences * self.seq_len

    @cached_property
    def params(self) -> int:
        """Parameters, of all experts together, and of attention if that is counted."""
        mlps = value_of(
            laws.parameters(), d=self.d_model, f=self.d_ff, L=self.layers, E=self.experts
        )
        return int(mlps) + self.attention_params

    @property
    def attention_params(self) -> int:
        """Parameters of attention, 0 if it is not counted."""
        if not self.extras.attention:
            return 0
        return self.layers * int(value_of(attention.layer_parameters(), d=self.d_model))

    def count(self, expr: sp.Expr) -> float:
        """The value of an expression in the model's figures."""
        known = {
            "d": float(self.d_model),
            "f": float(self.d_ff),
            "L": float(self.layers),
            "E": float(self.experts),
            "S": float(self.seq_len),
            "w_A": float(self.words.activations),
            "w_mask": float(activation_memory.MASK_BYTES),
            "F_passes": float(self.extras.forward_passes),
            "F_scores": float(self.extras.score_passes),
        }
        return float(
            value_of(expr, **{symbol.name: known[symbol.name] for symbol in expr.free_symbols})
        )

    @cached_property
    def work(self) -> Mapping[str, float]:
        """P and E for :func:`~dmcore.simulator.times.arithmetic_time`: P / E is a token's MAC forward."""
        if not self.extras.attention:
            return {"P": float(self.params), "E": float(self.experts)}
        return {"P": self.count(forward_macs()), "E": 1.0}

    @cached_property
    def executed_work(self) -> Mapping[str, float]:
        """:attr:`work` with what is computed again."""
        if self.extras == _NO_EXTRAS:
            return self.work
        return {"P": self.count(executed_macs(self.extras.attention)), "E": 1.0}

    @property
    def training_tokens(self) -> int:
        """Tokens that the model is trained on."""
        return int(value_of(laws.training_tokens(), P=self.params))

    @property
    def training_flop(self) -> float:
        """Training compute in FLOP; what is computed again does not count."""
        if self.extras.attention:
            macs = PASSES * self.work["P"] * float(self.training_tokens)
            return FLOP_PER_MAC * macs
        return float(value_of(laws.training_flop(), P=float(self.params), E=float(self.experts)))

    @property
    def steps(self) -> float:
        """Steps of a run: batches in the training tokens."""
        return self.training_tokens / self.batch_tokens

    @cached_property
    def activation_words(self) -> tuple[float, float]:
        """Bytes of a token in a layer that are kept, and that come on top where it is computed again."""
        if self.extras.activation_memory is None:
            return 0.0, 0.0
        kept, again = activation_memory.token_bytes(
            self.extras.attention, self.extras.activation_memory
        )
        return self.count(kept), self.count(again)
