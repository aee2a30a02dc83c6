"""What the cheat sheet says of the run that its numbers are of."""

from claims import values
from claims.ledger import Claim

from dmcore.bottlenecks import critical_batch

CLAIMS = (
    Claim(
        "{} FLOP, with a batch of {} million tokens and {} layers.",
        lambda: values.shown(values.critical_compute()),
        lambda: f"{critical_batch.REFERENCE_BATCH_TOKENS / 1e6:.0f}",
        lambda: str(critical_batch.REFERENCE_LAYERS),
    ),
)
