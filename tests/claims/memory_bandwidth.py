"""What the chapter on memory bandwidth asserts."""

from claims import values
from claims.ledger import Claim

CLAIMS = (
    Claim(
        "An H100 needs about {} tokens for every pass over its weights.",
        lambda: values.shown(values.nanobatch("H100 SXM"), 3),
    ),
    Claim(
        "The eight GPUs of a node, and all nodes that share a layer, work on the same {} tokens.",
        lambda: values.shown(values.nanobatch("H100 SXM"), 3),
    ),
    Claim(
        "The knee has moved from {} tokens for a V100 to {} for an A100 and {} for an H100",
        *(
            lambda gpu=gpu: values.shown(values.nanobatch(gpu), 3)
            for gpu in ("V100 SXM", "A100 SXM", "H100 SXM")
        ),
    ),
)
