"""Energy: the published law, what transistor runs say, and a ledger in which every figure names its origin."""
