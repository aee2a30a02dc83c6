"""A training step as runs are found to go, in plain Python: one run at a time, from top to bottom.

It is written from the description of the model and shares no code with ``dmcore.prediction``, which does the
same with SymPy's expressions over columns. A run comes as a mapping of numbers (the names are those of
``dmcore.prediction.columns``), and so do the constants.
"""

from __future__ import annotations

import math

FAMILIES = ("Ampere", "Hopper", "Blackwell", "TPU")
# DeepSeek-V2's latent attention: ranks of queries, of keys with values; channels with and without positions.
RANK_Q, RANK_KV, ROTATED, PLAIN, VALUE = 1536, 512, 64, 128, 128


def tokens_per_s(run, k):
    """Tokens per second and GPU."""
    return run["batch"] * run["S"] / Step(run, k).seconds() / run["n_gpu"]


class Step:
    """The step of one run."""

    def __init__(self, run, k):
        self.run, self.k = run, k
        self.z = run["microbatch"] * run["S"] / run["cp"]  # tokens a GPU has of a microbatch
        self.flash, self.latent = run["flash"] > 0, run["latent"] > 0
        self.narrow = run["word"] < 2
        self.tpu = run["tpu"] > 0
        self.sharded = run["shard"] > 1
        self.eta = k["eta_" + FAMILIES[int(run["family"])]] * run["relative"]
        year = min(max(run["year"], 2021), 2026.5)
        self.overhead = math.exp(-k["g_software"] * (year - 2024))
        self.passes = k["x_passes"] * self.overhead
        # GPUs that hold the same experts
        among = run["dp"] * run["cp"] * run["tp"] / (run["ep"] * run["etp"])
        self.replicas_of_experts = max(1, among)

    # ------------------------------------------------------------------------------------- rates

    def ring(self, inside, members):
        """Bandwidth among members of a group, each of which is ``inside`` GPUs."""
        near, far = self.k["near"] * self.run["near"], self.k["far"] * self.run["far"]
        in_node = max(1, min(members, math.floor(self.run["node"] / inside)))
        return near if members <= in_node else min(near, in_node * far)

    def matmul(self, tokens, rows, inner, wide=False, parts=1):
        """Seconds of a product of a (rows x inner) matrix with tokens, at 16 bit if it is wide.

        In the last round of tiles half of the SMs idle; ``parts`` that one kernel makes share it.
        """
        word = 2 if wide else self.run["word"]
        peak = self.run["peak"] * (1 if wide else self.run["narrow"])
        arithmetic = 2 * tokens * self.filled(rows) * self.filled(inner) / (peak * self.eta)
        inner, rows = self.filled(inner), self.filled(rows)
        moved = word * tokens * inner + word * rows * inner + 2 * tokens * rows
        idle = 2 * 128 * 256 / 2 * self.run["sms"] / parts * inner / (peak * self.eta)
        return max(arithmetic, moved / self.run["hbm"]) + idle

    def filled(self, channels):
        """Channels that a TPU's matrix unit takes the time of: a whole number of its sides."""
        side = self.run["array"]
        return math.ceil(channels / side) * side if side > 1 else channels

    # ----------------------------------------------------------------------------------- weights

    def attention_weights(self):
        d, h = self.run["d"], self.run["h"]
        if self.latent:
            queries = RANK_Q * d + RANK_Q * h * (PLAIN + ROTATED)
            keys = d * (RANK_KV + ROTATED) + RANK_KV * h * (PLAIN + VALUE)
            return queries + keys + h * VALUE * d
        return 2 * d * self.run["d_head"] * (h + self.run["h_kv"])

    def weights(self):
        """On one GPU: of a dense layer, of one with experts without them, of its experts; the words."""
        r = self.run
        attention = self.attention_weights() / r["tp"]
        dense = attention + r["n_mlp"] * r["d"] * r["f_dense"] / r["tp"]
        shared = attention + r["n_mlp"] * r["d"] * r["f"] * r["shared"] / r["tp"]
        routed = r["n_mlp"] * r["d"] * r["f"] * r["E"] / (r["ep"] * r["etp"])
        return dense, shared, routed, r["V"] * r["d"] / r["tp"]

    # ------------------------------------------------------------------------------------- memory

    def recomputed(self):
        """Share of the layers that must be computed again for the rest to fit."""
        r = self.run
        dense, shared, routed, words = self.weights()
        sparse = r["L"] - r["L_dense"]
        plain = (dense * r["L_dense"] + shared * sparse) / r["pp"] + 2 * words / min(2, r["pp"])
        experts = routed * sparse / r["pp"]
        if self.sharded:  # 6 bytes for weight and gradient and 12 for Adam's state, all shared
            few = max(1, r["shard"] * r["tp"] / (r["ep"] * r["etp"]))
            state = 18 * plain / r["shard"] + 18 * experts / few
        else:
            zero = r["zero"] > 0
            state = 6 * plain + 12 * plain / (r["dp"] * r["cp"] if zero else 1)
            state += 6 * experts + 12 * experts / (self.replicas_of_experts if zero else 1)
        most, least = self.kept()
        lacking = (state + most - r["room"]) / max(most - least, 1e-9 * r["room"])
        return min(max(lacking, 0), 1)

    def kept(self):
        """Bytes kept for the backward pass: all that is worth it, and the layers' inputs alone."""
        r, z = self.run, self.z
        word = min(2, max(1, r["word"]))
        if self.latent:
            heads = r["h"] * (2 * (PLAIN + ROTATED) + VALUE)
        else:
            heads = (r["h"] + 2 * r["h_kv"]) * r["d_head"]
        every = 4 * r["d"] / r["norm"] + (2 * heads + word * r["h"] * r["d_head"]) / r["tp"]
        wide = 2 * (r["n_mlp"] - 1)  # two bytes for each input of the nonlinearity
        dense = every + wide * r["f_dense"] / r["tp"]
        if not self.flash:
            dense += 5 * r["h"] * r["S"] / r["tp"]
        routed = r["k"] * (word * r["d"] + wide * r["f"] / r["etp"]) * r["etp"] / r["tp"]
        sparse = every + wide * r["f"] * r["shared"] / r["tp"] + routed
        begun = 1 + (r["pp"] - 1) / (r["pp"] * r["vp"]) if r["vp"] > 1 else 1
        most = z * begun * (dense * r["L_dense"] + sparse * (r["L"] - r["L_dense"]))
        return most, z * 2 * r["d"] / r["norm"] * r["L"]

    # ---------------------------------------------------------------------------------- one layer

    def projections(self):
        r, z, tp = self.run, self.z, self.run["tp"]
        if self.latent:
            return (
                self.matmul(z, RANK_Q + RANK_KV + ROTATED, r["d"])
                + self.matmul(z, r["h"] * (PLAIN + ROTATED) / tp, RANK_Q)
                + self.matmul(z, r["h"] * (PLAIN + VALUE) / tp, RANK_KV)
                + self.matmul(z, r["d"], r["h"] * VALUE / tp)
            )
        return self.matmul(z, (r["h"] + 2 * r["h_kv"]) * r["d_head"] / tp, r["d"]) + self.matmul(
            z, r["d"], r["h"] * r["d_head"] / tp
        )

    def mlp(self, tokens, width, parts=1):
        r = self.run
        up = self.matmul(tokens, (r["n_mlp"] - 1) * width, r["d"], parts=parts)
        return up + self.matmul(tokens, r["d"], width, parts=parts)

    def seen(self):
        """Keys that a query meets: half of the layers may have a window."""
        window = self.run["window"]
        return (self.run["S"] + 2 * window) / 2 if window > 0 else self.run["S"]

    def attention(self, products=1):
        """Seconds of its arithmetic, half of it if no score of the future is computed.

        A pass has an exponential for each score and so many times the products of the forward pass.
        """
        r = self.run
        keys = self.seen() * (0.5 if self.flash else 1)
        head = self.filled(PLAIN + ROTATED / 2 if self.latent else r["d_head"])
        rate = r["peak"] * self.k["eta_attention"] * r["attention"]
        if not self.flash and not self.tpu and head % 8 > 0:  # no tensor core takes such heads
            rate /= self.k["n_tensor"]
        flop = 4 * self.z * keys * r["h"] * head / r["tp"]
        return flop / rate * (products + r["d_half"] / head)

    def scores(self):
        """Seconds of writing and reading scores, where attention is not one kernel."""
        if self.flash:
            return 0
        r = self.run
        return 5 * self.passes / 2 * 2 * self.z * self.seen() * r["h"] / (r["tp"] * r["hbm"])

    def element(self, width, routed, routed_width):
        """Seconds of moving activations between the matmuls."""
        r, tp = self.run, self.run["tp"]
        channels = (
            8 * r["d"] / r["norm"]
            + r["n_mlp"] * width / tp
            + (r["n_mlp"] - 1) * (r["h"] + r["h_kv"]) * r["d_head"] / tp
        )
        total = (1 if self.tpu else self.passes) * 2 * self.z * channels
        total += self.passes * 2 * routed * (6 * r["d"] + r["n_mlp"] * routed_width)
        if self.narrow:  # inputs of matmuls are brought to 8 or 4 bit
            total += 2 * 2 * self.z * (2 * r["d"] + (r["h"] * r["d_head"] + width) / tp)
            total += 2 * 2 * routed * (2 * r["d"] + routed_width)
        return total / r["hbm"]

    def messages(self, attention, moe):
        """Seconds of what a layer sends in one direction and nothing hides."""
        r, k, z, tp = self.run, self.k, self.z, self.run["tp"]
        sent = 4 * 2 * z * r["d"] * (tp - 1) / (tp * self.ring(1, tp))
        if r["hides_tensor"] > 0:
            sent *= min(1, k["x_tensor"] * self.overhead)
        passed = 2 * 2 * z * r["h_kv"] * r["d_head"] * (r["cp"] - 1) / (tp * self.ring(tp, r["cp"]))
        sent += max(0, passed - attention)
        if moe:
            nodes = max(1, math.ceil(r["ep"] * r["etp"] / r["node"]))
            copies = nodes * (1 - (1 - 1 / nodes) ** r["k"]) * (nodes - 1) / nodes
            near = r["k"] * (r["ep"] - 1) / (r["ep"] * k["near"] * r["near"])
            slower = max(near, copies / (k["far"] * r["far"]))
            sent += 2 * 2 * z * r["d"] / tp * slower / k["x_expert"]
        return sent

    def layer(self, moe, again):
        """Seconds of one layer both ways, with what is computed again and what gathering adds."""
        r, z, tp = self.run, self.z, self.run["tp"]
        products = self.projections()
        if moe:
            routed = z / tp * r["etp"] * r["k"]
            local, width = r["E"] / r["ep"], r["f"] / r["etp"]
            products += local * self.mlp(routed / local, width, parts=local)
            products += self.matmul(z / tp, r["E"], r["d"], wide=True)  # the router
            shared = r["shared"] * r["f"]
            if shared > 0:
                products += self.mlp(z, shared / tp)
            element = self.element(shared, routed, width)
        else:
            products += self.mlp(z, r["f_dense"] / tp)
            element = self.element(r["f_dense"], 0, r["f_dense"])
        attention, moved = self.attention(), self.scores()
        sent = self.messages(attention, moe)
        forward = products + attention + moved + element
        returned = self.attention(2.5) if self.flash else 2 * attention
        backward = 2 * products + returned + moved + 2 * element
        host = self.host(moe)
        if r["waits"] > 0:  # each operation is started when the one before it has ended
            forward, backward = forward + host + sent, backward + 2 * host + sent
        else:
            forward = started(forward, host) + sent
            backward = started(backward, 2 * host) + sent
        # What is computed again: the cheap part, all of it, or as much as memory demands.
        if r["again_selective"] > 0:
            extra = element if self.flash else moved
        else:
            extra = forward if r["again_full"] > 0 else 0
        extra += again * max(0, forward - extra)
        gathered = self.gathering(moe)
        return self.behind(forward, gathered) + self.behind(backward + extra, 2 * gathered)

    def host(self, moe):
        """Seconds in which the host starts the operations of a layer."""
        calls = 22 if self.flash else 30
        calls += 4 * (self.run["tp"] > 1) + 8 * self.narrow + 30 * moe
        return calls * self.k["ell_call"] * self.overhead * self.run["host_share"]

    def gathering(self, moe):
        """Seconds in which sharded weights of a layer are gathered."""
        r = self.run
        dense, shared, routed, _ = self.weights()
        held = shared + routed if moe else dense
        return 2 * held * (r["shard"] - 1) / (r["shard"] * self.ring(r["tp"], r["shard"]))

    def behind(self, work, send):
        bare = 0 if self.tpu else min(1, self.k["x_shard"] * self.overhead)
        return max(work, send) + bare * min(work, send)

    # ------------------------------------------------------------------------------------ the step

    def output_words(self):
        """Seconds of the output words both ways, once more for each token predicted ahead."""
        r = self.run
        rows = r["V"] / r["tp"]
        product = self.matmul(self.z, rows, r["d"], wide=True)
        loss = 4 * 2 * self.z * rows / r["hbm"]
        return (1 + r["ahead"]) * (3 * product + loss)

    def mean_layer(self):
        r = self.run
        again = self.recomputed() if r["again_fit"] > 0 else 0
        dense = r["L_dense"] / r["L"]
        total = dense * self.layer(False, again) if dense > 0 else 0
        if dense < 1:
            total += (1 - dense + r["ahead"] / r["L"]) * self.layer(True, again)
        return total

    def gradients(self, hidden_by):
        """Seconds of the exchange of gradients that the last microbatch's work does not hide."""
        r, k = self.run, self.k
        if self.sharded:
            send = 0
        else:
            dense, shared, routed, words = self.weights()
            sparse, replicas = r["L"] - r["L_dense"], r["dp"] * r["cp"]
            whole = (dense * r["L_dense"] + shared * sparse) / r["pp"] + words
            word = 4 if r["hides_gradients"] > 0 else 6
            send = word * whole * (replicas - 1) / (replicas * self.ring(r["tp"], replicas))
            same, experts = self.replicas_of_experts, routed * sparse / r["pp"]
            send += 4 * experts * (same - 1) / (same * self.ring(r["ep"] * r["etp"], same))
        if not r["hides_gradients"] > 0:
            return send
        return max(send - k["x_hide"] * hidden_by, k["x_least"] * send)

    def optimizer(self):
        """Seconds in which the optimizer reads and writes its 30 bytes for a parameter."""
        r = self.run
        dense, shared, routed, words = self.weights()
        sparse = r["L"] - r["L_dense"]
        held = (dense * r["L_dense"] + (shared + routed) * sparse) / r["pp"] + words
        own = r["shard"] if self.sharded else (r["dp"] * r["cp"] if r["zero"] > 0 else 1)
        return 30 * held / (own * r["hbm"])

    def hand_over(self, microbatches):
        """Seconds of activations handed from stage to stage."""
        r = self.run
        if r["pp"] == 1:
            return 0
        bare = self.k["x_hand"] if r["hides_gradients"] > 0 else 1
        return bare * microbatches * r["vp"] * 2 * 2 * self.z * r["d"] / (r["tp"] * r["far"])

    def seconds(self):
        r = self.run
        layer = self.mean_layer()
        fullest = math.ceil(r["L"] / (r["pp"] * r["vp"])) * r["vp"]  # layers of the fullest stage
        if self.latent or fullest * (r["pp"] - 1) >= r["L"]:
            fullest = r["L"] / r["pp"]
        slack = max(0, fullest * r["pp"] - r["L"]) * layer
        head = max(0, self.output_words() - slack)
        microbatches = r["batch"] / (r["dp"] * r["microbatch"])
        work = fullest * layer
        bubble = (r["pp"] - 1) / r["vp"] * work
        outside = self.gradients(work + bubble) + self.optimizer() + self.k["t_fixed"]
        return microbatches * (work + head) + bubble + self.hand_over(microbatches) + outside


def started(work, host):
    """Seconds of work that the host starts meanwhile: the longer one, rounded off where they are alike."""
    return (work**4 + host**4) ** 0.25
